package node

import (
	"context"
	"sync/atomic"
	"time"
)

// turnstile lets starts of FFmpeg through one by one, never two closer together than the period. A limiter that hands out times in
// advance would let those through at once that woke late.
type turnstile struct {
	last   chan time.Time // holds one: when the last one went through
	period atomic.Int64   // nanoseconds
}

func newTurnstile(perSecond float64) *turnstile {
	t := &turnstile{last: make(chan time.Time, 1)}
	t.last <- time.Time{}
	t.set(perSecond)
	return t
}

// set changes the pace.
func (t *turnstile) set(perSecond float64) { t.period.Store(int64(float64(time.Second) / perSecond)) }

// pass returns when it is the caller's turn, or with the context's error.
func (t *turnstile) pass(ctx context.Context) error {
	var last time.Time
	select {
	case <-ctx.Done():
		return ctx.Err()
	case last = <-t.last:
	}
	defer func() { t.last <- last }()
	due := time.NewTimer(time.Until(last.Add(time.Duration(t.period.Load()))))
	defer due.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-due.C:
		last = time.Now()
		return nil
	}
}
