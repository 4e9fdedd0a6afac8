package bridge

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// Reasons why a sink does not see a frame.
const (
	missedAged    = "aged_out" // the stream no longer held it
	missedStale   = "stale"    // it was older than max_age, or the picture that it refers to had expired
	missedThinned = "thinned"  // fps lets fewer through; there is no event of that
)

const (
	// gapPeriod is how often a gap is told of that goes on while nothing is delivered.
	gapPeriod = time.Minute
	// gapPause is the least time between two events of a gap, for a sink that is now and then too late.
	gapPause = time.Second
)

// missed counts the frames that a sink does not see, and tells of them in events: one for a row of frames.
type missed struct {
	worker *Worker
	open   atomic.Bool // there is something to tell

	mu     sync.Mutex
	counts map[string]uint64 // not told yet, by reason
	told   map[string]time.Time
	unsure bool // the count of aged_out is an upper bound
}

func newMissed(w *Worker) *missed {
	return &missed{worker: w, counts: map[string]uint64{}, told: map[string]time.Time{}}
}

// add counts n frames.
func (m *missed) add(reason string, n uint64) {
	if n == 0 {
		return
	}
	m.worker.metrics.missed.WithLabelValues(reason).Add(float64(n))
	if reason == missedThinned {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[reason] += n
	m.open.Store(true)
}

// over is called when a frame is delivered: the row has ended.
func (m *missed) over() {
	if m.open.Load() {
		m.tell(gapPause, missedAged, missedStale)
	}
}

// tell writes an event for each reason for which there is something to tell and the last event is older than pause.
func (m *missed) tell(pause time.Duration, reasons ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, reason := range reasons {
		n := m.counts[reason]
		if n == 0 || time.Since(m.told[reason]) < pause {
			continue
		}
		delete(m.counts, reason)
		m.told[reason] = time.Now()
		w := m.worker
		what := fmt.Sprintf("%d frames were older than max_age %s and were skipped", n, w.config.MaxAge)
		switch {
		case reason == missedStale && w.config.Source == SourceStored:
			what = fmt.Sprintf("%d references were skipped: their pictures had expired, or were older than max_age", n)
		case reason == missedAged:
			what = fmt.Sprintf("%d frames left the stream before the sink could have them", n)
			if m.unsure {
				what = "at most " + what + "; which of them were of this bridge's cameras is not known"
			}
			m.unsure = false
		}
		w.log.Warn("frames missed", "reason", reason, "count", n)
		w.event(schema.Event{Kind: schema.KindGap, Reason: reason, Count: n, Message: what})
	}
	m.open.Store(len(m.counts) > 0)
}

// jump notices that the stream gave nothing between the last message seen and up to last. Where all frames are the bridge's, all that lies
// between is gone.
func (l *lane) jump(last uint64) {
	w := l.session.worker
	if w.all && last > l.seen {
		w.missed.add(missedAged, l.track.vanish(l.seen, last))
	}
	l.seen = max(l.seen, last)
}

// compare notices which frames of one camera are gone between its last one and f. Frame-Seq jumps over frames that the node never
// stored too, so it counts only where the stream has lost something since.
func (l *lane) compare(ctx context.Context, last place, f *schema.Frame, seq uint64) {
	same := last.epoch == f.Epoch
	if last.stream == 0 || last.stream >= seq || same && f.Seq == last.seq+1 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	info, err := l.session.worker.stream.Info(ctx)
	if err != nil || info.State.FirstSeq <= last.stream+1 {
		return
	}
	n := f.Seq - 1 // of a new epoch; the end of the one before is not known
	if same {
		n -= last.seq
	}
	l.session.worker.missed.add(missedAged, n)
}

// lookBack counts what left the stream while no session was there to see it. For a bridge of some cameras it knows no more than a bound,
// and looks only at the first session; later, compare counts.
func (w *Worker) lookBack(ctx context.Context, t *track) {
	if first := t.firstLook(); !w.all && !first || !w.config.numbered() {
		return
	}
	if _, backfills := w.left().holding(t.doneUpTo() + 1); backfills {
		return // a hand-over was cut short
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	info, err := w.stream.Info(ctx)
	if err != nil || info.State.FirstSeq == 0 {
		return
	}
	if n := t.rest(info.State.FirstSeq - 1); n > 0 {
		w.missed.bound(!w.all)
		w.missed.add(missedAged, n)
	}
}

// bound says whether the next count of what aged out is an upper bound.
func (m *missed) bound(upper bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unsure = m.unsure || upper
}
