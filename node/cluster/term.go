package cluster

import (
	"sync/atomic"
	"time"
)

// Term is a time in which a node holds its claims without a break. It ends for good when no majority was heard from for [Lease].
type Term struct {
	base     time.Time    // of the monotonic clock
	deadline atomic.Int64 // since base
	ended    atomic.Bool
}

func newTerm(now, deadline time.Time) *Term {
	t := &Term{base: now}
	t.deadline.Store(int64(deadline.Sub(now)))
	return t
}

// Valid reports whether the node may read now. It is cheap enough for each picture.
func (t *Term) Valid() bool { return t.at(time.Now()) }

func (t *Term) at(now time.Time) bool {
	return !t.ended.Load() && int64(now.Sub(t.base)) < t.deadline.Load()
}

func (t *Term) extend(deadline time.Time) { t.deadline.Store(int64(deadline.Sub(t.base))) }

func (t *Term) end() { t.ended.Store(true) }
