package bridge

import (
	"context"
	"fmt"
	"time"

	"github.com/edge-video/edge-video/schema"
)

const (
	// statusPeriod is how often the backlog is read and the state written to the bucket.
	statusPeriod = 5 * time.Second
	// summaryPeriod is how often the bridge gets a line in the log.
	summaryPeriod = 30 * time.Second
)

// Health is what readiness wants to know of a bridge.
type Health struct {
	Name      string // of the bridge
	Of        string // at a hub: the site whose mirrors it reads, "" for what the hub's own streams hold
	Stream    string // where what it delivers is
	State     schema.BreakerState
	Delivered uint64        // frames confirmed since the start
	Pending   uint64        // frames the sink has still to confirm
	Err       error         // why the bridge stands still, nil while the sink confirms
	Fault     Fault         // the class of Err, "" where the sink is not at fault
	Held      time.Duration // how long the bridge is still held by request, 0 if it is not
	Aside     bool          // another process has the bridge at work
}

// Health reports on the bridge.
func (w *Worker) Health() Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return Health{Name: w.config.Name, Of: w.config.Mirrored, Stream: w.config.stream(), State: w.breaker.state(), Delivered: w.delivered.Load(), Pending: w.pending.Load(), Err: w.err,
		Fault: w.fault, Held: w.hold.left(), Aside: w.aside.Load()}
}

// publish writes the state to the bucket, unless that is another process's to do.
func (w *Worker) publish() {
	if w.aside.Load() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock() // to the end, so that no older state replaces a newer one
	st := schema.BridgeStatus{State: w.breaker.state(), Since: w.since.UTC(), Pending: w.pending.Load(), Delivered: w.delivered.Load(), Node: w.config.Node}
	if w.err != nil {
		st.Error, st.Fault = w.err.Error(), string(w.fault)
	}
	w.journal.StateOf(schema.BucketBridges, w.config.of(), w.config.Name, st)
}

// report keeps the backlog, the state in the bucket and the log up to date.
func (w *Worker) report(ctx context.Context) error {
	tick := time.NewTicker(statusPeriod)
	defer tick.Stop()
	summary, delivered := time.Now(), uint64(0)
	for {
		w.readBacklog(ctx)
		w.publish()
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			w.refused.tell(refusalPause)
			if w.breaker.state() == schema.BreakerOpen && !w.config.shared() && !w.aside.Load() {
				w.lookBack(ctx, w.live)
				w.missed.tell(gapPeriod, missedAged)
			}
			if w.aside.Load() || now.Sub(summary) < summaryPeriod-statusPeriod/2 {
				continue
			}
			n := w.delivered.Load()
			w.log.Info("bridge", "breaker", w.breaker.state(), "delivered", n-delivered, "pending", w.pending.Load(),
				"fps", fmt.Sprintf("%.1f", float64(n-delivered)/now.Sub(summary).Seconds()))
			summary, delivered = now, n
		}
	}
}

func (w *Worker) readBacklog(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, statusPeriod/2)
	defer cancel()
	n, floor, err := w.waiting(ctx, w.config.Name)
	if err != nil {
		w.log.Debug("reading the backlog", "err", err)
		return
	}
	if w.config.shared() {
		w.lookAt(ctx, floor)
	}
	if left := w.left(); len(left) > 0 {
		most, _, err := w.waiting(ctx, backfillName(w.config.Name))
		if err == nil {
			n += min(most, left.after(w.back.doneUpTo()).count())
		}
	}
	w.pending.Store(n)
	w.metrics.pending.Set(float64(n))
}

// waiting is how many messages a durable has still to get acknowledged, and up to which stream sequence all are.
func (w *Worker) waiting(ctx context.Context, durable string) (n, floor uint64, err error) {
	c, err := w.js.Consumer(ctx, w.config.stream(), durable)
	if err != nil {
		return 0, 0, fmt.Errorf("asking for durable %s: %w", durable, err)
	}
	info := c.CachedInfo()
	return info.NumPending + uint64(info.NumAckPending), info.AckFloor.Stream, nil
}
