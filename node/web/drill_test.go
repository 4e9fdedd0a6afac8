package web_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestDrill_HoldsABridgeUntilItEnds holds a drill to keep a bridge's breaker open from its order until it is ended or its time is over, and
// to ask before it is longer than the stream has room for.
func TestDrill_HoldsABridgeUntilItEnds(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	type hold struct {
		For     time.Duration `json:"for"`
		Release bool          `json:"release"`
	}
	told := make(chan hold, 100)
	sub, err := s.js.Conn().Subscribe(schema.HoldSubject("test", "broker"), func(m *nats.Msg) {
		var h hold
		if err := json.Unmarshal(m.Data, &h); err != nil {
			t.Error(err)
		}
		if m.Reply != "" {
			_ = m.Respond([]byte("{}")) // who asks for it has gone where this fails
			return
		}
		told <- h
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	const path = "/api/v1/bridges/broker/drill"
	drill := func(length string) {
		t.Helper()
		r := s.post(path, `{"for": "`+length+`"}`)
		var answer struct {
			Bridge string
			Until  time.Time
		}
		if r.json(t, &answer); r.StatusCode != http.StatusAccepted || answer.Bridge != "broker" || time.Until(answer.Until) <= 0 {
			t.Fatalf("a drill of %s gets %d %s", length, r.StatusCode, r.body)
		}
	}
	next := func(release bool) {
		t.Helper()
		var h hold
		harness.WaitFor(t, 20*time.Second, "the bridge to be told", func() bool {
			select {
			case h = <-told:
				return h.Release == release
			default:
				return false
			}
		})
		if !release && (h.For < 2*time.Second || h.For > 5*time.Second) {
			t.Errorf("a hold is for %s: should the node die, the bridge would wait that long", h.For)
		}
	}
	drill("59m")
	next(false)
	if r := ask(t, s.address, http.MethodDelete, path, ""); r.StatusCode != http.StatusNoContent {
		t.Errorf("ending it gets %d %s", r.StatusCode, r.body)
	}
	next(true)
	drill("500ms")
	next(false)
	next(true)
	s.post(path, `{"for": "2h"}`).refused(t, http.StatusConflict, "anyway") // the stream has room for one
	if r := s.post(path, `{"for": "2h", "anyway": true}`); r.StatusCode != http.StatusAccepted {
		t.Errorf("asked for anyway it gets %d %s", r.StatusCode, r.body)
	}
}
