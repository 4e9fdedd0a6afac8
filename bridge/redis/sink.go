package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Sink stores frames in Redis. It is a [bridge.Sink].
type Sink struct {
	bridge.Current
	cfg       Config
	options   *redis.Options
	addresses []string     // of Sentinels, or of nodes of a cluster; the server's own alone is in options
	limit     atomic.Int64 // see limit

	adaptive *adaptive // nil with a fixed time to live
}

var (
	_ bridge.Sink     = (*Sink)(nil)
	_ bridge.Reporter = (*Sink)(nil)
)

// New makes a sink that is not connected yet. It has something to log, and a metric, only with an adaptive time to live.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Sink, error) {
	o, addresses, err := cfg.options()
	if err != nil {
		return nil, err
	}
	s := &Sink{cfg: cfg, options: o, addresses: addresses}
	if cfg.Adaptive.Max > 0 {
		s.adaptive = newAdaptive(&cfg, log, reg)
	}
	return s, nil
}

// Report makes to the receiver of events about changes that the sink makes by itself. It is called before Connect.
func (s *Sink) Report(to func(schema.Event)) {
	if s.adaptive != nil {
		s.adaptive.report = to
	}
}

// Connect dials Redis, authenticates, and asks for a sign of life, over each of the connections that share the cameras. The client of a
// cluster has its own, and what an adaptive time to live goes by belongs to one.
func (s *Sink) Connect(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	n := lanesMost
	if s.cfg.Cluster || s.adaptive != nil {
		n = 1
	}
	var sessions []*session
	for most := limit(s.limit.Swap(0)); len(sessions) < n; {
		one, err := s.begin(ctx, most)
		if err != nil {
			for _, begun := range sessions {
				begun.End()
			}
			return err
		}
		sessions = append(sessions, one)
	}
	if n == 1 {
		s.Set(sessions[0])
	} else {
		s.Set(share(sessions))
	}
	return nil
}

// begin makes one session with the server, which takes frames of most bytes as far as is known.
func (s *Sink) begin(ctx context.Context, most limit) (*session, error) {
	to, err := s.reach(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to redis: %w", classify(err))
	}
	one, err := start(ctx, to, s, most)
	if err != nil {
		return nil, fmt.Errorf("connecting to redis at %s: %w", to.address(), err)
	}
	return one, nil
}
