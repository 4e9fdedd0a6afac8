package bridge_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// redelivering is a redelivery at work.
type redelivering struct {
	*bridge.Redelivery
	cancel context.CancelFunc
	done   chan error
}

func (s *stream) redeliver(w *bridge.Worker, c bridge.RedeliveryConfig, sink bridge.Sink) *redelivering {
	s.t.Helper()
	d, err := w.NewRedelivery(c, sink)
	if err != nil {
		s.t.Fatal(err)
	}
	r := &redelivering{Redelivery: d, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	var g sync.WaitGroup
	g.Go(func() { r.done <- r.Run(ctx) })
	s.t.Cleanup(func() { cancel(); g.Wait() })
	return r
}

func (r *redelivering) wait(t *testing.T) bridge.Progress {
	t.Helper()
	select {
	case err := <-r.done:
		if err != nil {
			t.Fatalf("Run: %v, want nil", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("the redelivery does not end: %+v", r.Progress())
	}
	return r.Progress()
}

func (s *stream) idle(c bridge.Config) *bridge.Worker {
	return bridge.NewWorker(c, &fakeSink{}, func(name string) (*nats.Conn, error) {
		return nats.Connect(s.srv.ClientURL(), nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// publishAt stores frames first to last, which at says the times of capture of.
func (s *stream) publishAt(first, last uint64, at func(uint64) time.Time) {
	s.t.Helper()
	for seq := first; seq <= last; seq++ {
		f := frame(seq)
		f.Captured = at(seq)
		s.publishMsg(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data})
	}
}

func TestRedelivery_BringsASpanAgainInOrderMarkedAndLeavesTheBridgeAlone(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	began := time.Now().UTC().Truncate(time.Microsecond)
	at := func(seq uint64) time.Time { return began.Add(time.Duration(seq)*10*time.Millisecond - time.Second) }
	s.publishAt(1, 60, at)
	s.publishMsg(&nats.Msg{Subject: "frames.lisbon.dock-1", Data: []byte("foreign")})
	live, again := &fakeSink{}, &fakeSink{}
	b := s.run(config(), live)
	s.waitAcked(61)
	var marked atomic.Int64
	again.judge = func(f *schema.Frame) verdict {
		if f.Replayed && f.ID() == frame(f.Seq).ID() {
			marked.Add(1)
		}
		return confirm
	}
	p := s.redeliver(b.Worker, bridge.RedeliveryConfig{From: at(20), To: at(40)}, again).wait(t)
	if arrived, _, _ := again.seen(); !slices.Equal(arrived, count(20, 40)) || marked.Load() != 21 {
		t.Errorf("arrived %v, %d of them marked and of the same identity, want 20 to 40, all", arrived, marked.Load())
	}
	if !p.Done || p.Delivered != 21 || p.Refused != 0 || p.Total != p.Seen() || !p.Captured.Equal(at(40)) {
		t.Errorf("progress %+v", p)
	}
	s.publishAt(61, 65, at)
	s.waitAcked(66)
	if arrived, _, attempts := live.seen(); !slices.Equal(arrived, count(1, 65)) || attempts != 1 {
		t.Errorf("the bridge itself delivered %v over %d connections, want each frame once, over one", arrived, attempts)
	}
	if n := s.consumers(); n != 1 {
		t.Errorf("%d consumers are left, want the bridge's own", n)
	}
}

func TestRedelivery_OutageOfTheSinkCostsNothing(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 200)
	var calls atomic.Int64
	again := &fakeSink{
		connect: func(attempt int) error {
			if attempt == 2 || attempt == 3 {
				return errors.New("nobody there")
			}
			return nil
		},
		judge: func(*schema.Frame) verdict {
			if n := calls.Add(1); n%67 == 0 {
				return lose
			}
			return confirm
		}}
	r := s.redeliver(s.idle(config()), bridge.RedeliveryConfig{Rate: 2000}, again)
	if p := r.wait(t); p.Delivered != 200 {
		t.Errorf("progress %+v", p)
	}
	arrived, confirms, attempts := again.seen()
	if !slices.Equal(confirms, count(1, 200)) || !slices.Equal(firstArrivals(arrived), count(1, 200)) || attempts < 5 {
		t.Errorf("confirmed %v over %d connections, want each once in order", confirms, attempts)
	}
}

func TestRedelivery_HungSinkIsGivenUpAndTheRestComes(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	c := config()
	c.Timeout = 300 * time.Millisecond
	for _, at := range []uint64{1, 20} { // the frame that everything waits for, and the last
		again := &fakeSink{}
		again.judge = func(f *schema.Frame) verdict {
			if f.Seq == at {
				return hold
			}
			return confirm
		}
		r := s.redeliver(s.idle(c), bridge.RedeliveryConfig{}, again)
		harness.WaitFor(t, 30*time.Second, "a sink that is given up", func() bool { return strings.Contains(r.Progress().Waits, "nothing confirmed") })
		again.setJudge(nil)
		if p := r.wait(t); p.Delivered != 20 || p.Waits != "" {
			t.Errorf("progress %+v", p)
		}
	}
}

func TestRedelivery_GoesOnBehindItsPosition(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 50)
	again := &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Seq > 30 {
			return hold
		}
		return confirm
	}}
	r := s.redeliver(s.idle(config()), bridge.RedeliveryConfig{}, again)
	harness.WaitFor(t, 30*time.Second, "30 frames", func() bool { return r.Progress().Delivered == 30 })
	r.cancel()
	if err := <-r.done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v, want %v", err, context.Canceled)
	}
	next := &fakeSink{}
	p := s.redeliver(s.idle(config()), bridge.RedeliveryConfig{After: r.Progress().Position}, next).wait(t)
	if arrived, _, _ := next.seen(); !slices.Equal(arrived, count(31, 50)) || p.Delivered != 20 {
		t.Errorf("arrived %v, want 31 to 50", arrived)
	}
}

func TestRedelivery_WaitsWhileTheBridgesBreakerIsOpen(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 10)
	c := config()
	c.Breaker = bridge.BreakerConfig{Failures: 1, Open: time.Hour, MaxOpen: time.Hour}
	b := s.run(c, &fakeSink{connect: func(int) error { return errors.New("nobody there") }})
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	again := &fakeSink{}
	r := s.redeliver(b.Worker, bridge.RedeliveryConfig{}, again)
	harness.WaitFor(t, 30*time.Second, "a redelivery that waits", func() bool { return strings.Contains(r.Progress().Waits, "breaker is open") })
	if _, _, attempts := again.seen(); attempts > 0 {
		t.Errorf("the sink was reached %d times", attempts)
	}
}

func TestRedelivery_ConfirmedFramesLeaveDEADAndTheOthersStay(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 10)
	s.publishMsg(&nats.Msg{Subject: "frames.lisbon.dock-1", Data: []byte("foreign")})
	b := s.run(config(), &fakeSink{judge: always(reject)})
	s.waitAcked(11)
	s.dead(11)
	again := &fakeSink{judge: func(f *schema.Frame) verdict {
		if f.Replayed || f.ID() != frame(f.Seq).ID() || string(f.Data) != string(frame(f.Seq).Data) || f.Seq == 4 {
			return reject
		}
		return confirm
	}}
	none := s.redeliver(b.Worker, bridge.RedeliveryConfig{Dead: true, Reason: "frame rejected: too round"}, again).wait(t)
	if none.Delivered != 0 || none.Passed != 11 {
		t.Errorf("of another reason: %+v", none)
	}
	p := s.redeliver(b.Worker, bridge.RedeliveryConfig{Dead: true, Cameras: []string{"dock-1"}, Reason: "frame rejected"}, again).wait(t)
	if arrived, _, _ := again.seen(); !slices.Equal(arrived, count(1, 10)) || p.Delivered != 9 || p.Refused != 1 || p.Passed != 1 {
		t.Errorf("arrived %v, progress %+v, want nine confirmed, one refused, one no frame", arrived, p)
	}
	st, err := s.js.Stream(t.Context(), schema.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	if st.CachedInfo().State.Msgs != 2 {
		t.Errorf("DEAD holds %d messages, want what is refused and what is no frame", st.CachedInfo().State.Msgs)
	}
	if m, err := st.GetMsg(t.Context(), 4); err != nil || m.Header.Get(schema.HeaderSeq) != "4" {
		t.Errorf("the frame that was refused again is not there: %v", err)
	}
}

func TestRedelivery_CameraThatTheBridgeDoesNotTakeIsRefusedByName(t *testing.T) {
	t.Parallel()
	c := config()
	c.Cameras = []string{"a", "lisbon.b"}
	w := bridge.NewWorker(c, &fakeSink{}, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	for camera, want := range map[string]bool{"a": true, "b": true, "lisbon.a": true, "c": false, "porto.a": false} {
		_, err := w.NewRedelivery(bridge.RedeliveryConfig{Cameras: []string{camera}}, &fakeSink{})
		if want != (err == nil) || !want && (!errors.Is(err, bridge.ErrNotTaken) || !strings.Contains(err.Error(), camera)) {
			t.Errorf("camera %s: %v", camera, err)
		}
	}
}

// consumers is how many FRAMES has.
func (s *stream) consumers() int {
	s.t.Helper()
	st, err := s.js.Stream(s.t.Context(), schema.StreamFrames)
	if err != nil {
		s.t.Fatal(err)
	}
	return st.CachedInfo().State.Consumers
}
