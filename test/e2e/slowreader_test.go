package e2e_test

import (
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

// TestTime_SlowReaderCostsNobodyElseAnything stops a nats CLI that reads all frames, has another that writes to a pipe which nobody reads, and
// has 50 viewers ask by HTTP for pictures, states, events and clips, and take nothing. Cameras and bridges go on, the node's memory stays
// bounded, and the one that stands still is cut off, as are viewers for whom more waits than they may leave.
func TestTime_SlowReaderCostsNobodyElseAnything(t *testing.T) {
	if _, err := exec.LookPath("nats"); err != nil {
		t.Fatal("the nats CLI is missing: run make deps, which puts it into bin, and put bin on PATH")
	}
	cache := harness.StartRedis(t, harness.RedisOptions{})
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Bridges: lines(cacheBridge(cache.URL())),
		Cameras: lines("  - {id: cam-1, url: 'lavfi:nullsrc=size=640x360:rate=10,noise=alls=60:allf=t', quality: 2}\n")})
	harness.WaitFor(t, 30*time.Second, "frames", func() bool { return n.Metric("edge_video_bridge_delivered_total") > 5 })
	read := func(args ...string) *exec.Cmd {
		cmd := exec.Command("nats", append([]string{"--server", n.NATSURL(), "sub", "frames.>", "--raw"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			out.Close()
			_ = cmd.Wait() // it was killed
		})
		if _, err := out.Read(make([]byte, 1)); err != nil { // of the first frame; the rest fills the pipe
			t.Fatal(err)
		}
		return cmd
	}
	read()
	still := read()
	if err := still.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	viewers := hungViewers(t, n, 50)
	stopped, before, memory := time.Now(), n.Metric("edge_video_frames_processed_total"), n.Metric("process_resident_memory_bytes")
	harness.WaitFor(t, time.Minute, "the reader that stands still to be cut off", func() bool { return n.Metric("gnatsd_varz_slow_consumers") > 0 })
	frames, waited := n.Metric("edge_video_frames_processed_total")-before, time.Since(stopped).Seconds()
	if frames < 3*waited { // what a full machine reads of it is another matter
		t.Errorf("%v frames were stored in %.1f s, of a camera that sends 10 a second", frames, waited)
	}
	if dropped := n.Metric("edge_video_frames_dropped_total"); dropped > 0 {
		t.Errorf("%v frames were dropped", dropped)
	}
	harness.WaitFor(t, 10*time.Second, "the bridge to have all of them", func() bool { return n.Metric("edge_video_bridge_pending_frames") < 10 })
	// 128 MiB may wait for each of the two, and the collector lets as much come together as is in use
	if now := n.Metric("process_resident_memory_bytes"); now > 2*(memory+256<<20) {
		t.Errorf("the node has come to take %.0f MiB, of %.0f before", now/(1<<20), memory/(1<<20))
	}
	for _, v := range viewers {
		cutOff(t, v)
	}
	t.Logf("cut off after %.1f s, in which %v frames were stored", waited, frames)
}

// hungViewers are connections over which something without an end has been asked for, and nothing is read. Those for pictures are returned.
func hungViewers(t *testing.T, n *harness.Node, count int) (pictures []net.Conn) {
	t.Helper()
	span := url.Values{"camera": {"cam-1"}, "from": {time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)},
		"to": {time.Now().UTC().Format(time.RFC3339)}}
	paths := []string{"cameras/cam-1/live.mjpeg", "watch", "events", "cameras/cam-1/live.mjpeg?width=320", "clip.mkv?" + span.Encode()}
	for i := range count {
		c, err := net.Dial("tcp", strings.TrimPrefix(n.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(c, "GET /api/v1/"+paths[i%len(paths)]+" HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		if i%len(paths) == 0 {
			pictures = append(pictures, c)
		}
	}
	return pictures
}

// cutOff holds a connection to have been closed by the other side, which takes no more of it then.
func cutOff(t *testing.T, c net.Conn) {
	t.Helper()
	harness.WaitFor(t, 20*time.Second, "a hung viewer to be cut off", func() bool {
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		return err != nil
	})
}
