package camera_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// live serves what serve writes as a camera over HTTP, to those who know the password.
func live(t *testing.T, user, password string, serve func(w http.ResponseWriter, r *http.Request, connection int)) string {
	t.Helper()
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); user != "" && (!ok || u != user || p != password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="camera"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		mu.Lock()
		n++
		connection := n
		mu.Unlock()
		serve(w, r, connection)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/live.ts"
}

// play sends a file at a pace of its packets until the client goes.
func play(w http.ResponseWriter, r *http.Request, b []byte, length time.Duration) {
	const step = 20 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	piece := max(1, int(float64(len(b))*float64(step)/float64(length)))
	for len(b) > 0 {
		n := min(piece, len(b))
		if _, err := w.Write(b[:n]); err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		b = b[n:]
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// challenge answers every RTSP request with 401 and passes on the credentials it is given.
func challenge(c net.Conn, got chan<- string) {
	defer c.Close()
	buf := make([]byte, 0, 4096)
	for {
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if buf = append(buf, b[:n]...); !bytes.Contains(buf, []byte("\r\n\r\n")) {
			continue
		}
		seq := ""
		for _, line := range strings.Split(string(buf), "\r\n") {
			if v, ok := strings.CutPrefix(line, "CSeq: "); ok {
				seq = v
			}
			if v, ok := strings.CutPrefix(line, "Authorization: "); ok {
				select {
				case got <- v:
				default:
				}
			}
		}
		buf = buf[:0]
		if _, err := fmt.Fprintf(c, "RTSP/1.0 401 Unauthorized\r\nCSeq: %s\r\nWWW-Authenticate: Basic realm=\"cam\"\r\n\r\n", seq); err != nil {
			return
		}
	}
}

// pictures sends JPEG pictures as cameras do over HTTP, ten a second, the one for each number.
func pictures(w http.ResponseWriter, r *http.Request, picture func(n int) []byte) {
	w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=picture")
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		b := picture(n)
		if _, err := fmt.Fprintf(w, "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", len(b), b); err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
