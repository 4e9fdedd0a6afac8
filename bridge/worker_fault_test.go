package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// events are those of a kind that a bridge has written.
func (s *stream) events(name string, kind schema.EventKind) (all []schema.Event) {
	s.t.Helper()
	st, err := s.js.Stream(s.t.Context(), schema.StreamEvents)
	if err != nil {
		s.t.Fatal(err)
	}
	for seq := range st.CachedInfo().State.LastSeq {
		m, err := st.GetMsg(s.t.Context(), seq+1)
		if err != nil {
			s.t.Fatal(err)
		}
		var e schema.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			s.t.Fatal(err)
		}
		if e.Class == schema.ClassBridge && e.Name == name && e.Kind == kind {
			all = append(all, e)
		}
	}
	return all
}

func TestWorker_HalfOpenSendsOneFrameUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 50)
	c := config()
	c.Timeout = 250 * time.Millisecond
	c.Breaker = bridge.BreakerConfig{Failures: 1, Open: 50 * time.Millisecond, MaxOpen: 100 * time.Millisecond}
	sink := newBroker()
	sink.holding.Store(true)
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "four probes", func() bool { return len(sink.bySession()) == 5 && b.Health().State == schema.BreakerHalfOpen })
	for i, seqs := range sink.bySession()[:4] {
		if !slices.Equal(seqs, []uint64{1}) {
			t.Errorf("connection %d took %v, want the first frame alone", i+1, seqs)
		}
	}
	sink.holding.Store(false)
	s.waitAcked(50)
	harness.WaitFor(t, 30*time.Second, "a closed breaker", func() bool { return b.Health().State == schema.BreakerClosed })
	checkArrivals(t, sink.arrived(), 1, 50)
}

func TestWorker_OpenBreakerNeitherConnectsNorPulls(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 50)
	c := config()
	c.Breaker = bridge.BreakerConfig{Failures: 1, Open: time.Hour, MaxOpen: time.Hour}
	sink := &fakeSink{judge: always(lose)}
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	// what the session had pulled is given back when the next one begins, and counts as pending until then
	backlog := func() uint64 { i := s.consumer("broker"); return i.NumPending + uint64(i.NumAckPending) }
	waiting := s.consumer("broker").NumPending
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; {
		if i := s.consumer("broker"); backlog() != 50 || i.NumPending != waiting || i.NumWaiting != 0 {
			t.Fatalf("%d pending, %d unacknowledged, %d pulls", i.NumPending, i.NumAckPending, i.NumWaiting)
		}
	}
	if _, _, attempts := sink.seen(); attempts != 1 {
		t.Errorf("%d connections, want one", attempts)
	}
	began := time.Now()
	b.stop()
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("an open breaker held the stop up for %v", d)
	}
}

func TestWorker_BreakerEventsTellTheFault(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	c := config()
	c.Breaker.Failures = 1
	sink := &fakeSink{connect: func(attempt int) error {
		if attempt == 1 {
			return errors.New("nobody there")
		}
		return nil
	}}
	b := s.run(c, sink)
	s.waitAcked(5)
	b.stop()
	var got []string
	for _, e := range s.events("broker", schema.KindBreaker) {
		got = append(got, e.State+" "+e.Message)
	}
	const fault = "sink not connected: nobody there"
	if want := []string{"open " + fault, "half-open " + fault, "closed "}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestWorker_RefusedFramesAreKeptWholeAndNotCountedAsDelivered(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	f := frame(1)
	s.publish(1, 1)
	newer := &nats.Msg{Subject: f.Subject(), Header: nats.Header(frame(2).Header()), Data: []byte("from the future")}
	newer.Header.Set(schema.HeaderSchema, "2")
	s.publishMsg(newer)
	s.publish(3, 5)
	b := s.run(config(), &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq == 1 {
			return reject
		}
		return confirm
	}})
	s.waitAcked(5)
	dead := s.dead(2)
	for i, want := range []struct{ reason, schema, body string }{
		{"frame rejected: too square", "1", string(f.Data)},
		{`unknown frame schema version "2": this program knows 1`, "2", "from the future"},
	} {
		m := dead[i]
		if got := m.Header.Get(schema.HeaderReject); got != want.reason || m.Header.Get(schema.HeaderSchema) != want.schema || string(m.Data) != want.body {
			t.Errorf("DEAD holds %q %v, want it for %q", m.Data, m.Header, want.reason)
		}
		for name, values := range f.Header() {
			if name != schema.HeaderMsgID && name != schema.HeaderSchema && name != schema.HeaderSeq && !slices.Equal(m.Header.Values(name), values) {
				t.Errorf("header %s is %v, want %v", name, m.Header.Values(name), values)
			}
		}
	}
	if h := b.Health(); h.Delivered != 3 || h.State != schema.BreakerClosed {
		t.Errorf("%+v, want three delivered", h)
	}
	b.stop()
	events := s.events("broker", schema.KindDead)
	if len(events) != 2 || events[0].Message != "frame rejected: too square" || events[0].Count != 1 {
		t.Errorf("events %+v", events)
	}
}

// A setting that is wrong may have every frame refused.
func TestWorker_ManyRefusedFramesAreFewEvents(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 200)
	b := s.run(config(), &fakeSink{judge: func(*schema.Frame) verdict { return reject }})
	s.waitAcked(200)
	b.stop()
	events := s.events("broker", schema.KindDead)
	if len(events) == 0 || len(events) > 3 || events[0].Count != 1 {
		t.Fatalf("%d events, want the first frame's and one or two of the rest: %+v", len(events), events)
	}
	told := uint64(0)
	for _, e := range events {
		told += e.Count
	}
	if told != 200 {
		t.Errorf("events tell of %d refused frames, want 200", told)
	}
}

func TestWorker_IdleTimeIsNotHeldAgainstTheSink(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	c := config()
	c.Timeout = 100 * time.Millisecond
	sink := &fakeSink{}
	b := s.run(c, sink)
	for seq := range uint64(3) {
		s.publish(seq+1, seq+1)
		s.waitAcked(seq + 1)
		idle := time.Now()
		harness.WaitFor(t, 30*time.Second, "idle time", func() bool { return time.Since(idle) > 4*c.Timeout })
	}
	if _, _, attempts := sink.seen(); attempts != 1 || b.Health().Err != nil {
		t.Errorf("%d connections, %v, want one and no fault", attempts, b.Health().Err)
	}
}

func TestWorker_BeginsOnceTheForeignDurableIsGone(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	if _, err := s.js.CreateConsumer(t.Context(), schema.StreamFrames, jetstream.ConsumerConfig{Durable: "broker", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	sink := &fakeSink{}
	b := s.run(config(), sink)
	harness.WaitFor(t, 30*time.Second, "a refusal", func() bool { return errors.Is(b.Health().Err, bridge.ErrForeignDurable) })
	if err := s.js.DeleteConsumer(t.Context(), schema.StreamFrames, "broker"); err != nil {
		t.Fatal(err)
	}
	s.waitAcked(5)
	if arrived, _, _ := sink.seen(); !slices.Equal(arrived, count(1, 5)) || b.Health().Err != nil {
		t.Errorf("arrived %v, %v", arrived, b.Health().Err)
	}
}

func TestWorker_DurableRemovedUnderItIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	sink := &fakeSink{}
	b := s.run(config(), sink)
	s.waitAcked(5)
	if err := s.js.DeleteConsumer(t.Context(), schema.StreamFrames, "broker"); err != nil {
		t.Fatal(err)
	}
	s.publish(6, 10)
	s.waitAcked(10)
	arrived, _, _ := sink.seen()
	checkArrivals(t, arrived, 1, 10)
	if h := b.Health(); h.State != schema.BreakerClosed || h.Err != nil {
		t.Errorf("%+v, want a closed breaker and no fault", h)
	}
}

func TestWorker_MessageBeyondTheLargestFrameDoesNotHoldTheBridgeUp(t *testing.T) {
	t.Parallel()
	s := startStream(t, func(o *server.Options) { o.MaxPayload = 32 << 20 })
	s.publish(1, 1)
	s.publishMsg(&nats.Msg{Subject: "frames.lisbon.dock-1", Data: make([]byte, 17<<20)})
	s.publish(3, 5)
	sink := &fakeSink{}
	s.run(config(), sink) // of frames of a megabyte
	s.waitAcked(5)
	if arrived, _, _ := sink.seen(); !slices.Equal(arrived, []uint64{1, 3, 4, 5}) {
		t.Errorf("arrived %v", arrived)
	}
	if m := s.dead(1)[0]; len(m.Data) != 17<<20 {
		t.Errorf("%d bytes in DEAD", len(m.Data))
	}
}

func TestWorker_SinkThatCannotBeReachedIsAskedWithinItsTimeout(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	c := config()
	c.Timeout = 200 * time.Millisecond
	b := s.run(c, hangingSink{})
	harness.WaitFor(t, 30*time.Second, "a fault", func() bool { return b.Health().Err != nil })
	if err := b.Health().Err; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want %v", err, context.DeadlineExceeded)
	}
}

// hangingSink never gets an answer.
type hangingSink struct{}

func (hangingSink) Connect(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
func (hangingSink) Send(_ context.Context, _ *schema.Frame, done func(error)) {
	done(bridge.ErrNotConnected)
}
func (hangingSink) Close() error { return nil }

func TestWorker_ConnectionThatCannotBeMadeEndsRun(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	url := s.srv.ClientURL()
	s.stop()
	w := s.worker(config(), hangingSink{}, func(string) (*nats.Conn, error) { return nats.Connect(url) })
	if err := w.Run(t.Context()); !errors.Is(err, nats.ErrNoServers) || !strings.Contains(err.Error(), "bridge broker") {
		t.Errorf("%v, want %v with the bridge's name", err, nats.ErrNoServers)
	}
	s.start()
}
