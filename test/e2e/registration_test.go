package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestRegistration_AnnouncesTheNodeWithoutPasswords has a node announce itself to an API that fails at first, and again when a reload
// has changed what there is to say. Neither the API nor anyone else is told a password.
func TestRegistration_AnnouncesTheNodeWithoutPasswords(t *testing.T) {
	const secret = "hunter2"
	var mu sync.Mutex
	var bodies []string
	answer := http.StatusServiceUnavailable
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, string(body))
		w.WriteHeader(answer)
	}))
	defer api.Close()
	said := func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(bodies) }

	nowhere := harness.FreePort(t)
	cam := func(id string) string {
		return fmt.Sprintf("  - {id: %s, url: 'rtsp://viewer:%s@127.0.0.1:%d/%s'}\n", id, secret, nowhere, id)
	}
	o := harness.NodeOptions{Program: program, Cameras: lines(cam("a")),
		Bridges: fmt.Sprintf("  - {name: broker, rabbitmq: {url: 'amqp://gate:%s@127.0.0.1:%d/tenant', exchange: cameras, routing_key: 'camera.{camera}'}}\n", secret, nowhere),
		More:    fmt.Sprintf("registration: {url: '%s/cameras?token=%s', token: %s, retry: 1s, timeout: 1s}\n", api.URL, secret, secret)}
	n := harness.StartNode(t, o)
	harness.WaitFor(t, 30*time.Second, "a refusal that degrades the node", func() bool {
		return slices.ContainsFunc(n.Readyz().Degraded, func(d string) bool {
			return strings.Contains(d, "registration at "+api.URL) && strings.Contains(d, "503")
		})
	})
	mu.Lock()
	answer, bodies = http.StatusOK, nil
	mu.Unlock()
	harness.WaitFor(t, 30*time.Second, "acceptance", func() bool {
		return len(said()) == 1 && !slices.ContainsFunc(n.Readyz().Degraded, func(d string) bool { return strings.Contains(d, "registration") })
	})
	o.Cameras = lines(cam("a"), cam("b"))
	n.Configure(o)
	n.Hangup()
	harness.WaitFor(t, 30*time.Second, "the change to be announced", func() bool { return len(said()) == 2 })

	camera := func(id string) string {
		return fmt.Sprintf(`{"id":"%s","url":"rtsp://127.0.0.1:%d/%s"}`, id, nowhere, id)
	}
	rest := fmt.Sprintf(`],"namespace":"tenant","rabbitmq_url":"amqp://127.0.0.1:%d/tenant","routing_key":"camera.","exchange":"cameras","vhost":"tenant"}`, nowhere)
	for i, want := range []string{`{"cameras":[` + camera("a") + rest, `{"cameras":[` + camera("a") + "," + camera("b") + rest} {
		if got := said()[i]; got != want {
			t.Errorf("announcement %d\ngot  %s\nwant %s", i, got, want)
		}
	}
	var states []string
	harness.WaitFor(t, 10*time.Second, "the events", func() bool {
		states = nil
		for _, e := range events(t, n.JetStream(), schema.ClassNode, "node-1", schema.KindControl) {
			if strings.Contains(e.Message, secret) {
				t.Errorf("an event shows the secret: %s", e.Message)
			}
			if e.Reason == "registration" {
				states = append(states, e.State)
			}
		}
		return len(states) >= 3
	})
	if want := []string{"failed", "accepted", "accepted"}; !slices.Equal(states, want) {
		t.Errorf("got events %v, want %v: a failure once, each acceptance", states, want)
	}
	log, err := os.ReadFile(filepath.Join(filepath.Dir(n.Config), "edge-video.out"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "registered") || strings.Contains(string(log), secret) {
		t.Errorf("the log has no word of registration, or shows the secret:\n%s", log)
	}
}
