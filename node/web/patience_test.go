package web_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestServer_WaitsForNoRequestForLong holds connections whose request does not come to an end to being closed, whatever of it has come.
func TestServer_WaitsForNoRequestForLong(t *testing.T) {
	t.Parallel()
	_, address := serve(t, web.Config{Site: "test"}, web.Parts{}, web.Hurry)
	const request = "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
	for _, sent := range []string{"", request[:10], request[:50], request} {
		c := dial(t, address)
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %q the connection stays open", sent)
		}
	}
}

// dial opens a connection that takes little at a time.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWatch_OutlivesTheTimesOfRequests holds an answer without an end to go on beyond the times for reading a request and answering it.
func TestWatch_OutlivesTheTimesOfRequests(t *testing.T) {
	t.Parallel()
	s := newStand(t, web.Hurry)
	for _, path := range []string{"/api/v1/watch", "/api/v1/events"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/event-stream")
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for beats := 0; beats < 10; { // 1 s; the times for requests are over after 0.6 s
			if !lines.Scan() {
				t.Fatalf("%s ends after %d heartbeats: %v", path, beats, lines.Err())
			}
			if bytes.Equal(lines.Bytes(), []byte(":")) {
				beats++
			}
		}
	}
}

// TestLive_HungViewerIsDropped holds a viewer that takes nothing to being put out.
func TestLive_HungViewerIsDropped(t *testing.T) {
	t.Parallel()
	s := newStand(t, web.Hurry)
	s.camera("dock-1", schema.CameraUp)
	harness.WaitFor(t, 5*time.Second, "the camera", func() bool { return s.get("/api/v1/cameras/dock-1").StatusCode == http.StatusOK })
	if _, err := io.WriteString(dial(t, s.address), "GET /api/v1/cameras/dock-1/live.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 10*time.Second, "the viewer", func() bool { return web.Streams(s.web) == 1 })
	picture, seq := frame(t, "dock-1", 1, time.Now(), 1024), uint64(0)
	harness.WaitFor(t, 30*time.Second, "the viewer to be put out", func() bool {
		f := *picture
		seq++
		f.Seq, f.Captured = seq, time.Now().UTC().Truncate(time.Microsecond)
		s.store(&f)
		return web.Streams(s.web) == 0
	})
}

// TestClip_HungViewersGiveTheirPlacesBack has as many clips downloaded as are made at once, by viewers who take nothing: the next one is
// made all the same.
func TestClip_HungViewersGiveTheirPlacesBack(t *testing.T) {
	t.Parallel()
	s := newStand(t, web.Hurry)
	const frames, padding = 12, 700_000
	first := keyframe(t, "dock-1", 1, 100)
	first.Data = append(first.Data, "\x00\x00\x00\x01\x0c"+strings.Repeat("\xff", padding)+"\x80"...) // what decoders pass over
	for seq := range uint64(frames) {
		f := *first
		f.Seq, f.PTS, f.Captured = seq+1, int64(seq)*9000, first.Captured.Add(time.Duration(seq)*time.Millisecond)
		s.store(&f)
	}
	path := "/api/v1/clip.mkv?camera=dock-1&from=" + first.Captured.Format(time.RFC3339Nano) +
		"&to=" + time.Now().UTC().Format(time.RFC3339Nano)
	for range 2 {
		if _, err := io.WriteString(dial(t, s.address), "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	harness.WaitFor(t, 10*time.Second, "the clips", func() bool { return web.Streams(s.web) == 2 })
	harness.WaitFor(t, 20*time.Second, "the hung viewers to be put out", func() bool { return web.Streams(s.web) == 0 })
	if r := s.get(path); r.StatusCode != http.StatusOK || len(r.body) < frames*padding {
		t.Errorf("a clip has status %d and %d bytes", r.StatusCode, len(r.body))
	}
}
