package web_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/test/harness"
)

// TestCrowd_OthersAreServed holds a listener on which many more connections are opened than it keeps, some of which begin a request and
// never end it, to bounded memory, and to answer whoever asks in earnest, from the same address as from another.
func TestCrowd_OthersAreServed(t *testing.T) {
	_, address := serve(t, web.Config{Site: "test"}, web.Parts{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const atOnce = 500
	opened := 3_000
	if os.Getenv("EDGE_VIDEO_SOAK") != "" {
		opened = 10_000
	}
	var mu sync.Mutex
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	var g sync.WaitGroup
	for worker := range 8 {
		g.Go(func() {
			for i := range opened / 8 {
				c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				if i%10 == 0 {
					_, _ = io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ") // it may have been put out
				}
				mu.Lock()
				open = append(open, c)
				if len(open) > 8*atOnce { // the test's own descriptors are few
					open[0].Close()
					open = open[1:]
				}
				mu.Unlock()
				if worker == 0 && i%500 == 499 && !answers(t, "127.0.0.2", address) {
					t.Error("another address is not served")
				}
			}
		})
	}
	g.Wait()
	harness.WaitFor(t, 10*time.Second, "an answer to the same address", func() bool { return answers(t, "127.0.0.1", address) })
	if !answers(t, "127.0.0.2", address) {
		t.Error("another address is not served")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse); grown > 32<<20 {
		t.Errorf("memory has grown by %d MiB", grown>>20)
	}
}

// answers reports whether the server answers a client of an address.
func answers(t *testing.T, from, address string) bool {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 20 * time.Second}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}, Timeout: 20 * time.Second}
	resp, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
