package bridge_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func liveFirst() bridge.Config {
	c := config()
	c.LiveFirst = true
	return c
}

// backlog stores frames that are old enough to be one when the next comes.
func (s *stream) backlog(first, last uint64) {
	s.t.Helper()
	s.publishAsync(first, last-1)
	stored := time.Now()
	harness.WaitFor(s.t, 30*time.Second, "a backlog", func() bool { return time.Since(stored) > 1200*time.Millisecond })
	s.publish(last, last)
}

// waitDelivered waits until a bridge has delivered n frames and nothing is left to its backfill.
func (s *stream) waitDelivered(b *bridging, n uint64) {
	s.t.Helper()
	harness.WaitFor(s.t, 60*time.Second, "everything", func() bool {
		_, err := s.js.Consumer(s.t.Context(), schema.StreamFrames, "broker-backfill")
		return b.Health().Delivered >= n && errors.Is(err, jetstream.ErrConsumerNotFound)
	})
}

// checkLanes holds that all of first to last arrived, those up to edge in order among themselves, and the others too.
func checkLanes(t *testing.T, arrived []uint64, last, edge uint64) {
	t.Helper()
	var back, live []uint64
	for _, seq := range firstArrivals(arrived) {
		if seq <= edge {
			back = append(back, seq)
		} else {
			live = append(live, seq)
		}
	}
	if !slices.Equal(back, count(1, edge)) || !slices.Equal(live, count(edge+1, last)) {
		t.Errorf("%d frames of the backlog of %d, in order: %v; %d live ones of %d, in order: %v", len(back), edge, slices.IsSorted(back),
			len(live), last-edge, slices.IsSorted(live))
	}
}

func TestWorker_LiveFramesComeFirstAndTheBacklogBesideThem(t *testing.T) {
	t.Parallel()
	const backlog, live = 5000, 100
	s := startStream(t)
	s.backlog(1, backlog)
	c := liveFirst()
	c.Rate = 4000 // so that the backlog lasts
	sink := newBroker()
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "the backfill", func() bool { return sink.count() > 100 })
	for seq := range uint64(live) {
		s.publish(backlog+1+seq, backlog+1+seq)
	}
	harness.WaitFor(t, 30*time.Second, "the live frames", func() bool { return slices.Contains(sink.arrived(), backlog+live) })
	if n := sink.count(); n == backlog+live {
		t.Error("live frames came behind the whole backlog")
	}
	s.waitDelivered(b, backlog+live)
	if n := sink.count(); n != backlog+live {
		t.Errorf("%d frames arrived, want %d, each once", n, backlog+live)
	}
	checkLanes(t, sink.arrived(), backlog+live, backlog)
	harness.WaitFor(t, 30*time.Second, "no backlog", func() bool { return b.Health().Pending == 0 })
	b.stop()
	if got := s.gaps("aged_out"); len(got) > 0 {
		t.Errorf("gaps %v, want none", got)
	}
}

func TestWorker_SeveralOutagesLeaveSeveralRunsToTheBackfill(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	c := liveFirst()
	c.Rate = 100
	sink := newBroker()
	b := s.run(c, sink)
	s.publish(1, 10)
	s.waitDelivered(b, 10)
	last := uint64(10)
	for range 3 {
		b.Hold(time.Hour)
		harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
		s.backlog(last+1, last+100)
		b.Release()
		before := sink.count()
		harness.WaitFor(t, 30*time.Second, "the backfill", func() bool { return sink.count() > before })
		s.publish(last+101, last+110)
		last += 110
		harness.WaitFor(t, 30*time.Second, "the live frames", func() bool { return slices.Contains(sink.arrived(), last) })
	}
	s.waitDelivered(b, last)
	got := sink.arrived()
	if n := len(got); uint64(n) != last || uint64(len(firstArrivals(got))) != last {
		t.Errorf("%d frames arrived, %d of them for the first time, want %d each once", n, len(firstArrivals(got)), last)
	}
	var back, live []uint64
	for _, seq := range got {
		if n := (seq - 11) % 110; seq > 10 && n < 100 {
			back = append(back, seq)
		} else {
			live = append(live, seq)
		}
	}
	if !slices.IsSorted(back) || !slices.IsSorted(live) {
		t.Errorf("backlog in order: %v, live in order: %v", slices.IsSorted(back), slices.IsSorted(live))
	}
}

// TestWorker_NothingIsLostWhereverTheHandOverIsCutShort ends a worker after each step, as a crash would.
func TestWorker_NothingIsLostWhereverTheHandOverIsCutShort(t *testing.T) {
	t.Parallel()
	const backlog = 300
	for name, cut := range map[string]func(t *testing.T, s *stream, kill func()){
		"the backfill has its run and the live durable has not moved": func(_ *testing.T, _ *stream, kill func()) { kill() },
		"the live durable has moved and nothing is delivered": func(t *testing.T, s *stream, kill func()) {
			kill()
			if _, err := s.js.ResetConsumerToSequence(t.Context(), schema.StreamFrames, "broker", backlog+1); err != nil {
				t.Fatal(err)
			}
		},
		"the live durable is gone": func(t *testing.T, s *stream, kill func()) {
			kill()
			if err := s.js.DeleteConsumer(t.Context(), schema.StreamFrames, "broker"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStream(t)
			b := s.run(liveFirst(), newBroker())
			harness.WaitFor(t, 30*time.Second, "the durable", func() bool { return s.consumer("broker").Config.Durable != "" })
			cut(t, s, b.stop)
			s.backlog(1, backlog)
			if err := bridge.KeepBackfill(t.Context(), s.js, liveFirst(), 1, backlog); err != nil {
				t.Fatal(err)
			}
			s.publish(backlog+1, backlog+20)
			sink := newBroker()
			b = s.run(liveFirst(), sink)
			s.waitDelivered(b, backlog+20)
			checkLanes(t, sink.arrived(), backlog+20, backlog)
			if n := sink.count(); n != backlog+20 {
				t.Errorf("%d frames arrived, want %d each once", n, backlog+20)
			}
		})
	}
}

func TestWorker_KilledInTheMiddleOfABackfillGoesOnWithIt(t *testing.T) {
	t.Parallel()
	const backlog = 2000
	s := startStream(t)
	s.backlog(1, backlog)
	var arrived []uint64
	last := uint64(backlog)
	c := liveFirst()
	c.Rate = 1000
	for range 3 {
		sink := newBroker()
		nc, err := nats.Connect(s.srv.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		b := s.runOver(c, sink, func(string) (*nats.Conn, error) { return nc, nil })
		harness.WaitFor(t, 30*time.Second, "a part of the backlog", func() bool { return sink.count() > 100 })
		s.publish(last+1, last+10)
		last += 10
		harness.WaitFor(t, 30*time.Second, "live frames", func() bool { return slices.Contains(sink.arrived(), last) })
		nc.Close()
		b.stop()
		arrived = append(arrived, sink.arrived()...)
	}
	c.Rate = 0
	c.LiveFirst = false // what has been left to the backfill stays its own
	sink := newBroker()
	b := s.run(c, sink)
	s.waitDelivered(b, 1)
	s.waitAcked(last)
	arrived = append(arrived, sink.arrived()...)
	checkTwoOrders(t, arrived, last)
	t.Logf("%d of %d frames came twice", len(arrived)-int(last), last)
}

func TestWorker_LostConnectionsKeepTheOrderInBothLanes(t *testing.T) {
	t.Parallel()
	const backlog = 2000
	s := startStream(t)
	s.backlog(1, backlog)
	cuts := 0
	sink := newBroker()
	sink.cut = func(f *schema.Frame) (bool, int) {
		if cuts < 10 && f.Seq%190 == 0 {
			cuts++
			return true, 5
		}
		return false, 0
	}
	b := s.run(liveFirst(), sink)
	for seq := range uint64(200) {
		s.publish(backlog+1+seq, backlog+1+seq)
	}
	s.waitDelivered(b, backlog+200)
	s.waitAcked(backlog + 200)
	checkTwoOrders(t, sink.arrived(), backlog+200)
}

// checkTwoOrders holds that all of 1 to last arrived, first arrivals in no more than two orders.
func checkTwoOrders(t *testing.T, arrived []uint64, last uint64) {
	t.Helper()
	got := firstArrivals(arrived)
	var high, low uint64 // the last of each
	for _, seq := range got {
		switch {
		case seq > high:
			high = seq
		case seq > low:
			low = seq
		default:
			t.Fatalf("frame %d came behind %d and %d", seq, high, low)
		}
	}
	if slices.Sort(got); !slices.Equal(got, count(1, last)) {
		t.Errorf("%d frames arrived of %d", len(got), last)
	}
}

// A durable that begins with the frames to come cannot be moved.
func TestWorker_BridgeThatBeganWithTheNewestCanJump(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	c := liveFirst()
	c.Newest = true
	sink := newBroker()
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "a pull", func() bool { return s.consumer("broker").NumWaiting > 0 })
	b.Hold(time.Hour)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	s.backlog(6, 100)
	b.Release()
	s.waitDelivered(b, 95)
	s.publish(101, 110)
	s.waitDelivered(b, 105)
	got := sink.arrived()
	slices.Sort(got)
	if !slices.Equal(got, count(6, 110)) {
		t.Errorf("arrived %v, want 6 to 110 each once", got)
	}
}

func TestWorker_WhatAgesOutOfABackfillIsToldOf(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	b := s.run(liveFirst(), newBroker())
	harness.WaitFor(t, 30*time.Second, "the durable", func() bool { return s.consumer("broker").Config.Durable != "" })
	b.stop()
	s.publish(1, 100)
	if err := bridge.KeepBackfill(t.Context(), s.js, liveFirst(), 1, 100); err != nil {
		t.Fatal(err)
	}
	s.limit(70)
	sink := newBroker()
	b = s.run(liveFirst(), sink)
	s.publish(101, 110)
	s.waitDelivered(b, 70)
	b.stop()
	if n := len(firstArrivals(sink.arrived())); sum(s.gaps("aged_out")) != uint64(110-n) || n > 80 {
		t.Errorf("%d frames arrived, gaps %v", n, s.gaps("aged_out"))
	}
}

func TestWorker_ForeignDurableInTheBackfillsPlaceIsRefusedByName(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	if _, err := s.js.CreateConsumer(t.Context(), schema.StreamFrames, jetstream.ConsumerConfig{Durable: "broker-backfill", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	b := s.run(liveFirst(), newBroker())
	harness.WaitFor(t, 30*time.Second, "a refusal", func() bool { return errors.Is(b.Health().Err, bridge.ErrForeignDurable) })
	if err := s.js.DeleteConsumer(context.WithoutCancel(t.Context()), schema.StreamFrames, "broker-backfill"); err != nil {
		t.Fatal(err)
	}
	s.publish(1, 5)
	s.waitAcked(5)
}
