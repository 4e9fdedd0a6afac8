package harness

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Tunnel is an HTTP proxy in this process that knows CONNECT alone.
type Tunnel struct {
	server *httptest.Server
	opened atomic.Int64
}

// StartTunnel starts a proxy that wants the given user and password, or nothing where both are "".
func StartTunnel(t testing.TB, user, password string) *Tunnel {
	t.Helper()
	p := &Tunnel{}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ask := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		if u, pw, _ := ask.BasicAuth(); u != user || pw != password {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer far.Close()
		near, ahead, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		p.opened.Add(1)
		if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
		ended := make(chan struct{}, 2)
		for _, way := range [][2]any{{far, ahead}, {near, far}} {
			go func() {
				// Either end may go at any time.
				_, _ = io.Copy(way[0].(io.Writer), way[1].(io.Reader))
				ended <- struct{}{}
			}()
		}
		<-ended
		far.Close()
		near.Close()
		<-ended
	}))
	t.Cleanup(p.server.Close)
	return p
}

// Addr is where it listens.
func (p *Tunnel) Addr() string { return strings.TrimPrefix(p.server.URL, "http://") }

// Opened is how many connections it has made.
func (p *Tunnel) Opened() int64 { return p.opened.Load() }
