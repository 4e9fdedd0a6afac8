package bridge_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// tell stores references of another bridge to frames first to last of a camera.
func (s *stream) tell(of, camera string, first, last uint64) {
	s.t.Helper()
	s.tellFor(time.Minute, of, camera, first, last)
}

// tellFor stores references to pictures that live for ttl.
func (s *stream) tellFor(ttl time.Duration, of, camera string, first, last uint64) {
	s.t.Helper()
	for seq := first; seq <= last; seq++ {
		f := frame(seq)
		f.Camera = camera
		keep(f)
		f.Kept.TTL = ttl
		body, err := schema.EncodeStored(f)
		if err != nil {
			s.t.Fatal(err)
		}
		s.publishMsg(&nats.Msg{Subject: schema.StoredSubject("lisbon", of, "lisbon", camera), Data: body})
	}
}

// waitDone waits until a bridge of another source has delivered something and has nothing left. A consumer that was just made, or set
// back, may say for a moment that nothing waits.
func (s *stream) waitDone(source, name string) {
	s.t.Helper()
	harness.WaitFor(s.t, 30*time.Second, "nothing left to bridge "+name, func() bool {
		c, err := s.js.Consumer(s.t.Context(), source, name)
		return err == nil && c.CachedInfo().NumPending == 0 && c.CachedInfo().NumAckPending == 0 && c.CachedInfo().AckFloor.Consumer > 0
	})
}

func references() bridge.Config {
	c := config()
	c.Name, c.Source, c.Of = "keys", bridge.SourceStored, "cache"
	return c
}

// seen is what a sink was given, in order.
type seen struct {
	mu     sync.Mutex
	frames []*schema.Frame
}

func (s *seen) confirm(f *schema.Frame) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, f)
	return confirm
}

func (s *seen) all() []*schema.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// A frame that was captured long ago may have been stored a moment ago.
func TestSource_ReferencesOfPicturesThatHaveExpiredAreSkippedAndToldOf(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.tellFor(500*time.Millisecond, "cache", "dock-1", 1, 10)
	stored := time.Now()
	s.tell("cache", "dock-1", 11, 20)
	s.tellFor(0, "cache", "dock-1", 21, 25)
	harness.WaitFor(t, 10*time.Second, "the end of ten pictures", func() bool { return time.Since(stored) > 6*time.Second })
	var got seen
	b := s.run(references(), &fakeSink{judge: got.confirm})
	harness.WaitFor(t, 30*time.Second, "the others", func() bool { return len(got.all()) == 15 })
	b.stop()
	for i, f := range got.all() {
		if f.Seq != uint64(i+11) {
			t.Errorf("reference %d is of frame %d, want %d", i, f.Seq, i+11)
		}
	}
	if e := s.events("keys", schema.KindGap); len(e) != 1 || e[0].Reason != "stale" || e[0].Count != 10 || !strings.Contains(e[0].Message, "expired") {
		t.Errorf("events %+v, want one of ten references that were skipped", e)
	}
}

func TestSource_StoredBringsReferencesOfOneBridgeInOrder(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 3)
	s.tell("cache", "dock-1", 1, 40)
	s.tell("other", "dock-1", 100, 110)
	s.tell("cache", "dock-2", 1, 5)
	c := references()
	c.Cameras = []string{"dock-1"}
	var got seen
	b := s.run(c, &fakeSink{judge: got.confirm})
	s.waitDone(schema.StreamStored, "keys")
	b.stop()
	s.tell("cache", "dock-1", 41, 45)
	s.run(c, &fakeSink{judge: got.confirm})
	s.waitDone(schema.StreamStored, "keys")
	var seqs []uint64
	for _, f := range got.all() {
		seqs = append(seqs, f.Seq)
		if f.Camera != "dock-1" || f.Kept.Key == "" || f.Data != nil || f.ID() != frame(f.Seq).ID() {
			t.Errorf("got %+v", f)
		}
	}
	if !slices.Equal(seqs, count(1, 45)) {
		t.Errorf("arrived %v, want 1 to 45", seqs)
	}
	if i := s.consumer("keys"); i.Name != "" {
		t.Errorf("FRAMES has a consumer %s", i.Name)
	}
}

func TestSource_ReferencesOfTheNewestFirstLoseNothing(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.tell("cache", "dock-1", 1, 200)
	harness.WaitFor(t, 5*time.Second, "a backlog of more than a second", func() bool {
		s.tell("other", "dock-1", 1, 1)
		st, err := s.js.Stream(t.Context(), schema.StreamStored)
		if err != nil {
			t.Fatal(err)
		}
		i := st.CachedInfo().State
		return i.LastTime.Sub(i.FirstTime) > 1500*time.Millisecond
	})
	c := references()
	c.LiveFirst = true
	var got seen
	s.run(c, &fakeSink{judge: got.confirm})
	harness.WaitFor(t, 30*time.Second, "the backlog", func() bool { return len(got.all()) >= 200 })
	s.tell("cache", "dock-1", 201, 201)
	harness.WaitFor(t, 30*time.Second, "all references", func() bool { return len(got.all()) >= 201 })
	seqs := map[uint64]bool{}
	for _, f := range got.all() {
		seqs[f.Seq] = true
	}
	if len(seqs) != 201 {
		t.Errorf("%d references, want 201", len(seqs))
	}
}

func TestSource_ReferencesThatAgedOutAreCounted(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	reg := prometheus.NewRegistry()
	s.reg = reg
	s.tell("cache", "dock-1", 1, 10)
	var got seen
	b := s.run(references(), &fakeSink{judge: got.confirm})
	s.waitDone(schema.StreamStored, "keys")
	b.Hold(time.Hour)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	for seq := uint64(11); seq <= 100; seq++ {
		s.tell("cache", "dock-1", seq, seq)
		s.tell("other", "dock-1", seq, seq)
	}
	s.limitIn(schema.StreamStored, 40)
	b.Release()
	s.waitDone(schema.StreamStored, "keys")
	if n := missed(t, reg, "aged_out"); n != "70" || len(got.all()) != 30 {
		t.Errorf("%d references arrived and %s are counted as aged out, want 30 and 70", len(got.all()), n)
	}
}

func TestSource_RefusedReferenceGoesToDEADAndCanBeRequeued(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.tell("cache", "dock-1", 1, 3)
	s.publishMsg(&nats.Msg{Subject: "stored.lisbon.cache.dock-1", Data: []byte("foreign")})
	b := s.run(references(), &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq == 2 {
			return reject
		}
		return confirm
	}})
	s.waitDone(schema.StreamStored, "keys")
	for i, want := range []string{"frame rejected: too square", "not a frame: the body is not that of a message in STORED"} {
		m := s.dead(2)[i]
		if m.Subject != "dead.lisbon.keys.lisbon.dock-1" || !strings.HasPrefix(m.Header.Get(schema.HeaderReject), want) {
			t.Errorf("%s: %s", m.Subject, m.Header.Get(schema.HeaderReject))
		}
	}
	var got seen
	p := s.redeliver(b.Worker, bridge.RedeliveryConfig{Dead: true, Cameras: []string{"dock-1"}}, &fakeSink{judge: got.confirm}).wait(t)
	if all := got.all(); len(all) != 1 || all[0].ID() != frame(2).ID() || all[0].Kept.Key != "frames:dock-1:2" || p.Delivered != 1 || p.Passed != 1 {
		t.Errorf("got %v, progress %+v", all, p)
	}
}

func TestSource_ReferencesAreReplayedByCaptureHoweverLateTheyWereStored(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.tell("cache", "dock-1", 1, 20) // captured long before they came into the stream
	var got seen
	w := s.idle(references())
	p := s.redeliver(w, bridge.RedeliveryConfig{From: frame(1).Captured, To: frame(1).Captured}, &fakeSink{judge: got.confirm}).wait(t)
	all := got.all()
	if len(all) == 0 || uint64(len(all)) != p.Delivered || !all[0].Replayed || all[0].Seq != 1 {
		t.Errorf("got %d references, progress %+v", len(all), p)
	}
}

func TestSource_EventsBringStatesAndCountsInOrder(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	at := time.Now().UTC()
	event := func(class schema.EventClass, name string, kind schema.EventKind, state string) schema.Event {
		at = at.Add(time.Millisecond)
		e := schema.Event{Time: at, Site: "lisbon", Node: "gate-7", Class: class, Name: name, Kind: kind, State: state}
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		s.publishMsg(&nats.Msg{Subject: e.Subject(), Data: body})
		return e
	}
	var want []string
	for _, e := range []schema.Event{event(schema.ClassCamera, "a", schema.KindState, "up"), event(schema.ClassNode, "gate-7", schema.KindCameras, ""),
		event(schema.ClassCamera, "b", schema.KindState, "backoff")} {
		want = append(want, e.Name+" "+e.State)
	}
	event(schema.ClassCamera, "a", schema.KindGap, "")
	event(schema.ClassBridge, "a", schema.KindState, "open")
	event(schema.ClassNode, "gate-7", schema.KindLoad, "full")
	want = append(want, event(schema.ClassCamera, "a", schema.KindState, "stalled").Name+" stalled")
	c := config()
	c.Name, c.Source = "status", bridge.SourceEvents
	var got seen
	b := s.run(c, &fakeSink{judge: got.confirm})
	s.waitDone(schema.StreamEvents, "status")
	var told []string
	ids := map[string]bool{}
	for _, f := range got.all() {
		e, err := schema.DecodeEvent(f.Data)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, e.Name+" "+e.State)
		ids[f.ID()] = true
		if !f.Captured.Equal(e.Time) {
			t.Errorf("%s is of %v", f.Data, f.Captured)
		}
	}
	if !slices.Equal(told, want) || len(ids) != len(want) {
		t.Errorf("got %q with %d identities, want %q", told, len(ids), want)
	}
	if _, err := b.NewRedelivery(bridge.RedeliveryConfig{}, &fakeSink{}); !errors.Is(err, bridge.ErrNoReplay) {
		t.Errorf("a replay: %v, want %v", err, bridge.ErrNoReplay)
	}
}
