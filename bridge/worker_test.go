package bridge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func TestWorker_AcknowledgesOnlyWhatTheSinkConfirmed(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	sink := &fakeSink{judge: always(hold)}
	b := s.run(config(), sink)
	arrivals := func() int { arrived, _, _ := sink.seen(); return len(arrived) }
	harness.WaitFor(t, 30*time.Second, "the first frame", func() bool { return arrivals() == 1 })
	if i := s.consumer("broker"); i.AckFloor.Stream != 0 {
		t.Errorf("acknowledged up to %d, want nothing", i.AckFloor.Stream)
	}
	// One confirmation proves the sink; the others follow without waiting for each other.
	sink.setJudge(func(f *schema.Frame) verdict {
		if f.Seq <= 5 {
			return confirm
		}
		return hold
	})
	harness.WaitFor(t, 30*time.Second, "all frames", func() bool { return arrivals() == 20 })
	harness.WaitFor(t, 30*time.Second, "five acknowledged", func() bool { return s.consumer("broker").AckFloor.Stream == 5 })
	if i := s.consumer("broker"); i.NumAckPending != 15 || b.Health().Delivered != 5 {
		t.Errorf("%d wait for their confirmation, %d delivered, want 15 and 5", i.NumAckPending, b.Health().Delivered)
	}
	sink.setJudge(nil)
	s.waitAcked(20)
	if arrived, confirms, _ := sink.seen(); !slices.Equal(arrived, count(1, 20)) || !slices.Equal(confirms, arrived) {
		t.Errorf("arrived %v, want each once in order", arrived)
	}
}

func TestWorker_LostConnectionResendsFromTheFirstUnconfirmed(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 300)
	var calls atomic.Int64
	sink := &fakeSink{judge: func(*schema.Frame) verdict {
		if n := calls.Add(1); n%37 == 0 {
			return lose
		}
		return confirm
	}}
	b := s.run(config(), sink)
	s.waitAcked(300)
	arrived, confirms, attempts := sink.seen()
	if !slices.Equal(confirms, count(1, 300)) {
		t.Errorf("confirmed %v, want each once in order", confirms)
	}
	if !slices.Equal(firstArrivals(arrived), count(1, 300)) {
		t.Errorf("first arrivals %v, want them in order", firstArrivals(arrived))
	}
	if attempts < 8 || b.Health().State != schema.BreakerClosed || b.Health().Err != nil {
		t.Errorf("%d connections, %+v, want eight or more and a closed breaker: each delivered", attempts, b.Health())
	}
}

func TestWorker_RestartKeepsFirstArrivalsInOrder(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 200)
	var arrived []uint64
	for i, most := range []uint64{30, 31, 90, 200} {
		sink := &fakeSink{judge: func(f *schema.Frame) verdict {
			if f.Seq <= most {
				return confirm
			}
			return hold
		}}
		b := s.run(config(), sink)
		harness.WaitFor(t, 30*time.Second, "frames", func() bool {
			_, confirms, _ := sink.seen()
			return len(confirms) > 0 && confirms[len(confirms)-1] == most
		})
		b.stop()
		a, _, _ := sink.seen()
		arrived = append(arrived, a...)
		if got := s.consumer("broker").AckFloor.Stream; got != most {
			t.Errorf("run %d: acknowledged up to %d, want %d", i+1, got, most)
		}
	}
	if got := firstArrivals(arrived); !slices.Equal(got, count(1, 200)) {
		t.Errorf("first arrivals %v, want them in order", got)
	}
}

func TestWorker_RefusedFramesGoToDEADAndTheBridgeGoesOn(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 3)
	s.publishMsg(&nats.Msg{Subject: "frames.lisbon.dock-1", Header: nats.Header{"Nats-Expected-Stream": {"FRAMES"}, "X-Note": {"mine"}}, Data: []byte("foreign")})
	s.publishMsg(&nats.Msg{Subject: "frames.lisbon.dock.north", Data: []byte("foreign")})
	s.publish(4, 6)
	sink := &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq == 1 || f.Seq == 5 {
			return reject
		}
		return confirm
	}}
	b := s.run(config(), sink)
	s.waitAcked(8)
	arrived, confirms, attempts := sink.seen()
	if !slices.Equal(arrived, count(1, 6)) || !slices.Equal(confirms, []uint64{2, 3, 4, 6}) || attempts != 1 {
		t.Errorf("arrived %v, confirmed %v, %d connections", arrived, confirms, attempts)
	}
	reasons := map[string]string{}
	for _, m := range s.dead(4) {
		reasons[m.Subject+" "+string(m.Data)+" "+m.Header.Get(schema.HeaderSeq)+m.Header.Get("X-Note")] = m.Header.Get(schema.HeaderReject)
		if m.Header.Get(schema.HeaderMsgID) != "" {
			t.Errorf("%s has kept its %s", m.Subject, schema.HeaderMsgID)
		}
	}
	for key, want := range map[string]string{
		"dead.lisbon.broker.lisbon.dock-1 picture 1":    "frame rejected: too square",
		"dead.lisbon.broker.lisbon.dock-1 picture 5":    "frame rejected: too square",
		"dead.lisbon.broker.lisbon.dock-1 foreign mine": "not a frame: header Frame-Schema is missing",
		"dead.lisbon.broker.unknown.unknown foreign ":   `not a frame: subject "frames.lisbon.dock.north" is not frames.<site>.<camera>`,
	} {
		if got := reasons[key]; got != want {
			t.Errorf("%s: reason %q, want %q; DEAD holds %v", key, got, want, reasons)
		}
	}
	if h := b.Health(); h.State != schema.BreakerClosed || h.Err != nil {
		t.Errorf("%+v, want a closed breaker", h)
	}
}

func TestWorker_RefusedFrameTooLargeForDEADDoesNotHoldTheBridgeUp(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	most := int(s.nc.MaxPayload())
	s.publishMsg(&nats.Msg{Subject: "frames.lisbon.dock-1", Data: make([]byte, most)})
	s.publishMsg(&nats.Msg{Subject: "frames.lisbon.dock-1", Header: nats.Header{"X-Long": {strings.Repeat("x", 65500)}}, Data: []byte("foreign")})
	s.publish(1, 3)
	s.run(config(), &fakeSink{})
	s.waitAcked(5)
	for _, m := range s.dead(2) {
		if got := m.Header.Get(schema.HeaderReject); !strings.Contains(got, "not a frame: header Frame-Schema is missing") || len(m.Data) > 0 {
			t.Errorf("reason %q with %d bytes, want the reason alone", got, len(m.Data))
		}
	}
}

func TestWorker_HungSinkIsGivenUpInTime(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	c := config()
	c.Timeout = 300 * time.Millisecond
	sink := &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq == 5 {
			return hold
		}
		return confirm
	}}
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "a hung sink", func() bool { arrived, _, _ := sink.seen(); return len(arrived) >= 5 })
	began := time.Now()
	harness.WaitFor(t, c.Timeout+time.Second, "the end of the session", func() bool { return b.Health().Err != nil })
	if d := time.Since(began); d < c.Timeout/2 || !strings.Contains(b.Health().Err.Error(), "nothing confirmed for 300ms") {
		t.Errorf("given up after %v: %v", d, b.Health().Err)
	}
	sink.setJudge(nil)
	s.waitAcked(20)
	if arrived, confirms, _ := sink.seen(); !slices.Equal(confirms, count(1, 20)) || !slices.Equal(firstArrivals(arrived), count(1, 20)) {
		t.Errorf("arrived %v, confirmed %v", arrived, confirms)
	}
}

func TestWorker_OpenBreakerPullsNothing(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 50)
	c := config()
	c.Breaker = bridge.BreakerConfig{Failures: 2, Open: 500 * time.Millisecond, MaxOpen: 10 * time.Second}
	var down atomic.Bool
	down.Store(true)
	sink := &fakeSink{connect: func(int) error {
		if down.Load() {
			return errors.New("nobody there")
		}
		return nil
	}}
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	for range 20 { // while probes come and go
		if i := s.consumer("broker"); i.NumPending != 50 || i.NumAckPending != 0 || i.NumWaiting != 0 {
			t.Fatalf("%d pending, %d unacknowledged, %d pulls, want 50 and none", i.NumPending, i.NumAckPending, i.NumWaiting)
		}
		_, _, before := sink.seen()
		harness.WaitFor(t, 30*time.Second, "the next look", func() bool {
			_, _, now := sink.seen()
			return now > before || time.Now().UnixNano()%50_000_000 < 25_000_000
		})
	}
	if h := b.Health(); h.Err == nil || !strings.Contains(h.Err.Error(), "nobody there") {
		t.Errorf("health %+v, want the sink's fault", h)
	}
	down.Store(false)
	s.waitAcked(50)
	if arrived, _, attempts := sink.seen(); !slices.Equal(arrived, count(1, 50)) || attempts > 10 {
		t.Errorf("arrived %v after %d connections", arrived, attempts)
	}
	harness.WaitFor(t, 30*time.Second, "a closed breaker", func() bool { return b.Health().State == schema.BreakerClosed })
	b.stop()
	checkJournal(t, s)
}

// checkJournal holds that the breaker's course is in EVENTS and its end in the bucket.
func checkJournal(t *testing.T, s *stream) {
	t.Helper()
	c, err := s.js.OrderedConsumer(t.Context(), schema.StreamEvents, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"events.lisbon.bridge.broker.breaker"}})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.FetchNoWait(100)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for m := range batch.Messages() {
		var e schema.Event
		if err := json.Unmarshal(m.Data(), &e); err != nil {
			t.Fatal(err)
		}
		states = append(states, e.State)
	}
	if n := len(states); n < 3 || states[0] != "open" || states[1] != "half-open" || states[n-1] != "closed" {
		t.Errorf("events of the breaker: %v", states)
	}
	kv, err := s.js.KeyValue(t.Context(), schema.BucketBridges)
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(t.Context(), "lisbon.broker")
	if err != nil {
		t.Fatal(err)
	}
	var st schema.BridgeStatus
	if err := json.Unmarshal(e.Value(), &st); err != nil || st.State != schema.BreakerClosed || st.Delivered != 50 || st.Error != "" || st.Node != "gate-7" {
		t.Errorf("bucket holds %s, %v", e.Value(), err)
	}
}

func TestWorker_ForeignDurableIsRefusedByName(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	theirs := jetstream.ConsumerConfig{Durable: "broker", AckPolicy: jetstream.AckExplicitPolicy, Description: "not ours"}
	if _, err := s.js.CreateConsumer(t.Context(), schema.StreamFrames, theirs); err != nil {
		t.Fatal(err)
	}
	sink := &fakeSink{}
	b := s.run(config(), sink)
	harness.WaitFor(t, 30*time.Second, "an error", func() bool { return b.Health().Err != nil })
	if err := b.Health().Err; !errors.Is(err, bridge.ErrForeignDurable) || !strings.Contains(err.Error(), "broker on stream FRAMES") {
		t.Errorf("%v, want %v with the durable's name", err, bridge.ErrForeignDurable)
	}
	b.stop()
	if i := s.consumer("broker"); i.Config.Description != "not ours" || i.NumPending != 5 {
		t.Errorf("the foreign durable was touched: %+v", i)
	}
	if _, _, attempts := sink.seen(); attempts > 0 {
		t.Errorf("%d connections, want none", attempts)
	}
}

func TestWorker_NewBridgeBeginsWhereToldAndAnOldOneGoesOn(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 10)
	c := config()
	c.Newest = true
	sink := &fakeSink{}
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "the consumer", func() bool { return s.consumer("broker").Config.Durable != "" })
	harness.WaitFor(t, 30*time.Second, "a pull", func() bool { return s.consumer("broker").NumWaiting > 0 })
	s.publish(11, 20)
	s.waitAcked(20)
	b.stop()
	s.publish(21, 25)
	c.Newest = false // changes nothing for a bridge that has begun
	b = s.run(c, sink)
	s.waitAcked(25)
	b.stop()
	if arrived, _, _ := sink.seen(); !slices.Equal(arrived, count(11, 25)) {
		t.Errorf("arrived %v, want 11 to 25", arrived)
	}
	old := &fakeSink{}
	c.Name = "other"
	b = s.run(c, old)
	harness.WaitFor(t, 30*time.Second, "the frames held", func() bool { arrived, _, _ := old.seen(); return len(arrived) == 25 })
	b.stop()
}

func TestWorker_TakesOnlyItsCameras(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	for _, camera := range []string{"a", "b", "c"} {
		f := frame(1)
		f.Camera = camera
		s.publishMsg(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: []byte(camera)})
	}
	c := config()
	c.Cameras = []string{"a", "lisbon.c", "a", "c"}
	var got bytes.Buffer
	s.run(c, &fakeSink{judge: func(f *schema.Frame) verdict { got.Write(f.Data); return confirm }})
	s.waitAcked(3)
	if got.String() != "ac" {
		t.Errorf("frames of %q, want of a and c", got.String())
	}
}

func TestWorker_StreamThatGoesAwayIsNotTheSinksFault(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 10)
	sink := &fakeSink{}
	b := s.run(config(), sink)
	s.waitAcked(10)
	s.stop()
	s.start()
	s.publish(11, 20)
	s.waitAcked(20)
	if h := b.Health(); h.State != schema.BreakerClosed || h.Err != nil {
		t.Errorf("%+v, want a closed breaker and no fault", h)
	}
	if arrived, _, _ := sink.seen(); !slices.Equal(firstArrivals(arrived), count(1, 20)) {
		t.Errorf("arrived %v", arrived)
	}
	s.stop()
	began := time.Now()
	b.stop()
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("stopped in %v without a server", d)
	}
	s.start()
}

func TestWorker_StopWaitsForConfirmations(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	sink := &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq == 1 {
			return confirm
		}
		return hold
	}}
	b := s.run(config(), sink)
	harness.WaitFor(t, 30*time.Second, "frames in flight", func() bool { arrived, _, _ := sink.seen(); return len(arrived) == 20 })
	time.AfterFunc(200*time.Millisecond, func() { sink.setJudge(nil) })
	b.stop()
	if i := s.consumer("broker"); i.AckFloor.Stream != 20 || i.NumAckPending != 0 {
		t.Errorf("acknowledged up to %d, %d unacknowledged, want 20 and none", i.AckFloor.Stream, i.NumAckPending)
	}
}
