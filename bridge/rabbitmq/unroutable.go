package rabbitmq

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"
)

// logPeriod is the least time between two log lines about unroutable frames.
const logPeriod = 30 * time.Second

// unroutable counts frames for which the exchange had no queue. The broker confirms them all the same.
type unroutable struct {
	log     *slog.Logger
	counter prometheus.Counter

	unlogged uint64
	logged   time.Time
}

func newUnroutable(log *slog.Logger, reg prometheus.Registerer) (*unroutable, error) {
	c := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "edge_video_bridge_unroutable_total",
		Help: "Frames the broker confirmed although no queue is bound for them.",
	})
	if err := reg.Register(c); err != nil {
		// a sink made again, after a change of its configuration, goes on counting
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
	return &unroutable{log: log, counter: c}, nil
}

// count notes one returned frame. It is called from one goroutine at a time.
func (u *unroutable) count(r *amqp.Return) {
	u.counter.Inc()
	u.unlogged++
	if time.Since(u.logged) < logPeriod {
		return
	}
	u.log.Warn("no queue is bound for these frames", "frames", u.unlogged, "exchange", r.Exchange, "routing_key", r.RoutingKey)
	u.unlogged, u.logged = 0, time.Now()
}
