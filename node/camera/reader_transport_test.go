package camera_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/test/harness"
)

// The transport must reach FFmpeg's inner connection where the address with its credentials comes in a playlist, too.
func TestReader_RTSPTransportIsTheOneAskedFor(t *testing.T) {
	t.Parallel()
	server := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 240})
	for transport, udp := range map[string]bool{"tcp": false, "udp": true, "auto": false} {
		for _, user := range []string{"", "viewer"} {
			t.Run(transport+" "+user, func(t *testing.T) { // one by one: the server does not bear several transports that begin at once
				c := config(server.URL(), camera.ModeJPEG)
				c.RTSPTransport, c.Username, c.Password = transport, user, "p@ss"
				r := start(t, c, "")
				r.waitFrames(3, 30*time.Second)
				if got := usesUDP(t, r.PID()); got != udp {
					t.Errorf("UDP sockets %v, want %v", got, udp)
				}
			})
		}
	}
}

// Each camera is an FFmpeg that waits for one who reads it.
func TestReader_ReadsWhatIsPushedOverRTMPAndSRT(t *testing.T) {
	t.Parallel()
	for scheme, format := range map[string]string{"rtmp": "flv", "srt": "mpegts"} {
		for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeCopy} {
			t.Run(scheme+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				address := fmt.Sprintf("%s://127.0.0.1:%d", scheme, harness.FreePort(t))
				listen := []string{"-listen", "1", address + "/live/a"}
				if scheme == "srt" {
					listen = []string{address + "?mode=listener"}
				} else {
					address += "/live/a"
				}
				args := append([]string{"-nostdin", "-loglevel", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10", "-c:v", "libx264",
					"-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-bf", "0", "-f", format}, listen...)
				cmd := exec.CommandContext(t.Context(), "ffmpeg", args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = cmd.Wait() }) // it ends with the test's context, or with its reader
				checkFrames(t, start(t, config(address, mode), "").waitFrames(10, 30*time.Second)[:10])
			})
		}
	}
}

// usesUDP reports whether a process has a UDP socket that waits for packets.
func usesUDP(t *testing.T, pid int) bool {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/udp", pid))
	if err != nil {
		t.Fatal(err)
	}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue // closed meanwhile
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if ok && strings.Contains(string(table), " "+strings.TrimSuffix(inode, "]")+" ") {
			return true
		}
	}
	return false
}

// The pictures of a segment arrive all at once and must not be taken for a burst.
func TestReader_HLSKeepsTheTimeOfItsPictures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run(t, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0",
		"-f", "hls", "-hls_time", "2", "-hls_list_size", "0", filepath.Join(dir, "live.m3u8"))
	s := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(s.Close)
	for _, user := range []string{"", "viewer"} {
		for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeCopy} {
			t.Run(string(mode)+" "+user, func(t *testing.T) {
				t.Parallel()
				c := config(s.URL+"/live.m3u8?token=1", mode)
				c.Username = user
				frames := start(t, c, "").waitFrames(15, 30*time.Second)
				checkFrames(t, frames[:15])
				slack := 100 * time.Millisecond
				if mode == camera.ModeCopy { // stamped as it is read, on a machine that may be busy
					slack = 500 * time.Millisecond
				}
				if off := frames[14].Captured.Sub(frames[0].Captured) - 1400*time.Millisecond; off.Abs() > slack {
					t.Errorf("15 pictures in 1.4 s and %v", off)
				}
			})
		}
	}
}
