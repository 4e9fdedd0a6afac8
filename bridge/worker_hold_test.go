package bridge_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// metric is the value of a series as it is scraped, "" where there is none.
func metric(t *testing.T, reg prometheus.Gatherer, series string) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	for line := range strings.Lines(w.Body.String()) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestWorker_HeldBridgeLeavesItsSinkAloneAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	sink := newBroker()
	b := s.run(config(), sink)
	s.waitAcked(20)
	b.Hold(time.Hour)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	if h := b.Health(); h.Fault != bridge.FaultHeld || h.Held < 50*time.Minute || h.Err == nil {
		t.Errorf("%+v, want one that is held", h)
	}
	s.publish(21, 40)
	for began := time.Now(); time.Since(began) < 300*time.Millisecond; {
		c := s.consumer("broker") // which may have handed some out just before
		if n := c.NumPending + uint64(c.NumAckPending); n != 20 || len(sink.bySession()) != 1 {
			t.Fatalf("%d frames wait, %d connections, want 20 and one", n, len(sink.bySession()))
		}
	}
	b.Release()
	s.waitAcked(40)
	harness.WaitFor(t, 30*time.Second, "a closed breaker", func() bool { return b.Health().State == schema.BreakerClosed })
	if h := b.Health(); h.Err != nil || h.Held != 0 || h.Fault != "" {
		t.Errorf("%+v after the release", h)
	}
	if got := sink.arrived(); !slices.Equal(got, count(1, 40)) {
		t.Errorf("arrived %v, want each once in order", got)
	}
	b.stop()
	var got []string
	for _, e := range s.events("broker", schema.KindBreaker) {
		got = append(got, e.State+" "+e.Reason)
	}
	if want := []string{"open held", "half-open ", "closed "}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestWorker_HoldConfirmsWhatTheSinkHasAndEndsByItself(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 20)
	sink := newBroker()
	sink.cut = func(f *schema.Frame) (bool, int) {
		if f.Seq == 10 {
			sink.holding.Store(true)
		}
		return false, 0
	}
	b := s.run(config(), sink)
	harness.WaitFor(t, 30*time.Second, "frames in flight", func() bool { return sink.holding.Load() })
	b.Hold(700 * time.Millisecond)
	time.AfterFunc(300*time.Millisecond, func() { sink.holding.Store(false) })
	s.waitAcked(20)
	if got := sink.arrived(); !slices.Equal(got, count(1, 20)) {
		t.Errorf("arrived %v, want each once in order", got)
	}
	s.publish(21, 30)
	s.waitAcked(30)
	b.Hold(time.Hour)
	began := time.Now()
	b.stop()
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("a held bridge took %v to stop", d)
	}
}

func TestWorker_FaultsHaveTheirNameEverywhere(t *testing.T) {
	t.Parallel()
	s := startStream(t)
	s.publish(1, 5)
	c := config()
	c.Breaker = bridge.BreakerConfig{Failures: 3, Open: 100 * time.Millisecond, MaxOpen: 100 * time.Millisecond}
	sink := &fakeSink{connect: func(attempt int) error {
		switch {
		case attempt <= 2:
			return &bridge.SinkFault{Fault: bridge.FaultCredentials, Err: fmt.Errorf("user gate7 is refused")}
		case attempt == 3:
			return &bridge.SinkFault{Fault: bridge.FaultBlocked, Err: fmt.Errorf("memory alarm")}
		}
		return nil
	}}
	reg := prometheus.NewRegistry()
	s.reg = reg
	b := s.run(c, sink)
	harness.WaitFor(t, 30*time.Second, "the fault", func() bool { return b.Health().Fault == bridge.FaultCredentials })
	harness.WaitFor(t, 30*time.Second, "the fault in the bucket", func() bool { return s.status("broker").Fault == "credentials" })
	s.waitAcked(5)
	b.stop()
	if h := b.Health(); h.Fault != "" || h.Err != nil {
		t.Errorf("%+v, want no fault", h)
	}
	if st := s.status("broker"); st.Fault != "" || st.Error != "" {
		t.Errorf("the bucket holds %+v", st)
	}
	for reason, want := range map[string]string{"credentials": "2", "blocked": "1"} {
		if got := metric(t, reg, `edge_video_bridge_faults_total{reason="`+reason+`"}`); got != want {
			t.Errorf("%q faults of %s, want %s", got, reason, want)
		}
	}
	events := s.events("broker", schema.KindBreaker)
	if e := events[0]; e.State != "open" || e.Reason != "credentials" || !strings.Contains(e.Message, "user gate7 is refused") {
		t.Errorf("first event %+v, want it to open at the first refusal", e)
	}
}

func TestTime_HungSinkIsSeenAndRecoveryIsSwift(t *testing.T) {
	s := startStream(t)
	s.publish(1, 20)
	c := config()
	c.Timeout = 500 * time.Millisecond
	c.Breaker = bridge.BreakerConfig{Failures: 1, Open: time.Second, MaxOpen: time.Second}
	sink := newBroker()
	b := s.run(c, sink)
	s.waitAcked(20)
	last := uint64(20)
	for range 5 {
		sink.holding.Store(true)
		before := sink.count()
		s.publish(last+1, last+1)
		last++
		harness.WaitFor(t, 30*time.Second, "a frame in flight", func() bool { return sink.count() > before })
		began := time.Now()
		harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
		if seen := time.Since(began); seen > c.Timeout+time.Second {
			t.Errorf("seen after %v, want %v and a second", seen, c.Timeout)
		}
		if h := b.Health(); h.Fault != bridge.FaultTimeout {
			t.Errorf("seen as %q, want %q", h.Fault, bridge.FaultTimeout)
		}
		delivered := b.Health().Delivered
		sink.holding.Store(false)
		began = time.Now()
		harness.WaitFor(t, 30*time.Second, "the first frame", func() bool { return b.Health().Delivered > delivered })
		if back := time.Since(began); back > 2*time.Second {
			t.Errorf("back after %v, want 2 s", back)
		}
	}
	s.waitAcked(last)
	checkArrivals(t, sink.arrived(), 1, last)
}
