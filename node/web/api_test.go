package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestAPI_TellsTheState holds lists, single objects and the watch to one state, and the watch to what changes.
func TestAPI_TellsTheState(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.camera("dock-1", schema.CameraUp)
	s.camera("gate", schema.CameraBackoff)
	s.journal.State(schema.BucketBridges, "broker", schema.BridgeStatus{State: schema.BreakerClosed, Since: time.Now().UTC(), Pending: 3})
	var cameras []web.Camera
	harness.WaitFor(t, 5*time.Second, "two cameras and a bridge", func() bool {
		s.get("/api/v1/cameras").json(t, &cameras)
		var bridges []web.Bridge
		s.get("/api/v1/bridges").json(t, &bridges)
		return len(cameras) == 2 && len(bridges) == 1 && bridges[0].Name == "broker" && bridges[0].Pending == 3 && *bridges[0].Horizon == 3600 &&
			bridges[0].Drain == nil
	})
	if c := cameras[0]; c.Site != "test" || c.ID != "dock-1" || c.State != schema.CameraUp || c.FPS != 10 {
		t.Errorf("got %+v", c)
	}
	for _, id := range []string{"gate", "test.gate"} {
		var c web.Camera
		if s.get("/api/v1/cameras/"+id).json(t, &c); c.ID != "gate" || c.State != schema.CameraBackoff {
			t.Errorf("%s: got %+v", id, c)
		}
	}
	var status struct {
		Site, Node, Role string
		Ready            bool
		Horizon          float64 `json:"horizon_seconds"`
	}
	if s.get("/api/v1/status").json(t, &status); status.Site != "test" || status.Node != "node-1" || status.Role != "operator" ||
		!status.Ready || status.Horizon != 3600 {
		t.Errorf("got %+v", status)
	}
	var streams []web.Stream
	if s.get("/api/v1/streams").json(t, &streams); len(streams) != 4 || streams[2].Name != schema.StreamFrames ||
		streams[2].MaxBytes != 64<<20 {
		t.Errorf("got %+v", streams)
	}
	seen := map[string]int{}
	ready := false
	s.sse("/api/v1/watch", "", func(event, _, data string) bool {
		if seen[event]++; event == "ready" {
			ready = true
			if seen["camera"] != 2 || seen["bridge"] != 1 || seen["status"] != 1 {
				t.Errorf("before ready came %v", seen)
			}
			s.camera("gate", schema.CameraUp)
			if err := s.cameraGone("dock-1"); err != nil {
				t.Error(err)
			}
			s.journal.Event(schema.Event{Class: schema.ClassCamera, Name: "gate", Kind: schema.KindState, State: "up"})
		}
		if !ready {
			return false
		}
		switch {
		case event == "camera" && strings.Contains(data, `"gate"`) && strings.Contains(data, `"up"`):
			seen["changed"]++
		case event == "camera" && strings.Contains(data, `"removed":true`):
			seen["removed"]++
		}
		return seen["changed"] > 0 && seen["removed"] > 0 && seen["event"] > 0
	})
}

// TestWatch_TellsOfSitesThatGo holds those who watch to be told when a hub does not know a site any more.
func TestWatch_TellsOfSitesThatGo(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	know := func(sites ...web.Site) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sites = sites
	}
	know(web.Site{Site: "lisbon"}, web.Site{Site: "porto"})
	s.sse("/api/v1/watch", "", func(event, _, data string) bool {
		var site struct {
			Site    string
			Removed bool
		}
		if event != "site" {
			return false
		}
		if err := json.Unmarshal([]byte(data), &site); err != nil {
			t.Error(err)
		}
		if site.Site == "porto" && !site.Removed {
			know(web.Site{Site: "lisbon"})
		}
		if site.Site == "lisbon" && site.Removed {
			t.Error("a site that is there is told as removed")
		}
		return site.Removed
	})
}

func (s *stand) cameraGone(id string) error {
	kv, err := s.js.KeyValue(s.t.Context(), schema.BucketCameras)
	if err != nil {
		return err
	}
	return kv.Delete(s.t.Context(), schema.StatusKey("test", id))
}

// TestEvents_NewestFirstAndResumed holds the list to its filters and bounds, and the stream to go on behind the last event a viewer had.
func TestEvents_NewestFirstAndResumed(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for i := range 20 {
		s.journal.Event(schema.Event{Class: schema.ClassCamera, Name: []string{"a", "b"}[i%2], Kind: schema.KindState, Count: uint64(i)})
	}
	var events []web.Event
	harness.WaitFor(t, 5*time.Second, "all events", func() bool {
		s.get("/api/v1/events").json(t, &events)
		return len(events) == 20
	})
	for i, e := range events {
		if e.Count != uint64(19-i) || e.Stream != schema.StreamEvents || e.StreamSeq != uint64(20-i) {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
	middle := events[10].Time.Format(time.RFC3339Nano)
	for query, want := range map[string]int{"limit=3": 3, "name=a": 10, "name=a&limit=4": 4, "class=bridge": 0, "kind=state&site=test": 20,
		"site=elsewhere": 0,
		"from=" + middle: 11, "to=" + middle: 10, "from=2100-01-01T00:00:00Z": 0} {
		s.get("/api/v1/events?"+query).json(t, &events)
		if len(events) != want {
			t.Errorf("%s: got %d events, want %d", query, len(events), want)
		}
	}
	for query, detail := range map[string]string{"limit=0": "limit", "limit=9999": "limit", "form=x": "known are", "from=yesterday": "from",
		"name=a*": "name", "name=a&name=b": "2 times",
		"from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "before from", "%zz=1": "query", "site=A": "site"} {
		s.get("/api/v1/events?"+query).refused(t, http.StatusBadRequest, detail)
	}
	var got []uint64
	s.sse("/api/v1/events?name=b", "17", func(event, id, data string) bool {
		var e web.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil || event != "event" {
			t.Fatalf("%s %s: %v", event, data, err)
		}
		if got = append(got, e.StreamSeq); len(got) == 2 {
			s.journal.Event(schema.Event{Class: schema.ClassCamera, Name: "b", Kind: schema.KindState})
		}
		return id == "21"
	})
	if len(got) != 3 || got[0] != 18 || got[1] != 20 {
		t.Errorf("got %v, want 18 20 21", got)
	}
	s.get("/api/v1/events", "Accept", "text/event-stream", "Last-Event-ID", "x").refused(t, http.StatusBadRequest, "Last-Event-ID")
}

// TestAPI_RefusesWithProblems holds bad requests to the right status and a document that says what to do.
func TestAPI_RefusesWithProblems(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.get("/api/v1/cameras/none").refused(t, http.StatusNotFound, `"none"`)
	s.get("/api/v1/cameras/..%2f..%2fetc").refused(t, http.StatusBadRequest, "..")
	s.get("/api/v1/cameras/a%2fb").refused(t, http.StatusNotFound, "a/b")
	s.get("/api/v1/cameras/a.b.c").refused(t, http.StatusNotFound, "a.b.c")
	s.get("/api//v1/cameras").refused(t, http.StatusBadRequest, "//")
	s.get("/api/v1/nothing").refused(t, http.StatusNotFound, "nothing")
	s.get("/api/v1/cameras?"+strings.Repeat("a", 5000)).refused(t, http.StatusRequestURITooLong, "query")
	s.get("/api/v1/"+strings.Repeat("a", 2000)).refused(t, http.StatusRequestURITooLong, "path")
	s.get("/api/v1/cameras", "Host", "evil.example").refused(t, http.StatusMisdirectedRequest, "evil.example")
	s.post("/api/v1/cameras", "").refused(t, http.StatusMethodNotAllowed, "GET")
	s.post("/api/v1/cameras/none/kick", "").refused(t, http.StatusNotFound, "none")
	s.post("/api/v1/reload", "a=b", "Content-Type", "application/x-www-form-urlencoded").refused(t, http.StatusUnsupportedMediaType, "JSON")
	s.post("/api/v1/reload", "", "Origin", "https://evil.example").refused(t, http.StatusForbidden, "origin")
	s.post("/api/v1/reload", "", "Sec-Fetch-Site", "cross-site").refused(t, http.StatusForbidden, "origin")
	s.post("/api/v1/bridges/none/drill", `{"for":"1s"}`).refused(t, http.StatusNotFound, "none")
	for _, body := range []string{`{}`, `{"for":1}`, `{"for":"-1s"}`, `{"for":"48h"}`, `[`, `{"far":"1s"}`} {
		s.post("/api/v1/bridges/broker/drill", body).refused(t, http.StatusBadRequest, `{"for": "2m"}`)
	}
	s.post("/api/v1/bridges/broker/drill", strings.Repeat(" ", 64<<10+1)).refused(t, http.StatusRequestEntityTooLarge, "bytes")
	if r := s.post("/api/v1/reload", ""); r.StatusCode != http.StatusOK || !strings.Contains(string(r.body), "cameras[a]: added") {
		t.Errorf("got %d %s", r.StatusCode, r.body)
	}
	s.mu.Lock()
	s.reload = errors.New("cameras[1].url: is missing")
	s.mu.Unlock()
	s.post("/api/v1/reload", "").refused(t, http.StatusUnprocessableEntity, "cameras[1].url")
	s.camera("idle", schema.CameraUp)
	harness.WaitFor(t, 5*time.Second, "the camera", func() bool { return s.get("/api/v1/cameras/idle").StatusCode == http.StatusOK })
	s.post("/api/v1/cameras/idle/kick", "").refused(t, http.StatusServiceUnavailable, "idle")
}

func (s *stand) post(path, body string, header ...string) reply {
	s.t.Helper()
	return ask(s.t, s.address, http.MethodPost, path, body, header...)
}

// TestAPI_WaitsForJetStream holds it to answer, and to say that there is nothing yet, before the node has started.
func TestAPI_WaitsForJetStream(t *testing.T) {
	t.Parallel()
	_, address := serve(t, web.Config{Site: "test"}, web.Parts{Connect: noServer, Horizon: func() time.Duration { return 0 }})
	r := ask(t, address, http.MethodGet, "/api/v1/cameras", "")
	r.refused(t, http.StatusServiceUnavailable, "starting")
	if r.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
	}
	if r := ask(t, address, http.MethodGet, "/healthz", ""); r.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", r.StatusCode)
	}
}
