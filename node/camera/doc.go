// Package camera reads one camera through one persistent FFmpeg process and hands its pictures on as frames.
//
// A [Reader] owns everything that concerns its camera: the process, its restart with back-off, the watchdog, the cutting of the output
// into pictures by length, the check of each picture, its sequence number and its capture time, and the notice of pictures
// that show nothing. What happens to a frame afterwards is the business of the [Output] it is given.
package camera
