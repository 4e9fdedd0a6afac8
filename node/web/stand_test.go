package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
	"github.com/edge-video/edge-video/test/harness"
)

// stand is a web server over a node's JetStream, without cameras: tests write what they would.
type stand struct {
	t       testing.TB
	web     *web.Server
	js      jetstream.JetStream
	journal *journal.Journal
	address string

	mu     sync.Mutex
	reload error // of the next reloads
	sites  []web.Site
}

func logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// serve runs a web server without JetStream until the test ends. prepare is done to it before.
func serve(t testing.TB, c web.Config, parts web.Parts, prepare ...func(*web.Server)) (*web.Server, string) {
	t.Helper()
	if parts.Readiness == nil {
		parts.Readiness = func() web.Readiness {
			return web.Readiness{Reasons: []string{"a secret reason"}, Degraded: []string{"another"}}
		}
	}
	parts.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "up 1") })
	s, err := web.New(c, parts, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, do := range prepare {
		do(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	until(t, func(ctx context.Context) error { return s.Serve(ctx, l) })
	return s, l.Addr().String()
}

// until runs something until the test ends.
func until(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// newStand starts everything.
func newStand(t testing.TB, prepare ...func(*web.Server)) *stand {
	t.Helper()
	c := web.Config{Site: "test", Node: "node-1", Version: "1"}
	server, err := node.NewServer(node.ServerConfig{Site: c.Site, Node: c.Node, DataDir: filepath.Join(t.TempDir(), "data"), MaxFrame: 1 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}}}, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	until(t, server.Run)
	<-server.Ready()
	nc, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{t: t, js: js, journal: journal.New(js, c.Site, c.Node, logger(t))}
	until(t, s.journal.Run)
	pictures := render.New("ffmpeg", logger(t))
	until(t, pictures.Run)
	s.web, s.address = serve(t, c, web.Parts{Connect: server.Connect, Pictures: pictures,
		Horizon:   func() time.Duration { return time.Hour },
		Readiness: func() web.Readiness { return web.Readiness{Ready: true, Reasons: []string{}, Degraded: []string{}} },
		Sites: func() []web.Site {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.sites
		},
		Reload: func(context.Context) ([]string, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return []string{"cameras[a]: added"}, s.reload
		}}, prepare...)
	until(t, s.web.Run)
	harness.WaitFor(t, 10*time.Second, "the API", func() bool { return s.get("/api/v1/cameras").StatusCode == http.StatusOK })
	return s
}

// reply is an answer that has been read.
type reply struct {
	*http.Response
	body []byte
}

// get asks for a path.
func (s *stand) get(path string, header ...string) reply {
	s.t.Helper()
	return ask(s.t, s.address, http.MethodGet, path, "", header...)
}

// ask sends a request with headers, each a name and a value.
func ask(t testing.TB, address, method, path, body string, header ...string) reply {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp, read}
}

// json reads the answer into v.
func (r reply) json(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%s: %v: %s", r.Request.URL, err, r.body)
	}
}

// refused checks that an answer is a problem document of a status, whose detail holds a text.
func (r reply) refused(t testing.TB, status int, detail string) {
	t.Helper()
	var p struct {
		Type, Title, Detail, Instance string
		Status                        int
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("%s %s: status %d with content type %q, want a problem", r.Request.Method, r.Request.URL, r.StatusCode, got)
		return
	}
	r.json(t, &p)
	if r.StatusCode != status || p.Status != status || !strings.Contains(p.Detail, detail) || p.Title != http.StatusText(status) ||
		p.Type == "" || p.Instance == "" {
		t.Errorf("%s %s: status %d, problem %s; want %d with %q", r.Request.Method, r.Request.URL, r.StatusCode, r.body, status, detail)
	}
}

// camera writes a camera's state.
func (s *stand) camera(id string, state schema.CameraState) {
	s.journal.State(schema.BucketCameras, id, schema.CameraStatus{State: state, Since: time.Now().UTC(), Node: "node-1", FPS: 10})
}

// sse reads server-sent events until yield says that it has enough, or a while has passed.
func (s *stand) sse(path, last string, enough func(event, id, data string) bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var event, id, data string
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			event = value
		case "id":
			id = value
		case "data":
			data = value
		case "":
			if data != "" && enough(event, id, data) {
				return
			}
			event, data = "", ""
		}
	}
	s.t.Fatalf("%s ended before everything was told: %v", path, lines.Err())
}
