package registration_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/registration"
	"github.com/edge-video/edge-video/test/harness"
)

// api is an HTTP API that is told who there is.
type api struct {
	mu     sync.Mutex
	answer int // 0 hangs
	tries  int
	bodies []string // of accepted announcements
	header http.Header
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	answer := a.answer
	a.tries++
	if answer/100 == 2 {
		a.bodies, a.header = append(a.bodies, r.Method+" "+r.URL.Path+" "+string(body)), r.Header
	}
	a.mu.Unlock()
	if answer == 0 {
		<-r.Context().Done()
		return
	}
	if answer/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(answer)
}

// set changes how the API answers, and waits for two tries of that kind.
func (a *api) set(t *testing.T, answer int) {
	t.Helper()
	a.mu.Lock()
	a.answer, a.tries = answer, 0
	a.mu.Unlock()
	if answer/100 != 2 {
		harness.WaitFor(t, 10*time.Second, "two tries", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return a.tries >= 3 })
	}
}

func (a *api) accepted() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.bodies)
}

// run runs a registrar until the test ends, and returns it with what it has told.
func run(t *testing.T, c registration.Config) (r *registration.Registrar, told func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	var log bytes.Buffer
	r = registration.New(c, slog.New(slog.NewJSONHandler(&log, nil)), func(accepted bool, message string) {
		mu.Lock()
		defer mu.Unlock()
		if accepted {
			message = "accepted: " + message
		}
		all = append(all, message)
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
		if text := log.String() + strings.Join(all, ""); strings.Contains(text, "hunter2") {
			t.Errorf("a secret was told: %s", text)
		}
	})
	return r, func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
}

// announcement is one that any API would take.
func announcement(ids ...string) registration.Announcement {
	a := registration.Announcement{Namespace: "tenant", RabbitMQURL: "amqp://h:5672/tenant", RoutingKey: "camera.", Exchange: "cameras", VHost: "tenant"}
	for _, id := range ids {
		a.Cameras = append(a.Cameras, registration.Camera{ID: id, URL: "rtsp://10.0.0.5/" + id})
	}
	return a
}

// TestRun_AnnouncesUntilAccepted meets an API that is down, fails, hangs and then accepts, and another thing to say.
func TestRun_AnnouncesUntilAccepted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	c := registration.Config{URL: config.URL("http://user:hunter2@" + address + "/cameras?token=hunter2"), Retry: 20 * time.Millisecond,
		Timeout: 200 * time.Millisecond, Announcement: announcement("a", "b")}
	r, told := run(t, c)
	harness.WaitFor(t, 10*time.Second, "a refused connection", func() bool { return r.Err() != nil && len(told()) == 1 })

	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	a := &api{answer: http.StatusInternalServerError}
	server := &http.Server{Handler: a}
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	defer func() { server.Close(); <-served }()
	a.set(t, http.StatusInternalServerError)
	a.set(t, 0)
	a.set(t, http.StatusTemporaryRedirect)
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "registration at http://") {
		t.Errorf("Err is %v while nothing is accepted", err)
	}
	a.set(t, http.StatusCreated)
	harness.WaitFor(t, 10*time.Second, "acceptance", func() bool { return len(a.accepted()) == 1 && r.Err() == nil })

	c.Announcement = announcement("a")
	r.Update(c)
	harness.WaitFor(t, 10*time.Second, "the change", func() bool { return len(a.accepted()) == 2 })
	r.Update(c) // the same again
	c.Announcement = announcement("z")
	r.Update(c)
	harness.WaitFor(t, 10*time.Second, "the next change", func() bool { return len(a.accepted()) == 3 })

	bodies := a.accepted()
	want := `POST /cameras {"cameras":[{"id":"a","url":"rtsp://10.0.0.5/a"},{"id":"b","url":"rtsp://10.0.0.5/b"}],"namespace":"tenant",` +
		`"rabbitmq_url":"amqp://h:5672/tenant","routing_key":"camera.","exchange":"cameras","vhost":"tenant"}`
	if bodies[0] != want {
		t.Errorf("got  %s\nwant %s", bodies[0], want)
	}
	if !strings.Contains(bodies[1], `"cameras":[{"id":"a",`) || !strings.Contains(bodies[2], `"cameras":[{"id":"z",`) {
		t.Errorf("got %q, want each change once", bodies)
	}
	kinds := []string{"connection refused", "answers 500 Internal Server Error", "deadline exceeded", "answers 307 Temporary Redirect",
		"accepted: ", "accepted: ", "accepted: "}
	harness.WaitFor(t, 10*time.Second, "the last acceptance to be told", func() bool { return len(told()) >= len(kinds) })
	all := told()
	if len(all) != len(kinds) {
		t.Fatalf("told %q, want each kind of failure once and each acceptance", all)
	}
	for i, k := range kinds {
		if !strings.Contains(all[i], k) {
			t.Errorf("told %q, want %q", all[i], k)
		}
	}
}

// TestRun_VerifiesTheServer announces nothing to a server whose certificate no one vouches for, and its token to one with a good one.
func TestRun_VerifiesTheServer(t *testing.T) {
	pem := harness.MakeCertificates(t)
	pair, err := tls.LoadX509KeyPair(pem.Server, pem.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	a := &api{answer: http.StatusOK}
	server := httptest.NewUnstartedServer(a)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug)
	server.StartTLS()
	defer server.Close()
	c := registration.Config{URL: config.URL(server.URL), Token: "hunter2", Retry: 20 * time.Millisecond, Timeout: 5 * time.Second, Announcement: announcement("a")}
	r, _ := run(t, c)
	harness.WaitFor(t, 10*time.Second, "refusal of the certificate", func() bool { return r.Err() != nil })
	if got := a.accepted(); len(got) != 0 || !strings.Contains(r.Err().Error(), "certificate") {
		t.Errorf("announced %q with error %v, want nothing and the certificate named", got, r.Err())
	}
	c.TLS = bridge.TLS{CA: pem.CA, ServerName: harness.ServerName}
	r.Update(c)
	harness.WaitFor(t, 10*time.Second, "acceptance", func() bool { return len(a.accepted()) == 1 && r.Err() == nil })
	if got := a.header.Get("Authorization"); got != "Bearer hunter2" {
		t.Errorf("got Authorization %q, want the token", got)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(a.accepted()[0], "POST / ")), &body); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key := range body {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if d := cmp.Diff(keys, []string{"cameras", "exchange", "namespace", "rabbitmq_url", "routing_key", "vhost"}); d != "" {
		t.Errorf("-got +want:\n%s", d)
	}
}

// TestRun_SaysNothingWithoutAddress stays quiet until it is given one, and falls quiet again.
func TestRun_SaysNothingWithoutAddress(t *testing.T) {
	a := &api{answer: http.StatusNotFound}
	server := httptest.NewServer(a)
	defer server.Close()
	r, told := run(t, registration.Config{Announcement: announcement("a")})
	c := registration.Config{URL: config.URL(server.URL), Retry: time.Hour, Timeout: 5 * time.Second, Announcement: announcement("a")}
	r.Update(c)
	harness.WaitFor(t, 10*time.Second, "a refusal", func() bool { return r.Err() != nil && len(told()) == 1 })
	r.Update(registration.Config{})
	if err := r.Err(); err != nil {
		t.Errorf("Err is %v though no one is to be told", err)
	}
}
