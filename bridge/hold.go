package bridge

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errHeld ends a session whose bridge is held.
var errHeld = errors.New("the bridge is held by request")

// hold is how long a bridge is to leave its sink alone.
type hold struct {
	mu      sync.Mutex
	until   time.Time
	changed chan struct{} // holds a token after a change
}

func (h *hold) set(until time.Time) {
	h.mu.Lock()
	h.until = until
	h.mu.Unlock()
	signal(h.changed)
}

// left is the time to the end, 0 where there is no hold.
func (h *hold) left() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, time.Until(h.until))
}

// Hold holds the breaker open for d from now, as if the sink were down, and leaves the sink itself alone. Frames that the sink has
// already are still confirmed. It ends by itself, or with [Worker.Release]; a second one replaces the first.
func (w *Worker) Hold(d time.Duration) {
	if w.hold.left() == 0 { // else it is what keeps a hold up
		w.log.Info("bridge is held", "for", d)
	}
	w.hold.set(time.Now().Add(d))
}

// Release ends a [Worker.Hold]. The sink is tried at once.
func (w *Worker) Release() { w.hold.set(time.Time{}) }

// waitHold waits while the bridge is held. It reports false when ctx ends first.
func (w *Worker) waitHold(ctx context.Context) bool {
	for held := false; ; held = true {
		left := w.hold.left()
		if left == 0 {
			if held {
				w.seat.hurry()
				w.stands(nil, "")
			}
			return ctx.Err() == nil
		}
		w.stands(errHeld, FaultHeld)
		w.seat.open()
		w.publish()
		end := time.NewTimer(left)
		select {
		case <-ctx.Done():
		case <-w.hold.changed:
		case <-end.C:
		}
		end.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}
