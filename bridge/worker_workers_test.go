package bridge_test

import (
	"errors"
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

// together is the broker behind the sinks of several workers.
type together struct {
	mu   sync.Mutex
	seqs []uint64 // in the order of their arrival
	by   map[int]int
}

// sink is that of worker n, which takes what judge, where it is not nil, has confirmed.
func (a *together) sink(n int, judge func(f *schema.Frame) verdict) *fakeSink {
	return &fakeSink{judge: func(f *schema.Frame) verdict {
		if judge != nil {
			if v := judge(f); v != confirm {
				return v
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.by == nil {
			a.by = map[int]int{}
		}
		a.seqs = append(a.seqs, f.Seq)
		a.by[n]++
		return confirm
	}}
}

func (a *together) arrived() ([]uint64, []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.seqs), []int{a.by[0], a.by[1], a.by[2]}
}

// busiest is the worker that has delivered since before, -1 where none has.
func (a *together) busiest(before []int) int {
	_, by := a.arrived()
	for n := range by {
		if by[n] > before[n] {
			return n
		}
	}
	return -1
}

func with(workers bridge.Workers) bridge.Config {
	c := config()
	c.Workers = workers
	return c
}

// feed publishes frames one after the other until the test asks it to end; that returns the last.
func (s *stream) feed() (end func() uint64) {
	stop, last := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for seq := uint64(1); ; seq++ {
			f := frame(seq)
			if _, err := s.js.PublishMsg(s.t.Context(), &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}); err != nil {
				return // the test has failed
			}
			select {
			case <-tick.C:
			case <-stop:
				last <- seq
				return
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-last
	}
}

// TestWorkersShared_DivideTheFramesAndHandBackWhatTheyCannotDeliver has one of three workers lose its sink again and again.
func TestWorkersShared_DivideTheFramesAndHandBackWhatTheyCannotDeliver(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 1000)
	broker := &together{}
	var calls atomic.Int64
	faulty := func(*schema.Frame) verdict {
		if calls.Add(1)%20 == 0 {
			return lose
		}
		return confirm
	}
	for n, judge := range []func(*schema.Frame) verdict{faulty, nil, nil} {
		slow := judge
		s.run(with(bridge.WorkersShared), broker.sink(n, func(f *schema.Frame) verdict {
			time.Sleep(time.Millisecond) // so that none has done it all before the others begin
			if slow != nil {
				return slow(f)
			}
			return confirm
		}))
	}
	began := time.Now()
	s.waitAcked(1000)
	if d := time.Since(began); d > 8*time.Second { // what is not handed back comes after 30 s
		t.Errorf("took %v", d)
	}
	arrived, by := broker.arrived()
	slices.Sort(arrived)
	if got := slices.Compact(arrived); !slices.Equal(got, count(1, 1000)) {
		t.Errorf("%d of 1000 frames arrived", len(got))
	}
	if slices.Min(by) == 0 {
		t.Errorf("the workers delivered %v, want each some", by)
	}
}

// TestWorkersShared_WhatASlowSinkHasStaysItsOwn has a sink take longer over all its frames than a worker may be silent.
func TestWorkersShared_WhatASlowSinkHasStaysItsOwn(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 22)
	c := with(bridge.WorkersShared)
	c.Timeout = 1500 * time.Millisecond
	var allowed atomic.Uint64
	sink := &fakeSink{}
	sink.setJudge(func(f *schema.Frame) verdict {
		if f.Seq <= allowed.Load() {
			return confirm
		}
		return hold
	})
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "a frame at the sink", func() bool { a, _, _ := sink.seen(); return len(a) == 1 })
	s.run(c, &fakeSink{judge: func(f *schema.Frame) verdict { t.Errorf("frame %d went to another worker", f.Seq); return confirm }}).stop()
	began := time.Now()
	harness.WaitFor(t, 30*time.Second, "the sink to take all", func() bool {
		if n := 1 + uint64(time.Since(began)/(300*time.Millisecond)); n > allowed.Load() {
			allowed.Store(n)
			sink.settle()
		}
		return b.Health().Delivered == 22
	})
	if i := s.consumer("broker"); i.Delivered.Consumer != 22 || time.Since(began) < 6*time.Second {
		t.Errorf("%d deliveries of 22 frames in %v", i.Delivered.Consumer, time.Since(began))
	}
}

// TestWorkersShared_WhatWaitsBehindASlowSinkComesOnce has a sink hold each frame up, so that those behind it wait in the client.
func TestWorkersShared_WhatWaitsBehindASlowSinkComesOnce(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 40)
	c := with(bridge.WorkersShared)
	c.Timeout = 1500 * time.Millisecond // JetStream waits for three of them
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	b := s.run(c, &fakeSink{judge: func(*schema.Frame) verdict { <-tick.C; return confirm }})
	harness.WaitFor(t, 30*time.Second, "all frames", func() bool { return b.Health().Delivered >= 40 && s.consumer("broker").NumAckPending == 0 })
	b.stop()
	if n := s.consumer("broker").Delivered.Consumer; n != 40 {
		t.Errorf("%d deliveries of 40 frames", n)
	}
}

func TestWorkersShared_FramesThatAgeOutAreTold(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	reg := prometheus.NewRegistry()
	s.reg = reg
	s.publish(1, 10)
	sink := &fakeSink{connect: func(int) error { return errors.New("down") }}
	s.run(with(bridge.WorkersShared), sink)
	harness.WaitFor(t, 30*time.Second, "a first look at the backlog", func() bool { return metric(t, reg, "edge_video_bridge_pending_frames") == "10" })
	s.limit(4)
	harness.WaitFor(t, 30*time.Second, "what is gone to be counted", func() bool { return missed(t, reg, "aged_out") == "6" })
	harness.WaitFor(t, 30*time.Second, "an event", func() bool { return sum(s.gaps("aged_out")) == 6 })
}

// TestWorkersStandby_OneWorksAndAnotherTakesOver stops the worker whose turn it is, then cuts the next one off, and lets that come back.
func TestWorkersStandby_OneWorksAndAnotherTakesOver(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	proxies := []*harness.Proxy{}
	broker := &together{}
	var workers []*bridging
	for n := range 3 {
		p := harness.StartProxy(t, strings.TrimPrefix(s.srv.ClientURL(), "nats://"))
		proxies = append(proxies, p)
		workers = append(workers, s.runOver(with(bridge.WorkersStandby), broker.sink(n, nil), func(name string) (*nats.Conn, error) {
			return nats.Connect("nats://"+p.Addr(), nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
		}))
	}
	end := s.feed()
	turn := func(what string) int {
		_, before := broker.arrived()
		now := -1
		harness.WaitFor(t, 10*time.Second, what, func() bool { now = broker.busiest(before); return now >= 0 })
		return now
	}
	first := turn("frames")
	for n, w := range workers {
		if n != first {
			harness.WaitFor(t, 10*time.Second, "the others to stand by", func() bool { h := w.Health(); return h.Aside && h.Err == nil })
		}
	}
	workers[first].stop()
	second := turn("another worker") // at once: it was released
	if second == first {
		t.Fatalf("worker %d delivers after its stop", first)
	}
	third := 3 - first - second
	_, before := broker.arrived()
	proxies[second].Hang()
	harness.WaitFor(t, 10*time.Second, "the last worker", func() bool { _, by := broker.arrived(); return by[third] > before[third] })
	proxies[second].Restore()
	harness.WaitFor(t, 20*time.Second, "the one that was cut off to stand by", func() bool { return workers[second].Health().Aside })
	last := end()
	s.waitAcked(last)
	arrived, by := broker.arrived()
	checkArrivals(t, arrived, 1, last)
	if gaps := s.gaps("aged_out"); len(gaps) > 0 {
		t.Errorf("frames are told to be missed that another worker has delivered: %v", gaps)
	}
	t.Logf("%d frames by %v, %d again", last, by, len(arrived)-int(last))
}

// TestWorkersStandby_WhatAnotherHasDeliveredIsNotGone has two wait for the first frame, and sets the consumer back between the last frame of the
// one that got it and the first of the other, as a third that begins at that moment does.
func TestWorkersStandby_WhatAnotherHasDeliveredIsNotGone(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	broker := &together{}
	workers := []*bridging{s.run(with(bridge.WorkersStandby), broker.sink(0, nil)), s.run(with(bridge.WorkersStandby), broker.sink(1, nil))}
	harness.WaitFor(t, 30*time.Second, "both to wait for frames", func() bool { return s.consumer("broker").NumWaiting > 1 })
	s.publish(1, 50)
	s.waitAcked(50)
	if _, err := s.js.ResetConsumerToSequence(t.Context(), schema.StreamFrames, "broker", 0); err != nil {
		t.Fatal(err)
	}
	first := broker.busiest([]int{0, 0})
	workers[first].stop()
	s.publish(51, 60)
	s.waitAcked(60)
	workers[1-first].stop()
	if gaps := s.gaps("aged_out"); len(gaps) > 0 {
		t.Errorf("frames are told to be missed that another worker has delivered: %v", gaps)
	}
}

func TestWorkersStandby_ASlowSinkKeepsItsTurn(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 50)
	slow := &fakeSink{judge: always(hold)}
	active := s.run(with(bridge.WorkersStandby), slow)
	harness.WaitFor(t, 30*time.Second, "a frame at the sink", func() bool { a, _, _ := slow.seen(); return len(a) == 1 })
	idle := &fakeSink{}
	other := s.run(with(bridge.WorkersStandby), idle)
	harness.WaitFor(t, 10*time.Second, "the other to stand by", func() bool { return other.Health().Aside })
	began := time.Now()
	harness.WaitFor(t, 30*time.Second, "longer than a turn without a sign of life", func() bool { return time.Since(began) > 7*time.Second })
	slow.setJudge(nil)
	s.waitAcked(50)
	if a, _, n := idle.seen(); len(a) > 0 || n > 0 || active.Health().Delivered != 50 {
		t.Errorf("the other connected %d times and had frames %v; want all 50 delivered by the first: %+v", n, a, active.Health())
	}
}

// TestWorkersStandby_TheBacklogOfLiveFirstIsTakenOverToo stops a worker amid both of its lanes.
func TestWorkersStandby_TheBacklogOfLiveFirstIsTakenOverToo(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.backlog(1, 400)
	broker := &together{}
	c := liveFirst()
	c.Workers = bridge.WorkersStandby
	held := func(f *schema.Frame) verdict {
		if f.Seq > 100 && f.Seq <= 400 {
			return hold
		}
		return confirm
	}
	first := s.run(c, broker.sink(0, held))
	harness.WaitFor(t, 30*time.Second, "a backfill", func() bool { return s.consumer("broker-backfill").Config.Metadata["edge-video-backfill"] != "" })
	s.publish(401, 420) // whoever has frames to deliver is the one
	harness.WaitFor(t, 30*time.Second, "the live frames", func() bool { arrived, _ := broker.arrived(); return slices.Contains(arrived, 420) })
	second := s.run(c, broker.sink(1, nil))
	harness.WaitFor(t, 30*time.Second, "the other to stand by", func() bool { return second.Health().Aside })
	first.stop()
	harness.WaitFor(t, 30*time.Second, "every frame from the second", func() bool {
		arrived, _ := broker.arrived()
		slices.Sort(arrived)
		return slices.Equal(slices.Compact(arrived), count(1, 420))
	})
}

func TestWorkersOne_ASecondProcessWaitsAndSaysForWhat(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	broker := &together{}
	first := s.run(config(), broker.sink(0, nil))
	s.waitAcked(20)
	c := config()
	c.Node = "gate-8"
	second := s.run(c, broker.sink(1, nil))
	harness.WaitFor(t, 30*time.Second, "the second to say why it waits", func() bool {
		h := second.Health()
		return h.Err != nil && strings.Contains(h.Err.Error(), "at work in another process, of node gate-7")
	})
	s.publish(21, 40)
	s.waitAcked(40)
	if st := s.status("broker"); st.Node != "gate-7" || st.Error != "" {
		t.Errorf("the bucket has %+v, want the state of the one at work", st)
	}
	first.stop()
	s.publish(41, 60)
	s.waitAcked(60)
	if h := second.Health(); h.Err != nil || h.Delivered != 20 {
		t.Errorf("after the first has ended: %+v", h)
	}
	arrived, _ := broker.arrived()
	checkArrivals(t, arrived, 1, 60)
}

// TestWorkers_OtherWaysAtWorkAreRefusedByName starts each way beside each other one.
func TestWorkers_OtherWaysAtWorkAreRefusedByName(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]bridge.Workers{{bridge.WorkersOne, bridge.WorkersShared}, {bridge.WorkersShared, bridge.WorkersStandby}, {bridge.WorkersStandby, bridge.WorkersOne}} {
		t.Run(string(c[0])+" "+string(c[1]), func(t *testing.T) {
			t.Parallel()
			s := startStream(t)
			s.publish(1, 5)
			first := s.run(with(c[0]), &fakeSink{})
			s.waitAcked(5)
			sink := &fakeSink{}
			second := s.run(with(c[1]), sink)
			harness.WaitFor(t, 30*time.Second, "the second to refuse", func() bool {
				h := second.Health()
				return errors.Is(h.Err, bridge.ErrOtherWorkers) && strings.Contains(h.Err.Error(), "node gate-7 has it with workers: "+string(c[0]))
			})
			s.publish(6, 10)
			s.waitAcked(10)
			first.stop()
			s.publish(11, 15)
			s.waitAcked(15)
			if a, _, _ := sink.seen(); !slices.Equal(a, count(11, 15)) || second.Health().Err != nil {
				t.Errorf("the second delivered %v, %+v", a, second.Health())
			}
		})
	}
}

func TestWorkersShared_ABacklogOfLiveFirstIsRefused(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	if err := bridge.KeepBackfill(t.Context(), s.js, config(), 1, 3); err != nil {
		t.Fatal(err)
	}
	b := s.run(with(bridge.WorkersShared), &fakeSink{})
	harness.WaitFor(t, 30*time.Second, "the bridge to refuse", func() bool {
		h := b.Health()
		return h.Err != nil && strings.Contains(h.Err.Error(), "broker-backfill on stream FRAMES holds a backlog of order: newest")
	})
}
