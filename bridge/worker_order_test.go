package bridge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// checkArrivals holds that every frame of first to last arrived, first arrivals in order.
func checkArrivals(t *testing.T, arrived []uint64, first, last uint64) {
	t.Helper()
	got := firstArrivals(arrived)
	for i, want := range count(first, last) {
		if i >= len(got) || got[i] != want {
			t.Fatalf("%d of %d frames arrived, and first arrival %d is not %d: %v", len(got), last-first+1, i, want, got[max(0, min(i, len(got))-5):min(i+5, len(got))])
		}
	}
	if n := len(got); uint64(n) != last-first+1 {
		t.Errorf("%d frames arrived, want %d", n, last-first+1)
	}
}

// checkResends holds that every connection begins with the frame after the last one known to be confirmed, and goes on in order.
func checkResends(t *testing.T, sessions [][]uint64) {
	t.Helper()
	most := uint64(0)
	for i, seqs := range sessions {
		if len(seqs) == 0 {
			continue
		}
		if seqs[0] > most+1 || !slices.Equal(seqs, count(seqs[0], seqs[len(seqs)-1])) {
			t.Errorf("connection %d has %v, after frames up to %d", i+1, seqs, most)
		}
		most = max(most, seqs[len(seqs)-1])
	}
}

func TestWorker_LostConnectionsAtAnyPointKeepFirstArrivalsInOrder(t *testing.T) {
	t.Parallel()
	const frames, cuts = 2000, 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := startStream(t)
	s.publish(1, frames)
	sink := newBroker()
	left, done := random.IntN(2*frames/cuts), 0
	sink.cut = func(*schema.Frame) (bool, int) {
		if left--; left > 0 || done == cuts {
			return false, 0
		}
		left, done = random.IntN(2*frames/cuts), done+1
		return true, random.IntN(20)
	}
	b := s.run(config(), sink)
	s.waitAcked(frames)
	b.stop()
	checkArrivals(t, sink.arrived(), 1, frames)
	checkResends(t, sink.bySession())
	if got := len(sink.bySession()); got != done+1 || done < cuts/2 {
		t.Errorf("%d connections for %d cuts", got, done)
	}
}

func TestWorker_NextOneKeepsTheOrderAfterAHardStop(t *testing.T) {
	t.Parallel()
	for name, cutFirst := range map[string]bool{"connection closed": true, "still running": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStream(t)
			s.publish(1, 300)
			first := newBroker()
			first.cut = func(f *schema.Frame) (bool, int) {
				if f.Seq >= 30 {
					first.holding.Store(true) // what has arrived stays unacknowledged
				}
				return false, 0
			}
			nc, err := nats.Connect(s.srv.ClientURL())
			if err != nil {
				t.Fatal(err)
			}
			c := config()
			c.Timeout = 2 * time.Second // the next waits while this one pulls
			b := s.runOver(c, first, func(string) (*nats.Conn, error) { return nc, nil })
			harness.WaitFor(t, 30*time.Second, "frames in flight", func() bool { return first.count() >= 30 && s.consumer("broker").NumAckPending > 0 })
			if cutFirst {
				nc.Close()
			}
			second := newBroker()
			s.run(config(), second)
			harness.WaitFor(t, 30*time.Second, "the second worker", func() bool { return second.count() > 0 })
			if !cutFirst {
				nc.Close()
			}
			b.stop()
			s.publish(301, 310) // shows the second what the first had taken from it
			s.waitAcked(310)
			checkArrivals(t, append(first.arrived(), second.arrived()...), 1, 310)
		})
	}
}

// A frame that is delivered and does not reach the bridge would come again a minute later, behind newer ones.
func TestWorker_FramesThatAnotherReaderTookComeAgainInOrder(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 10)
	sink := newBroker()
	s.run(config(), sink)
	s.waitAcked(10)
	c, err := s.js.Consumer(t.Context(), schema.StreamFrames, "broker")
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.Fetch(5, jetstream.FetchMaxWait(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 30*time.Second, "two pulls", func() bool { return s.consumer("broker").NumWaiting >= 2 })
	s.publish(11, 40)
	taken := 0
	for range other.Messages() {
		taken++
	}
	if taken == 0 {
		t.Error("the other reader got nothing")
	}
	s.waitAcked(40)
	checkArrivals(t, sink.arrived(), 1, 40)
}

func TestWorker_ServerRestartUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	const frames = 3000
	var last uint64
	sink := newBroker()
	b := s.run(config(), sink)
	for round := range 3 {
		s.publish(last+1, last+frames/3)
		last += frames / 3
		// with frames on their way to the worker, to the sink and back
		harness.WaitFor(t, 30*time.Second, "frames", func() bool { return sink.count() > int(last)-frames/3+50*(round+1) })
		s.stop()
		s.start()
	}
	s.waitAcked(frames)
	checkArrivals(t, sink.arrived(), 1, frames)
	if h := b.Health(); h.State != schema.BreakerClosed || h.Err != nil {
		t.Errorf("%+v, want a closed breaker and no fault", h)
	}
}

func TestWorker_BacklogOfLargeFramesIsPulledInBounds(t *testing.T) {
	t.Parallel()
	s := startStream(t, func(o *server.Options) { o.MaxPayload = 2 << 20 })
	const frames, size = 67, 1_500_000
	body := make([]byte, size)
	for seq := range uint64(frames) {
		f := frame(seq + 1)
		s.publishMsg(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: body})
	}
	c := config()
	c.MaxFrame = 2 << 20
	sink := newBroker()
	sink.holding.Store(true)
	s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "the first frame", func() bool { return sink.count() == 1 })
	harness.WaitFor(t, 30*time.Second, "a pull", func() bool { return s.consumer("broker").NumAckPending >= 5 })
	if got := s.consumer("broker").NumAckPending; got > (8<<20)/size {
		t.Errorf("%d frames of %d bytes were pulled at once, want 8 MiB at most", got, size)
	}
	sink.holding.Store(false)
	s.waitAcked(frames)
	if got := sink.arrived(); !slices.Equal(got, count(1, frames)) {
		t.Errorf("arrived %v, want each once in order", got)
	}
}

// A pull brings more messages than frames: the server tells of its end.
func TestWorker_BacklogBehindASlowSinkWaitsAndIsNotDropped(t *testing.T) {
	t.Parallel()
	const frames = 2000
	s := startStream(t)
	s.publishAsync(1, frames)
	sink := newBroker()
	sink.cut = func(f *schema.Frame) (bool, int) {
		if f.Seq%400 == 100 {
			sink.holding.Store(true)
		}
		return false, 0
	}
	s.run(config(), sink)
	for i := range frames / 400 {
		harness.WaitFor(t, 30*time.Second, "a full window", func() bool { return sink.holding.Load() && sink.count() > 400*i })
		last, since := 0, time.Now()
		harness.WaitFor(t, 30*time.Second, "everything to stand still", func() bool {
			if n := s.consumer("broker").NumAckPending; n != last {
				last, since = n, time.Now()
			}
			return time.Since(since) > 100*time.Millisecond
		})
		sink.holding.Store(false)
	}
	s.waitAcked(frames)
	if got := sink.bySession(); len(got) != 1 || !slices.Equal(got[0], count(1, frames)) {
		t.Errorf("%d connections, %d frames arrived, want each once in order on one", len(got), sink.count())
	}
}

func TestWorker_BacklogOfManySmallFramesArrivesOnceInOrder(t *testing.T) {
	t.Parallel()
	const frames = 40_000
	s := startStream(t)
	s.publishAsync(1, frames)
	sink := newBroker()
	began := time.Now()
	b := s.run(config(), sink)
	harness.WaitFor(t, time.Minute, "all frames", func() bool { return b.Health().Delivered == frames })
	t.Logf("%.0f frames a second", frames/time.Since(began).Seconds())
	if got := sink.arrived(); !slices.Equal(got, count(1, frames)) {
		t.Errorf("%d frames arrived, want %d once in order", len(got), frames)
	}
}

// publishAsync stores many frames fast.
func (s *stream) publishAsync(first, last uint64) {
	s.t.Helper()
	js, err := jetstream.New(s.nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		s.t.Fatal(err)
	}
	f := frame(0)
	for f.Seq = first; f.Seq <= last; f.Seq++ {
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}, jetstream.WithStallWait(time.Minute)); err != nil {
			s.t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		s.t.Fatal("the stream does not take the frames")
	}
}

func TestWorker_CleanStopDeliversNothingTwice(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 300)
	sink := newBroker()
	sink.cut = func(f *schema.Frame) (bool, int) {
		if f.Seq == 20 {
			sink.holding.Store(true)
		}
		return false, 0
	}
	b := s.run(config(), sink)
	harness.WaitFor(t, 30*time.Second, "frames in flight", func() bool { return sink.holding.Load() })
	time.AfterFunc(300*time.Millisecond, func() { sink.holding.Store(false) })
	b.stop()
	sink.cut = nil
	s.run(config(), sink)
	s.waitAcked(300)
	if got := sink.arrived(); !slices.Equal(got, count(1, 300)) {
		t.Errorf("arrived %v, want each once in order", got)
	}
}

func TestWorker_NewestBeginsWithTheFramesToComeAcrossARestart(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 10)
	c := config()
	c.Newest = true
	down := &fakeSink{connect: func(int) error { return fmt.Errorf("nobody there") }}
	b := s.run(c, down)
	harness.WaitFor(t, 30*time.Second, "the consumer", func() bool { return s.consumer("broker").Config.Durable != "" })
	b.stop()
	s.publish(11, 20) // while the bridge is away, and after it was set up
	s.stop()
	s.start()
	sink := newBroker()
	s.run(c, sink)
	s.waitAcked(20)
	if got := sink.arrived(); !slices.Equal(got, count(11, 20)) {
		t.Errorf("arrived %v, want 11 to 20", got)
	}
}
