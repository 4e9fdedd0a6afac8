package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Sink publishes frames to RabbitMQ. It is a [bridge.Sink].
type Sink struct {
	cfg        Config
	unroutable *unroutable

	// maxBody is the largest message the broker takes, as far as the last connection found out; 0 is not known.
	maxBody atomic.Int64

	mu      sync.RWMutex // held for reading by Send, so that Close can wait for it
	session *session     // nil while not connected
}

var _ bridge.Sink = (*Sink)(nil)

// New makes a sink that is not connected yet.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Sink, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	u, err := newUnroutable(log, reg)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	return &Sink{cfg: cfg, unroutable: u}, nil
}

// Connect dials RabbitMQ, logs in, and declares the exchange.
func (s *Sink) Connect(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	l, err := dial(ctx, &s.cfg)
	if err != nil {
		return fmt.Errorf("connecting to rabbitmq: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = start(s, l)
	return nil
}

// Send hands over one frame; see [bridge.Sink].
func (s *Sink) Send(ctx context.Context, f *schema.Frame, done func(error)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		done(bridge.ErrNotConnected)
		return
	}
	s.session.window.Push(ctx, bridge.Item{Frame: f, Done: done})
}

// Close gives up the connection; see [bridge.Sink].
func (s *Sink) Close() error {
	s.mu.RLock()
	if s.session != nil {
		s.session.leave() // makes room for a Send that waits
	}
	s.mu.RUnlock()

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		s.session.end()
		s.session = nil
	}
	return nil
}
