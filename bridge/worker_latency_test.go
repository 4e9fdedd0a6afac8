package bridge_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// ages is how old frames that are captured now are when the sink has them, in order. Those of a backlog are left out.
type ages struct {
	mu  sync.Mutex
	all []time.Duration
}

func (a *ages) confirm(f *schema.Frame) verdict {
	if age := time.Since(f.Captured); age < time.Hour {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.all = append(a.all, age)
	}
	return confirm
}

func (a *ages) take() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.all
	a.all = nil
	return taken
}

// median and ninety-fifth percentile.
func quantiles(all []time.Duration) (p50, p95 time.Duration) {
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*95/100]
}

// TestTime_LiveFramesAreAsQuickAsUsualWhileABacklogIsCaughtUpBesideThem has a camera of 20 frames a second go on while a hundred thousand
// frames wait, and while they are delivered.
func TestTime_LiveFramesAreAsQuickAsUsualWhileABacklogIsCaughtUpBesideThem(t *testing.T) {
	const backlog = 100_000
	s := startStream(t)
	var seen ages
	b := s.run(liveFirst(), &fakeSink{judge: seen.confirm})
	last := uint64(0)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	waiting := uint64(0)
	live := func(more func() bool) []time.Duration {
		for more() {
			<-tick.C
			last++
			s.store(captured("dock-2", last, time.Now()))
		}
		s.waitDelivered(b, waiting+last)
		return seen.take()
	}
	usual := live(func() bool { return last < 60 })
	b.Hold(time.Hour)
	harness.WaitFor(t, 30*time.Second, "an open breaker", func() bool { return b.Health().State == schema.BreakerOpen })
	s.backlog(1, backlog)
	b.Release()
	waiting = backlog
	began := time.Now()
	beside := live(func() bool { return b.Health().Delivered < backlog })
	took := time.Since(began)
	p50, p95 := quantiles(usual)
	got50, got95 := quantiles(beside)
	t.Logf("%d live frames with a median of %v and 95 %% within %v, %d beside a backlog of %d, done in %v, with %v and %v",
		len(usual), p50, p95, len(beside), backlog, took.Round(time.Second/10), got50, got95)
	if len(beside) < 20 || got95 > 100*time.Millisecond {
		t.Errorf("%d live frames, 95 %% of them within %v, want within 100 ms", len(beside), got95)
	}
}
