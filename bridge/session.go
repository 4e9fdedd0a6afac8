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

	first     chan struct{} // closed when the first frame is confirmed
	sent      uint64        // stream sequence of the last frame handed over; the worker's goroutine alone
	acked     atomic.Uint64 // stream sequence of the last one confirmed
	inFlight  atomic.Int64
	confirmed atomic.Uint64 // frames
	progress  atomic.Int64  // Unix nanoseconds of the last confirmation, or of the first frame in flight
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
	if ctx.Err() != nil {
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
	most := max(pullBytes, s.worker.config.MaxFrame+headerRoom) // a pull that the next frame does not fit in would never end
	frames, err := s.consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(pullFrames, most), jetstream.PullExpiry(pullExpiry))
	if err != nil {
		return fmt.Errorf("%w: pulling: %w", errSource, err)
	}
	stop := context.AfterFunc(live, frames.Drain)
	defer stop()
	defer discard(frames)
	for {
		m, err := frames.Next()
		switch {
		case live.Err() != nil:
			return context.Cause(live)
		case err != nil:
			return fmt.Errorf("%w: pulling: %w", errSource, err)
		}
		if err := s.hand(live, m); err != nil {
			return err
		}
	}
}

// discard ends a pull and returns when no frame can be on its way to it any more. The next session rewinds the consumer, and would
// miss a frame that is delivered to this one after that.
func discard(frames jetstream.MessagesContext) {
	frames.Drain()
	for {
		if _, err := frames.Next(); err != nil && !errors.Is(err, jetstream.ErrNoHeartbeat) {
			return
		}
	}
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
	if s.inFlight.Add(1) == 1 {
		s.progress.Store(time.Now().UnixNano())
	}
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
	switch {
	case err == nil:
		err = ack(m)
	case errors.Is(err, ErrRejected):
		err = s.refuse(m, err)
	}
	if err != nil {
		s.end(err)
		return
	}
	now := time.Now()
	s.acked.Store(seq)
	s.progress.Store(now.UnixNano())
	w := s.worker
	w.delivered.Add(1)
	w.metrics.delivered.Inc()
	w.metrics.latency.Observe(now.Sub(f.Captured).Seconds())
	if s.confirmed.Add(1) == 1 {
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

// refuse keeps a message that no sink will take in DEAD, with the reason, and goes on without it.
func (s *session) refuse(m jetstream.Msg, reason error) error {
	w := s.worker
	site, camera, err := schema.ParseFrameSubject(m.Subject())
	if err != nil {
		site, camera = "unknown", "unknown"
	}
	dead := nats.NewMsg(schema.DeadSubject(w.config.Site, w.config.Name, site, camera))
	for name, values := range m.Headers() {
		if name != schema.HeaderMsgID { // several bridges may refuse the same frame
			dead.Header[name] = values
		}
	}
	dead.Header.Set(schema.HeaderReject, schema.HeaderText(reason.Error()))
	dead.Data = m.Data()
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	if _, err := w.js.PublishMsg(ctx, dead); err != nil {
		return fmt.Errorf("%w: keeping a refused frame: %w", errSource, err)
	}
	w.metrics.rejected.Inc()
	w.log.Warn("frame refused for good; it is kept in "+schema.StreamDead, "subject", m.Subject(), "err", reason)
	w.journal.Event(schema.Event{Class: schema.ClassBridge, Name: w.config.Name, Kind: schema.KindDead, Reason: "rejected", Message: reason.Error(), Count: 1})
	return ack(m)
}

// watch ends the session when frames are in flight and none has been confirmed for the bridge's timeout.
func (s *session) watch(live context.Context) {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	for {
		select {
		case <-live.Done():
			return
		case now := <-tick.C:
			if s.inFlight.Load() > 0 && now.UnixNano()-s.progress.Load() > s.worker.config.Timeout.Nanoseconds() {
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
