package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// maxReferences bounds those that the stream has not acknowledged yet. Beyond it the sink's answers wait.
const maxReferences = 256

// referrer is a sink with keys that tells in STORED where it keeps each frame. To whoever sends, a frame is confirmed when that is stored
// too: so that what reads STORED has an outage of its own, and never hears of a picture that is not there.
type referrer struct {
	Sink
	config *Config
	js     jetstream.JetStream
	now    *referring // nil while it is not connected
}

// referring is one connection of a referrer.
type referring struct {
	told   chan reference // in the order of the sink's answers
	gone   chan struct{}  // closed when the connection is given up
	ended  chan struct{}
	failed atomic.Bool
}

// reference is what the sink has answered for and STORED has not yet.
type reference struct {
	done  func(error)
	err   error
	stood jetstream.PubAckFuture // nil where err is set
}

func newReferrer(c *Config, sink Sink, js jetstream.JetStream) *referrer {
	return &referrer{Sink: sink, config: c, js: js}
}

// tellTimeout bounds the wait for an acknowledgement of STORED. It is over before the sink counts as one that does not answer.
func (c *Config) tellTimeout() time.Duration { return min(apiTimeout, c.Timeout/2) }

// Connect connects the sink.
func (r *referrer) Connect(ctx context.Context) error {
	if err := r.Close(); err != nil {
		return err
	}
	if err := r.Sink.Connect(ctx); err != nil {
		return err
	}
	r.now = &referring{told: make(chan reference, maxReferences), gone: make(chan struct{}), ended: make(chan struct{})}
	go r.now.answer()
	return nil
}

// Send hands a frame to the sink; see [Sink].
func (r *referrer) Send(ctx context.Context, f *schema.Frame, done func(error)) {
	now := r.now
	r.Sink.Send(ctx, f, func(err error) {
		ref := reference{done: done, err: err}
		if err == nil && !now.failed.Load() {
			ref.stood, ref.err = r.tell(f)
		}
		now.told <- ref
	})
}

// Close gives up the sink's connection, and what STORED has not acknowledged.
func (r *referrer) Close() error {
	if r.now == nil {
		return r.Sink.Close()
	}
	close(r.now.gone)
	err := r.Sink.Close()
	close(r.now.told)
	<-r.now.ended
	r.now = nil
	return err
}

// tell publishes where a frame is kept.
func (r *referrer) tell(f *schema.Frame) (jetstream.PubAckFuture, error) {
	if f.Kept == nil {
		return nil, fmt.Errorf("%w: the sink does not say where it keeps frames", ErrNotConnected)
	}
	body, err := schema.EncodeStored(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSource, err)
	}
	m := nats.NewMsg(schema.StoredSubject(r.config.Site, r.config.Name, f.Site, f.Camera))
	m.Data = body
	if !f.Replayed { // what is asked for again is told again
		m.Header.Set(schema.HeaderMsgID, r.config.Name+"."+f.ID()) // other bridges tell of the same frame
	}
	stood, err := r.js.PublishMsgAsync(m)
	if err != nil {
		return nil, fmt.Errorf("%w: telling where a frame is kept: %w", errSource, err)
	}
	return stood, nil
}

// answer answers for frames in order. After the first that failed all do.
func (r *referring) answer() {
	defer close(r.ended)
	var lost error
	for ref := range r.told {
		err := lost
		if err == nil {
			err = r.outcome(&ref)
		}
		if err != nil && !errors.Is(err, ErrRejected) {
			lost = err
			r.failed.Store(true)
		}
		ref.done(err)
	}
}

// outcome waits for what became of one reference.
func (r *referring) outcome(ref *reference) error {
	if ref.stood == nil {
		return ref.err
	}
	select {
	case <-ref.stood.Ok():
		return nil
	case err := <-ref.stood.Err():
		return fmt.Errorf("%w: telling where a frame is kept: %w", errSource, err)
	case <-r.gone:
		return fmt.Errorf("%w: the connection was closed", ErrNotConnected)
	}
}
