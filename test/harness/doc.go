// Package harness starts the real parts that tests need: RabbitMQ, Redis, an RTSP camera, a TCP proxy with faults, pictures and
// clips.
//
// Each part listens on a port of its own, keeps its files in the test's temporary folder and has ended when the test has ended.
// Only processes that the harness started are ever signalled. The programs come from Debian's packages; a test that misses one
// fails and names the package.
package harness
