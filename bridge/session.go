package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// pullFrames and pullBytes bound what one pull brings: without a bound in bytes a backlog of large frames overruns the connection.
	pullFrames = 256
	pullBytes  = 16 << 20
	// headerRoom is what a frame's headers and subject may add to its picture.
	headerRoom = 64 << 10
	// pullExpiry is how long a pull waits at an empty stream.
	pullExpiry = 10 * time.Second
	// lastConfirms bounds the wait for the sink's confirmations when the worker stops.
	lastConfirms = 2 * time.Second
	// watchPeriod is how often the sink's progress is looked at.
	watchPeriod = 200 * time.Millisecond
	// drainTimeout bounds the end of a pull; it is used up only where the connection is lost just then.
	drainTimeout = 2 * time.Second
	// apiTimeout bounds one request to JetStream.
	apiTimeout = 5 * time.Second
)

var (
	// errSource marks faults of JetStream, which are not the sink's.
	errSource = errors.New("stream not readable")
	// errHung says that the sink has not confirmed anything for the bridge's timeout although frames are in flight.
	errHung = errors.New("sink does not answer")
)

// session is one connection of the sink, from connect to close. It begins at the oldest frame that was never acknowledged.
//
// Frames are handed to the sink in stream order and confirmed in the same order, so that two numbers describe everything: the last
// stream sequence handed over and the last one confirmed.
type session struct {
	worker   *Worker
	consumer jetstream.Consumer
	end      context.CancelCauseFunc // ends the session with the fault that ended it

	handing  sync.Mutex // held while a message is handed over
	over     bool
	delivery uint64 // number of the last delivery, which JetStream counts from the rewind
	sent     uint64 // stream sequence of the last frame handed over

	first    chan struct{} // closed when the first frame is answered for
	acked    atomic.Uint64 // stream sequence of the last one confirmed
	inFlight atomic.Int64
	answered atomic.Uint64 // frames confirmed or refused
}

func newSession(w *Worker, consumer jetstream.Consumer) *session {
	return &session{worker: w, consumer: consumer, first: make(chan struct{})}
}

// run connects the sink and feeds it until something fails or ctx ends. The error says what failed.
func (s *session) run(ctx context.Context) error {
	w := s.worker
	connecting, cancel := context.WithTimeout(ctx, w.config.Timeout)
	err := w.sink.Connect(connecting)
	cancel()
	if err != nil {
		return err
	}
	live, end := context.WithCancelCause(ctx)
	s.end = end
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(live)
	}()
	err = s.feed(live)
	if ctx.Err() != nil || errors.Is(err, errHeld) {
		s.drain()
	}
	end(err)
	<-watched
	if err := w.sink.Close(); err != nil {
		w.log.Debug("closing the sink", "err", err)
	}
	return context.Cause(live)
}

// feed pulls frames and hands them over until live ends or pulling fails.
func (s *session) feed(live context.Context) error {
	if err := s.rewind(live); err != nil {
		return err
	}
	// A pull that the next message does not fit in would never end, whoever wrote that message.
	most := max(pullBytes, s.worker.config.MaxFrame+headerRoom, int(s.worker.js.Conn().MaxPayload())+headerRoom)
	// Not Messages, whose buffer has room for the frames alone and drops what the server says of a pull's end.
	pull, err := s.consumer.Consume(func(m jetstream.Msg) { s.take(live, m) },
		jetstream.PullMaxMessagesWithBytesLimit(pullFrames, most), jetstream.PullExpiry(pullExpiry),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { s.end(fmt.Errorf("%w: pulling: %w", errSource, err)) }))
	if err != nil {
		return fmt.Errorf("%w: pulling: %w", errSource, err)
	}
	<-live.Done()
	s.discard(pull)
	return context.Cause(live)
}

// take hands over one message, unless the session is over.
func (s *session) take(live context.Context, m jetstream.Msg) {
	s.handing.Lock()
	defer s.handing.Unlock()
	if s.over || live.Err() != nil {
		return
	}
	if err := s.hand(live, m); err != nil {
		s.end(err)
	}
}

// discard ends a pull and returns when nothing is handed over any more and no frame can be on its way to it. The next session rewinds
// the consumer, and would miss a frame that is delivered to this one after that.
func (s *session) discard(pull jetstream.ConsumeContext) {
	if s.worker.js.Conn().IsConnected() {
		pull.Drain()
		select {
		case <-pull.Closed():
		case <-time.After(drainTimeout):
		}
	} else {
		pull.Stop() // the server has forgotten the pull with the connection
	}
	s.handing.Lock()
	s.over = true
	s.handing.Unlock()
}

// rewind sets the consumer back to the oldest frame that was never acknowledged: what an earlier session or process had taken and not
// finished comes first, in order, and not after a timeout behind newer frames.
func (s *session) rewind(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if _, err := s.worker.js.ResetConsumer(ctx, schema.StreamFrames, s.worker.config.Name); err != nil {
		return fmt.Errorf("%w: resetting the consumer: %w", errSource, err)
	}
	return nil
}

// hand gives one message to the sink, unless it is one that the sink has already.
func (s *session) hand(live context.Context, m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("%w: a message without metadata: %w", errSource, err)
	}
	if s.delivery++; meta.Sequence.Consumer != s.delivery {
		// What is missing was lost on its way, or another reader has it. It would come again behind newer frames.
		return fmt.Errorf("%w: delivery %d came where %d was next", errSource, meta.Sequence.Consumer, s.delivery)
	}
	seq := meta.Sequence.Stream
	if seq <= s.sent {
		// Delivered again while the first delivery is in flight, or because its acknowledgement was lost.
		if seq <= s.acked.Load() {
			return ack(m)
		}
		return nil
	}
	s.sent = seq
	f, err := schema.Decode(m.Subject(), m.Headers(), m.Data())
	if err != nil {
		return s.refuse(m, err)
	}
	s.inFlight.Add(1)
	s.worker.sink.Send(live, f, func(err error) { s.done(m, f, seq, err) })
	select {
	case <-s.first:
	default:
		// Nothing more until the sink has proved with one frame that it works.
		select {
		case <-s.first:
		case <-live.Done():
		}
	}
	return nil
}

// done takes the sink's answer to one frame. Answers come in order.
func (s *session) done(m jetstream.Msg, f *schema.Frame, seq uint64, err error) {
	defer s.inFlight.Add(-1)
	w := s.worker
	rejected := errors.Is(err, ErrRejected)
	switch {
	case err == nil:
		err = ack(m)
	case rejected:
		err = s.refuse(m, err)
	}
	if err != nil {
		s.end(err)
		return
	}
	s.acked.Store(seq)
	if !rejected {
		w.delivered.Add(1)
		w.metrics.delivered.Inc()
		w.metrics.latency.Observe(time.Since(f.Captured).Seconds())
	}
	if s.answered.Add(1) == 1 {
		w.proved()
		close(s.first)
	}
}

func ack(m jetstream.Msg) error {
	if err := m.Ack(); err != nil {
		return fmt.Errorf("%w: acknowledging: %w", errSource, err)
	}
	return nil
}

// watch ends the session when frames are in flight and none has been confirmed for the bridge's timeout, when the bridge is held, and
// when the connection to JetStream was made anew: what was on its way over the old one would come again only after ackWait.
func (s *session) watch(live context.Context) {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	nc := s.worker.js.Conn()
	reconnects := nc.Stats().Reconnects
	answered, since := uint64(0), time.Now()
	for {
		select {
		case <-live.Done():
			return
		case now := <-tick.C:
			if nc.Stats().Reconnects != reconnects {
				s.end(fmt.Errorf("%w: the connection was lost", errSource))
			}
			if s.worker.hold.left() > 0 {
				s.end(errHeld)
			}
			if n := s.answered.Load(); n != answered || s.inFlight.Load() == 0 {
				answered, since = n, now
			} else if now.Sub(since) > s.worker.config.Timeout {
				s.end(fmt.Errorf("%w: nothing confirmed for %s", errHung, s.worker.config.Timeout))
			}
		}
	}
}

// drain waits a moment for the frames in flight, so that a clean stop leaves nothing to be delivered twice.
func (s *session) drain() {
	deadline := time.NewTimer(lastConfirms)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for s.inFlight.Load() > 0 {
		select {
		case <-deadline.C:
			return
		case <-poll.C:
		}
	}
}
