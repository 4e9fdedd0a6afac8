package bridge_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// store publishes frames as they are.
func (s *stream) store(frames ...*schema.Frame) {
	s.t.Helper()
	for _, f := range frames {
		s.publishMsg(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data})
	}
}

// captured is frame seq of a camera, captured at a time.
func captured(camera string, seq uint64, at time.Time) *schema.Frame {
	f := frame(seq)
	f.Camera, f.Captured = camera, at.UTC().Truncate(time.Microsecond)
	return f
}

// gaps are the counts of the gap events for a reason.
func (s *stream) gaps(reason string) (counts []uint64) {
	for _, e := range s.events("broker", schema.KindGap) {
		if e.Reason == reason {
			counts = append(counts, e.Count)
		}
	}
	return counts
}

func sum(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func missed(t *testing.T, reg prometheus.Gatherer, reason string) string {
	t.Helper()
	return metric(t, reg, `edge_video_bridge_missed_frames_total{reason="`+reason+`"}`)
}

// limit makes FRAMES hold no more than n messages.
func (s *stream) limit(n int64) {
	s.t.Helper()
	s.limitIn(schema.StreamFrames, n)
}

// limitIn makes a stream hold no more than n messages.
func (s *stream) limitIn(name string, n int64) {
	s.t.Helper()
	st, err := s.js.Stream(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	c := st.CachedInfo().Config
	c.MaxMsgs = n
	if _, err := s.js.UpdateStream(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
}

func TestWorker_StaleFramesAreSkippedAndToldOfOnceARow(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	old, now := time.Now().Add(-time.Hour), time.Now()
	for seq := range uint64(200) {
		s.store(captured("dock-1", seq+1, old))
	}
	for seq := range uint64(20) {
		s.store(captured("dock-1", seq+201, now))
	}
	c, reg := config(), prometheus.NewRegistry()
	s.reg = reg
	c.MaxAge = 10 * time.Minute
	sink := newBroker()
	b := s.run(c, sink)
	s.waitAcked(220)
	b.stop()
	if got := sink.arrived(); !slices.Equal(got, count(201, 220)) {
		t.Errorf("arrived %v, want 201 to 220", got)
	}
	if got := s.gaps("stale"); !slices.Equal(got, []uint64{200}) || missed(t, reg, "stale") != "200" {
		t.Errorf("gaps %v, metric %s, want one of 200", got, missed(t, reg, "stale"))
	}
	if h := b.Health(); h.Delivered != 20 {
		t.Errorf("%d delivered, want 20", h.Delivered)
	}
}

func TestWorker_ThinningKeepsTheRateOfEachCamera(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	const seconds, cameras = 60, 2
	random := rand.New(rand.NewPCG(1, 2))
	begin := time.Now().Add(-time.Hour)
	for i := range seconds * 10 { // ten frames a second, each up to 80 ms late
		for c := range cameras {
			at := begin.Add(time.Duration(i)*100*time.Millisecond + time.Duration(random.IntN(80))*time.Millisecond)
			s.store(captured(fmt.Sprint("dock-", c), uint64(i+1), at))
		}
	}
	c, reg := config(), prometheus.NewRegistry()
	s.reg = reg
	c.FPS = 2
	cuts := 0
	got := map[string]int{}
	repeats := map[string]bool{}
	sink := &fakeSink{judge: func(f *schema.Frame) verdict {
		if cuts < 5 && f.Seq%97 < 5 {
			cuts++
			return lose
		}
		if !repeats[f.ID()] {
			got[f.Camera]++
		}
		repeats[f.ID()] = true
		return confirm
	}}
	b := s.run(c, sink)
	s.waitAcked(seconds * 10 * cameras)
	b.stop()
	for camera, n := range got {
		if n < 2*seconds*99/100 || n > 2*seconds*101/100+1 {
			t.Errorf("%d frames of %s in %d s, want 2 a second", n, camera, seconds)
		}
	}
	if want := fmt.Sprint(seconds*10*cameras - len(repeats)); missed(t, reg, "thinned") != want || len(got) != cameras {
		t.Errorf("%s thinned out, want %s", missed(t, reg, "thinned"), want)
	}
	if n := len(s.events("broker", schema.KindGap)); n > 0 {
		t.Errorf("%d gap events for what the configuration asks for", n)
	}
}

func TestWorker_ThinningOfVideoLeavesKeyframes(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	begin := time.Now().Add(-time.Minute)
	for i := range uint64(100) {
		f := captured("dock-1", i+1, begin.Add(time.Duration(i)*100*time.Millisecond))
		f.ContentType, f.Keyframe = schema.ContentH264, i%10 == 0
		s.store(f)
	}
	c := config()
	c.FPS = 0.5
	sink := newBroker()
	s.run(c, sink)
	s.waitAcked(100)
	if got := sink.arrived(); !slices.Equal(got, []uint64{1, 21, 41, 61, 81}) {
		t.Errorf("arrived %v, want every second keyframe", got)
	}
}

func TestWorker_RateBoundsCatchUpAndNotLiveFrames(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 61)
	old := time.Now()
	harness.WaitFor(t, 30*time.Second, "frames to be a backlog", func() bool { return time.Since(old) > 1100*time.Millisecond })
	c := config()
	c.Rate = 40
	sink := newBroker()
	began := time.Now()
	b := s.run(c, sink)
	s.waitAcked(61)
	if d := time.Since(began); d < 1400*time.Millisecond {
		t.Errorf("60 frames were caught up in %v, want no more than 40 a second", d)
	}
	swift := 0 // live frames that came quicker than the rate of the backlog
	for seq := uint64(62); seq <= 161; seq++ {
		began = time.Now()
		s.publish(seq, seq)
		harness.WaitFor(t, 30*time.Second, "a live frame", func() bool { return b.Health().Delivered == seq })
		if time.Since(began) < time.Second/40 {
			swift++
		}
	}
	if swift == 0 {
		t.Error("every live frame took longer than the rate of the backlog asks for")
	}
	s.waitAcked(161)
	if got := sink.arrived(); !slices.Equal(got, count(1, 161)) {
		t.Errorf("arrived %v, want each once in order", got)
	}
}

func TestWorker_FramesThatAgedOutAreCountedAndToldOf(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(t *testing.T, s *stream, b *bridging, c bridge.Config, sink *brokerSink) *bridging{
		"breaker open": func(_ *testing.T, s *stream, b *bridging, _ bridge.Config, _ *brokerSink) *bridging {
			s.publish(101, 300)
			b.Release()
			return b
		},
		"process down": func(_ *testing.T, s *stream, b *bridging, c bridge.Config, sink *brokerSink) *bridging {
			b.stop()
			s.publish(101, 300)
			return s.run(c, sink)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStream(t)
			c, reg := config(), prometheus.NewRegistry()
			sink := newBroker()
			b := s.run(c, sink)
			s.publish(1, 50)
			s.waitAcked(50)
			b.Hold(time.Hour)
			harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
			s.publish(51, 100)
			s.limit(60)
			if name == "process down" {
				s.reg = reg
			}
			b = way(t, s, b, c, sink)
			s.waitAcked(300)
			b.stop()
			if got := firstArrivals(sink.arrived()); !slices.Equal(got, append(count(1, 50), count(241, 300)...)) {
				t.Errorf("arrived %v, want 1 to 50 and 241 to 300", got)
			}
			if n := sum(s.gaps("aged_out")); n != 190 {
				t.Errorf("events of %d frames, want 190", n)
			}
			if got := missed(t, reg, "aged_out"); name == "process down" && got != "190" {
				t.Errorf("%q in the metric, want 190", got)
			}
		})
	}
}

// What a session had pulled when its sink went is JetStream's "delivered", and counts as done there when it ages out.
func TestWorker_FramesThatAgedOutWhileTheyWereInFlightAreCounted(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	c, reg := config(), prometheus.NewRegistry()
	s.reg = reg
	c.Timeout = 300 * time.Millisecond
	c.Breaker = bridge.BreakerConfig{Failures: 1, Open: 2 * time.Second, MaxOpen: 2 * time.Second}
	sink := newBroker()
	b := s.run(c, sink)
	s.publish(1, 50)
	s.waitAcked(50)
	sink.cut = func(*schema.Frame) (bool, int) { sink.holding.Store(true); return false, 0 }
	s.publish(51, 150)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	taken := sink.count()
	sink.cut = nil
	sink.holding.Store(false)
	s.limit(20)
	s.waitAcked(150)
	b.stop()
	if n := sum(s.gaps("aged_out")); taken <= 50 || n != 80 || missed(t, reg, "aged_out") != "80" {
		t.Errorf("%d frames had gone out; events of %d, metric %s, want 80", taken, n, missed(t, reg, "aged_out"))
	}
}

func TestWorker_SlowSinkBehindTheRetentionIsToldOf(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.limit(50)
	c, reg := config(), prometheus.NewRegistry()
	s.reg = reg
	sink := newBroker()
	b := s.run(c, sink)
	s.publish(1, 10)
	s.waitAcked(10)
	sink.holding.Store(true)
	s.publish(11, 1000)
	sink.holding.Store(false)
	s.waitAcked(1000)
	b.stop()
	got := firstArrivals(sink.arrived())
	want := uint64(1000 - len(got))
	if n := sum(s.gaps("aged_out")); n != want || want == 0 || missed(t, reg, "aged_out") != fmt.Sprint(want) {
		t.Errorf("%d frames did not arrive; events of %d, metric %s", want, n, missed(t, reg, "aged_out"))
	}
	if !slices.IsSorted(got) {
		t.Errorf("first arrivals out of order: %v", got)
	}
}

func TestWorker_GapsOfABridgeOfSomeCamerasCountThoseAlone(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	c, reg := config(), prometheus.NewRegistry()
	s.reg = reg
	c.Cameras = []string{"a"}
	sink := newBroker()
	b := s.run(c, sink)
	now := time.Now()
	put := func(first, last uint64) {
		for seq := first; seq <= last; seq++ {
			s.store(captured("a", seq, now), captured("b", seq, now))
		}
	}
	put(1, 10)
	put(15, 20) // what the node dropped is no gap of the bridge
	s.waitAcked(31)
	b.Hold(time.Hour)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	put(21, 100)
	s.limit(40)
	b.Release()
	s.waitAcked(191)
	b.stop()
	if got := sink.arrived(); !slices.Equal(got, slices.Concat(count(1, 10), count(15, 20), count(81, 100))) {
		t.Errorf("arrived %v", got)
	}
	if n := sum(s.gaps("aged_out")); n != 60 || missed(t, reg, "aged_out") != "60" {
		t.Errorf("events of %d frames, metric %s, want the 60 of camera a", n, missed(t, reg, "aged_out"))
	}
}

func TestWorker_NewBridgeHasMissedNothing(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 100)
	s.limit(20)
	sink := newBroker()
	b := s.run(config(), sink)
	s.waitAcked(100)
	b.stop()
	if got := s.gaps("aged_out"); len(got) > 0 || sink.count() != 20 {
		t.Errorf("gaps %v after %d frames, want none: they were there before the bridge", got, sink.count())
	}
}

func TestWorker_ChangedFilterOfItsOwnDurableIsTakenOver(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	now := time.Now()
	c := config()
	c.Cameras = []string{"a"}
	sink := newBroker()
	b := s.run(c, sink)
	s.store(captured("a", 1, now), captured("b", 1, now))
	s.waitAcked(1)
	b.stop()
	c.Cameras = []string{"b"}
	s.store(captured("a", 2, now), captured("b", 3, now))
	b = s.run(c, sink)
	s.waitAcked(4)
	if got := sink.arrived(); !slices.Equal(got, []uint64{1, 3}) && !slices.Equal(got, []uint64{1, 1, 3}) {
		t.Errorf("arrived %v, want frame 1 of a, then those of b", got)
	}
	if got := s.consumer("broker").Config.FilterSubjects; !strings.Contains(fmt.Sprint(got, s.consumer("broker").Config.FilterSubject), "frames.lisbon.b") {
		t.Errorf("the durable filters %v", got)
	}
	b.stop()
	if _, err := s.js.CreateConsumer(t.Context(), schema.StreamFrames, jetstream.ConsumerConfig{Durable: "other", AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "frames.lisbon.a"}); err != nil {
		t.Fatal(err)
	}
	c.Name = "other"
	b = s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "a refusal", func() bool { return b.Health().Err != nil })
	if err := b.Health().Err.Error(); !strings.Contains(err, "other on stream FRAMES") || !strings.Contains(err, "nats consumer rm FRAMES other") {
		t.Errorf("%s, want the durable's name and what to do", err)
	}
}
