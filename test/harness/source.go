package harness

import (
	"fmt"
	"testing"
)

// Source is an FFmpeg that sends made-up H.264 in MPEG-TS by UDP.
type Source struct{ *service }

// UDPAddr is a free local address for a [Source] to send to.
func UDPAddr(t testing.TB) string {
	t.Helper()
	return hostPort(FreePort(t))
}

// NewSource prepares a source of the given picture size at 10 pictures a second with a keyframe each second. Start starts it.
func NewSource(t testing.TB, addr string, width, height int) *Source {
	t.Helper()
	return &Source{newService(t, program{name: "source", pkg: "ffmpeg", path: "ffmpeg", dir: t.TempDir(), args: []string{
		"-hide_banner", "-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=10", width, height),
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-bf", "0",
		"-f", "mpegts", "udp://" + addr + "?pkt_size=1316"}}, func() error { return nil })}
}
