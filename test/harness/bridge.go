package harness

import (
	"syscall"
	"testing"
)

// Bridge is a running `edge-video bridge`.
type Bridge struct {
	*service
	web
}

// StartBridge starts a process with the bridges of a configuration alone, called name, and returns when it answers over HTTP, whether or not
// the node does. More arguments follow those that it needs.
func StartBridge(t testing.TB, path, config, name string, more ...string) *Bridge {
	t.Helper()
	b := &Bridge{web: web{tb: t, httpPort: FreePort(t)}}
	args := append([]string{"bridge", "--config", config, "--node", name, "--http", hostPort(b.httpPort)}, more...)
	b.service = newService(t, program{name: "edge-video-" + name, path: path, args: args, dir: t.TempDir(), env: []string{"GORACE=halt_on_error=1"}},
		func() error { return dialTCP(hostPort(b.httpPort)) })
	b.Start()
	return b
}

// Hangup sends it SIGHUP.
func (b *Bridge) Hangup() {
	b.tb.Helper()
	b.signal(syscall.SIGHUP)
}
