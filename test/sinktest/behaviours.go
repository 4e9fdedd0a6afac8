package sinktest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// Timeout is what a sink under test is given for connecting and for a broker's answer.
const Timeout = 3 * time.Second

// soon is within what an operation that returns at once takes on a busy machine.
const soon = time.Second

func connectFails(t *testing.T, b Broker) {
	s := b.NewSink(t)
	b.Cut()
	for range 2 {
		if err := connect(t, s, Timeout); bridge.FaultOf(err) != bridge.FaultRefused {
			t.Fatalf("got %v through a cut", err)
		}
	}
	b.Restore()
	b.Hang()
	started := time.Now()
	if err := connect(t, s, 200*time.Millisecond); bridge.FaultOf(err) != bridge.FaultTimeout {
		t.Fatalf("got %v from a hanging broker", err)
	}
	if took := time.Since(started); took > 200*time.Millisecond+soon {
		t.Errorf("Connect took %v with 200ms to do it", took)
	}
	b.Restore()
	all := frames(t, 10, 1000)
	Deliver(t, s, all, 0, nil, b.Restore)
	checkReceived(t, b, all)
}

// slowIsNotDown sends over a link that takes longer than the sink's timeout for all of the frames, and never as long for one.
func slowIsNotDown(t *testing.T, b Broker) {
	const chunk, delay = 32 << 10, 20 * time.Millisecond
	s := b.NewSink(t)
	mustConnect(t, s)
	defer closeSink(t, s)
	b.Slow(delay)
	all := make([]*schema.Frame, Timeout/delay+10)
	for i := range all {
		all[i] = Frame("slow", uint64(i+1), chunk)
	}
	var l ledger
	started := time.Now()
	for i, f := range all {
		s.Send(t.Context(), f, l.done(i))
	}
	waitEnded(t, &l, len(all))
	if took := time.Since(started); took < Timeout {
		t.Errorf("the link was not slow: all took %v", took)
	}
	b.Restore()
	if answered := l.check(t, 0, len(all)); answered != len(all) {
		t.Errorf("%d of %d frames confirmed", answered, len(all))
	}
	checkReceived(t, b, all)
}

// oneRejected has one frame refused among others, over a broker that may end the connection over it.
func oneRejected(t *testing.T, b Broker) {
	s := b.NewSink(t)
	good := frames(t, 40, 64<<10)
	bad := b.Unacceptable(t)
	refused := Deliver(t, s, slices.Insert(slices.Clone(good), 20, bad), 0, nil, b.Restore)
	if len(refused) != 1 || refused[0] != 20 {
		t.Errorf("frames %v were refused, want 20 alone", refused)
	}
	checkReceived(t, b, good)
	if slices.Contains(b.Received(t), bad.ID()) {
		t.Error("the refused frame arrived")
	}
}

func confirmsInOrder(t *testing.T, b Broker) {
	s := b.NewSink(t)
	mustConnect(t, s)
	defer closeSink(t, s)
	all := frames(t, 600, 64<<10)
	var l ledger
	for i, f := range all {
		s.Send(t.Context(), f, l.done(i))
	}
	waitEnded(t, &l, len(all))
	if confirmed := l.check(t, 0, len(all)); confirmed != len(all) {
		t.Errorf("%d of %d frames confirmed", confirmed, len(all))
	}
	checkReceived(t, b, all)
}

func unconnected(t *testing.T, b Broker) {
	s := b.NewSink(t)
	closeSink(t, s)
	var l ledger
	s.Send(t.Context(), Frame("unconnected", 1, 10), l.done(0))
	mustConnect(t, s)
	closeSink(t, s)
	closeSink(t, s)
	s.Send(t.Context(), Frame("unconnected", 2, 10), l.done(1))
	if confirmed := l.check(t, 0, 2); confirmed != 0 {
		t.Errorf("%d frames confirmed without a connection", confirmed)
	}
}

func cutLosesNothing(t *testing.T, b Broker) {
	s := b.NewSink(t)
	all := frames(t, 900, 64<<10)
	Deliver(t, s, all, 300, b.Cut, b.Restore)
	checkReceived(t, b, all)
}

func hangLosesNothing(t *testing.T, b Broker) {
	s := b.NewSink(t)
	all := frames(t, 900, 64<<10)
	Deliver(t, s, all, 300, b.Hang, b.Restore)
	checkReceived(t, b, all)
}

func restartLosesNothing(t *testing.T, b Broker) {
	s := b.NewSink(t)
	all := frames(t, 700, 64<<10)
	Deliver(t, s, all, 200, func() {
		b.Kill()
		if err := connect(t, b.NewSink(t), Timeout); err == nil {
			t.Error("connected to a broker that is not there")
		}
		b.Start()
	}, b.Restore)
	// Order is not asked for: of frames it had not confirmed, a killed broker may have kept one and not the one before it.
	if got := received(t, b, all); len(got) != len(all) {
		t.Errorf("%d of %d frames arrived", len(got), len(all))
	}
}

func hangIsNoticed(t *testing.T, b Broker) {
	s := b.NewSink(t)
	mustConnect(t, s)
	defer closeSink(t, s)
	b.Hang()
	var l ledger
	for i := range 3 {
		s.Send(t.Context(), Frame("hang-is-noticed", uint64(i+1), 1000), l.done(i))
	}
	waitEnded(t, &l, 3)
	if confirmed := l.check(t, 0, 3); confirmed != 0 {
		t.Errorf("%d frames confirmed through a hang", confirmed)
	}
}

func closeEndsHang(t *testing.T, b Broker) {
	s := b.NewSink(t)
	mustConnect(t, s)
	b.Hang()
	closeSink(t, s) // with nothing on its way
	b.Restore()
	mustConnect(t, s)
	b.Hang()
	var l ledger
	sent := fill(t, s, &l)
	closeSink(t, s)
	if confirmed := l.check(t, 0, sent); confirmed != 0 {
		t.Errorf("%d frames confirmed through a hang", confirmed)
	}
}

func closeEndsBlockedSend(t *testing.T, b Broker) {
	s := b.NewSink(t)
	mustConnect(t, s)
	b.Hang()
	var l ledger
	var begun atomic.Int64
	sent := make(chan int)
	go func() {
		n := 0
		f := Frame("blocked", 1, 8<<20)
		for lost := false; !lost; _, lost = l.count() {
			begun.Add(1)
			s.Send(context.Background(), f, l.done(n))
			n++
		}
		sent <- n
	}()
	var last int64
	var since time.Time
	harness.WaitFor(t, Timeout, "Send to block", func() bool {
		if n := begun.Load(); n != last {
			last, since = n, time.Now()
		}
		return last > 1 && time.Since(since) > 200*time.Millisecond
	})
	closeSink(t, s)
	l.check(t, 0, <-sent)
}

func contextEndsBlockedSend(t *testing.T, b Broker) {
	s := b.NewSink(t)
	mustConnect(t, s)
	defer closeSink(t, s)
	b.Hang()
	var l ledger
	sent := fill(t, s, &l)
	b.Restore()
	// the one that found no room has ended the connection for those after it, not for those before
	s.Send(t.Context(), Frame("after", 1, 1000), l.done(sent))
	waitEnded(t, &l, sent+1)
	if confirmed := l.check(t, 0, sent+1); confirmed != sent-1 {
		t.Errorf("%d frames confirmed, want the %d that had room", confirmed, sent-1)
	}
}

// fill sends until the sink has no room, for as long as a context lasts that ends well within the timeout. It returns how many
// frames it sent; the last one had no room.
func fill(t *testing.T, s bridge.Sink, l *ledger) int {
	t.Helper()
	f := Frame("fill", 1, 8<<20) // which takes its time on a busy machine
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	n := 0
	started := time.Now()
	for ctx.Err() == nil {
		s.Send(ctx, f, l.done(n))
		n++
	}
	if took := time.Since(started); took > 500*time.Millisecond+soon {
		t.Fatalf("Send returned %v after its context had ended", took-500*time.Millisecond)
	}
	return n
}

// Deliver is a bridge's worker in its simplest form: it sends all frames, and after a fault it connects again and resends from the
// first unconfirmed one. The fault happens once, after so many confirmed frames; restore is called when the sink has noticed it. It
// returns which frames were refused for good.
func Deliver(t *testing.T, s bridge.Sink, all []*schema.Frame, after int, fault, restore func()) (refused []int) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for confirmed := 0; confirmed < len(all); {
		harness.WaitFor(t, time.Until(deadline), fmt.Sprintf("a connection with %d of %d frames delivered", confirmed, len(all)),
			func() bool { return connect(t, s, Timeout) == nil })
		var l ledger
		sent := 0
		for _, f := range all[confirmed:] {
			s.Send(t.Context(), f, l.done(confirmed+sent))
			sent++
			n, lost := l.count()
			if lost {
				break
			}
			if fault != nil && n >= after {
				fault()
				fault = nil
			}
		}
		waitEnded(t, &l, sent)
		closeSink(t, s)
		confirmed += l.check(t, confirmed, sent)
		refused = append(refused, l.refused...)
		restore()
	}
	if fault != nil {
		t.Error("the fault came too late")
	}
	return refused
}

func waitEnded(t *testing.T, l *ledger, n int) {
	t.Helper()
	harness.WaitFor(t, 2*Timeout+20*time.Second, "frames to end", func() bool {
		ended, _ := l.count()
		return ended >= n
	})
}

func connect(t *testing.T, s bridge.Sink, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return s.Connect(ctx)
}

func mustConnect(t *testing.T, s bridge.Sink) {
	t.Helper()
	if err := connect(t, s, 10*time.Second); err != nil {
		t.Fatalf("connecting: %v", err)
	}
}

// closeSink fails the test unless Close returns at once.
func closeSink(t *testing.T, s bridge.Sink) {
	t.Helper()
	started := time.Now()
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	if took := time.Since(started); took > soon {
		t.Errorf("Close took %v", took)
	}
}
