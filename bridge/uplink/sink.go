package uplink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

const (
	// inFlight bounds the frames that the stream has not acknowledged. Beyond it Send waits.
	inFlight = 64
	// limitTooLarge is JetStream's word for a message above the stream's limit.
	limitTooLarge jetstream.ErrorCode = 10054
)

// Config is what a [Sink] needs to know.
type Config struct {
	Site     string
	Rate     int64         // bytes a second that are let through; 0 is no bound
	MaxFrame int           // bytes of the largest picture
	Timeout  time.Duration // how long the stream may take to acknowledge a frame
}

// Sink is a [bridge.Sink] that stores frames in UPLINK.
type Sink struct {
	config  Config
	connect func(name string) (*nats.Conn, error)
	bucket  *rate.Limiter // nil without a bound
	skipped prometheus.Counter
	link    *link // nil while not connected
}

// New makes a sink. connect makes a connection of its own to the site's server.
func New(c Config, connect func(name string) (*nats.Conn, error), reg prometheus.Registerer) *Sink {
	s := &Sink{config: c, connect: connect, skipped: prometheus.NewCounter(prometheus.CounterOpts{Name: "edge_video_uplink_skipped_frames_total",
		Help: "Frames left out of UPLINK because they did not fit the rate of the uplink."})}
	if c.Rate > 0 {
		s.bucket = rate.NewLimiter(rate.Limit(c.Rate), int(max(c.Rate, int64(c.MaxFrame))))
	}
	reg.MustRegister(s.skipped)
	return s
}

// link is one connection of a sink.
type link struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	sent  chan sent // in the order of Send
	ended chan struct{}
}

// sent is a frame that the stream is to answer for, or one with an answer.
type sent struct {
	done  func(error)
	err   error
	stood jetstream.PubAckFuture // nil where there is an answer
}

// Connect implements [bridge.Sink].
func (s *Sink) Connect(context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	nc, err := s.connect("uplink")
	if err != nil {
		return fmt.Errorf("%w: %w", bridge.ErrNotConnected, err)
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(s.config.Timeout))
	if err != nil {
		nc.Close()
		return fmt.Errorf("%w: reaching JetStream: %w", bridge.ErrNotConnected, err)
	}
	s.link = &link{nc: nc, js: js, sent: make(chan sent, inFlight), ended: make(chan struct{})}
	go s.link.answer()
	return nil
}

// Send implements [bridge.Sink].
func (s *Sink) Send(_ context.Context, f *schema.Frame, done func(error)) {
	one := sent{done: done}
	if s.bucket != nil && !s.bucket.AllowN(time.Now(), len(f.Data)) {
		s.skipped.Inc()
	} else {
		m := &nats.Msg{Subject: schema.UplinkSubject(f.Site, f.Camera), Header: f.Header(), Data: f.Data}
		one.stood, one.err = s.link.js.PublishMsgAsync(m)
		if one.err != nil {
			one.stood, one.err = nil, fmt.Errorf("%w: storing in %s: %w", bridge.ErrNotConnected, schema.StreamUplink, one.err)
		}
	}
	s.link.sent <- one // what is in it is answered for within the timeout
}

// Close implements [bridge.Sink].
func (s *Sink) Close() error {
	if s.link == nil {
		return nil
	}
	s.link.nc.Close() // what is in flight fails
	close(s.link.sent)
	<-s.link.ended
	s.link = nil
	return nil
}

// answer answers for frames in order. After the first that failed all do.
func (l *link) answer() {
	defer close(l.ended)
	var lost error
	for one := range l.sent {
		err := lost
		if err == nil {
			err = one.outcome()
		}
		if err != nil && !errors.Is(err, bridge.ErrRejected) {
			lost = err
		}
		one.done(err)
	}
}

func (s *sent) outcome() error {
	if s.stood == nil {
		return s.err
	}
	select {
	case <-s.stood.Ok():
		return nil
	case err := <-s.stood.Err():
		api := new(jetstream.APIError)
		if errors.As(err, &api) && api.ErrorCode == limitTooLarge {
			return fmt.Errorf("%w: storing in %s: %w", bridge.ErrRejected, schema.StreamUplink, err)
		}
		return fmt.Errorf("%w: storing in %s: %w", bridge.ErrNotConnected, schema.StreamUplink, err)
	}
}
