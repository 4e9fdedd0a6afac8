package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// unroutedPeriod is the least time between two log lines about unrouted frames.
const unroutedPeriod = 30 * time.Second

// Unrouted counts frames that a broker took and gave to nobody: no queue is bound for them, nobody has subscribed.
type Unrouted struct {
	log     *slog.Logger
	counter prometheus.Counter

	unlogged uint64
	logged   time.Time
}

// NewUnrouted registers the counter with reg. A sink that is made again, after a change of its configuration, goes on counting.
func NewUnrouted(log *slog.Logger, reg prometheus.Registerer) (*Unrouted, error) {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "edge_video_bridge_unroutable_total",
		Help: "Frames the broker confirmed although no queue or subscriber is there for them.",
	})
	if err := reg.Register(c); err != nil {
		var already prometheus.AlreadyRegisteredError
		if !errors.As(err, &already) {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
		existing, ok := already.ExistingCollector.(prometheus.Counter)
		if !ok {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
		c = existing
	}
	return &Unrouted{log: log, counter: c}, nil
}

// Count notes one frame, and logs now and then how many there were, with args that say where the last one went. It is called from one
// goroutine at a time.
func (u *Unrouted) Count(args ...any) {
	u.counter.Inc()
	u.unlogged++
	if time.Since(u.logged) < unroutedPeriod {
		return
	}
	u.log.Warn("the broker has nobody to give these frames to", append([]any{"frames", u.unlogged}, args...)...)
	u.unlogged, u.logged = 0, time.Now()
}
