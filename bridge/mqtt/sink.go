package mqtt

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
)

// Sink publishes frames to an MQTT broker. It is a [bridge.Sink].
type Sink struct {
	bridge.Current
	cfg      Config
	url      *url.URL
	unrouted *bridge.Unrouted

	// maxPacket is the largest packet the broker takes, as far as the last connection found out; 0 is not known.
	maxPacket atomic.Int64
}

var _ bridge.Sink = (*Sink)(nil)

// New makes a sink that is not connected yet.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Sink, error) {
	u, err := cfg.check()
	if err != nil {
		return nil, err
	}
	unrouted, err := bridge.NewUnrouted(log, reg)
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	return &Sink{cfg: cfg, url: u, unrouted: unrouted}, nil
}

// Connect dials the broker and logs in.
func (s *Sink) Connect(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	l, err := dial(ctx, s.url, &s.cfg)
	if err != nil {
		return fmt.Errorf("connecting to mqtt at %s: %w", address(s.url), err)
	}
	s.Set(start(s, l))
	return nil
}
