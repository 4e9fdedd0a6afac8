package uplink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

const (
	// windowFrames and windowBytes bound what is in flight.
	windowFrames, windowBytes = 64, 16 << 20
	// jetStreamName is what the connection is called in the server's lists.
	jetStreamName = "uplink"
	// tooLarge is JetStream's word for a message above the stream's limit.
	tooLarge jetstream.ErrorCode = 10054
)

// link is one connection of a sink.
type link struct {
	sink   *Sink
	nc     *nats.Conn
	js     jetstream.JetStream
	window *bridge.Window
	once   sync.Once
	gone   chan struct{} // closed when the connection is given up
	ended  chan struct{}
}

// Push implements [bridge.Connection].
func (l *link) Push(ctx context.Context, it bridge.Item) { l.window.Push(ctx, it) }

// GiveUp implements [bridge.Connection].
func (l *link) GiveUp() { l.once.Do(func() { close(l.gone) }) }

// End implements [bridge.Connection].
func (l *link) End() {
	l.GiveUp()
	l.window.Close()
	<-l.ended
	l.nc.Close()
}

// run publishes what waits, then answers for it in order. After the first frame that failed all do.
func (l *link) run() {
	defer close(l.ended)
	var items []bridge.Item
	var stood []jetstream.PubAckFuture
	var lost error
	for {
		if items = l.window.Take(items); len(items) == 0 {
			return
		}
		stood = stood[:0]
		for i := range items {
			var f jetstream.PubAckFuture
			if items[i].Err == nil && lost == nil {
				f, items[i].Err = l.publish(items[i].Frame)
			}
			stood = append(stood, f)
		}
		for i, it := range items {
			err := lost
			if err == nil {
				err = l.outcome(it, stood[i])
			}
			if err != nil && !errors.Is(err, bridge.ErrRejected) {
				lost = err
			}
			l.window.Answer(it, err)
		}
	}
}

// publish sends a frame on its way. There is no future for one that does not fit the rate.
func (l *link) publish(f *schema.Frame) (jetstream.PubAckFuture, error) {
	s := l.sink
	if s.bucket != nil && !s.bucket.AllowN(time.Now(), len(f.Data)) {
		s.skipped.Inc()
		return nil, nil
	}
	stood, err := l.js.PublishMsgAsync(&nats.Msg{Subject: schema.UplinkSubject(f.Site, f.Camera), Header: f.Header(), Data: f.Data})
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, fmt.Errorf("%w: storing in %s: %w", bridge.ErrRejected, schema.StreamUplink, err)
	case err != nil:
		return nil, fmt.Errorf("%w: storing in %s: %w", bridge.ErrNotConnected, schema.StreamUplink, err)
	}
	return stood, nil
}

// outcome waits for what became of one frame.
func (l *link) outcome(it bridge.Item, stood jetstream.PubAckFuture) error {
	if stood == nil {
		return it.Err
	}
	select {
	case <-stood.Ok():
		return nil
	case <-l.gone:
		return fmt.Errorf("%w: the connection was closed", bridge.ErrNotConnected)
	case err := <-stood.Err():
		api := new(jetstream.APIError)
		if errors.As(err, &api) && api.ErrorCode == tooLarge {
			return fmt.Errorf("%w: storing in %s: %w", bridge.ErrRejected, schema.StreamUplink, err)
		}
		return fmt.Errorf("%w: storing in %s: %w", bridge.ErrNotConnected, schema.StreamUplink, err)
	}
}
