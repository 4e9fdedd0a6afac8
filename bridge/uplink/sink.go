package uplink

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/edge-video/edge-video/bridge"
)

// Config is what a [Sink] needs to know.
type Config struct {
	Rate     int64         // bytes a second that are let through; 0 is no bound
	MaxFrame int           // bytes of the largest picture
	Timeout  time.Duration // how long the stream may take to acknowledge a frame
}

// Sink stores frames in UPLINK. It is a [bridge.Sink].
type Sink struct {
	bridge.Current
	config  Config
	connect func(name string) (*nats.Conn, error)
	bucket  *rate.Limiter // nil without a bound
	skipped prometheus.Counter
}

var _ bridge.Sink = (*Sink)(nil)

// New makes a sink that is not connected yet. connect makes a connection of its own to the site's server.
func New(c Config, connect func(name string) (*nats.Conn, error), reg prometheus.Registerer) *Sink {
	s := &Sink{config: c, connect: connect, skipped: prometheus.NewCounter(prometheus.CounterOpts{Name: "edge_video_uplink_skipped_frames_total",
		Help: "Frames left out of UPLINK because they did not fit the rate of the uplink."})}
	if c.Rate > 0 {
		s.bucket = rate.NewLimiter(rate.Limit(c.Rate), int(max(c.Rate, int64(c.MaxFrame))))
	}
	reg.MustRegister(s.skipped)
	return s
}

// Connect connects to the site's server.
func (s *Sink) Connect(context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	nc, err := s.connect(jetStreamName)
	if err != nil {
		return fmt.Errorf("%w: %w", bridge.ErrNotConnected, err)
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(s.config.Timeout))
	if err != nil {
		nc.Close()
		return fmt.Errorf("%w: reaching JetStream: %w", bridge.ErrNotConnected, err)
	}
	l := &link{sink: s, nc: nc, js: js, window: bridge.NewWindow(windowFrames, windowBytes), gone: make(chan struct{}), ended: make(chan struct{})}
	go l.run()
	s.Set(l)
	return nil
}
