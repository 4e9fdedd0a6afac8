package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
)

// Sink publishes frames to RabbitMQ. It is a [bridge.Sink].
type Sink struct {
	bridge.Current
	cfg        Config
	unroutable *bridge.Unrouted

	// maxBody is the largest message the broker takes, as far as the last connection found out; 0 is not known.
	maxBody atomic.Int64
}

var _ bridge.Sink = (*Sink)(nil)

// New makes a sink that is not connected yet.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Sink, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	u, err := bridge.NewUnrouted(log, reg)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	return &Sink{cfg: cfg, unroutable: u}, nil
}

// Connect dials RabbitMQ, logs in, and declares the exchange. Its error is a [bridge.SinkFault].
func (s *Sink) Connect(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	l, err := dial(ctx, &s.cfg)
	if err != nil {
		why := known(err)
		return &bridge.SinkFault{Fault: why.Fault, Err: fmt.Errorf("connecting to rabbitmq: %w", why.Err)}
	}
	s.Set(start(s, l))
	return nil
}
