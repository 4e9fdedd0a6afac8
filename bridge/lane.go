package bridge

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// lane is one durable consumer while it feeds a session.
//
// Frames of a lane are handed to the sink in stream order and confirmed in the same order, so that two numbers describe everything: the
// last stream sequence handed over and the last one confirmed.
type lane struct {
	session *session
	track   *track
	end     uint64        // the last stream sequence that is this lane's
	beyond  chan struct{} // holds a token when a message behind end has come

	// guarded by the session's handing
	over     bool
	delivery uint64 // number of the last delivery, which JetStream counts from the rewind
	sent     uint64 // stream sequence of the last message handed over or skipped
	seen     uint64 // stream sequence up to which it is known what became of every message
	cameras  map[string]cameraState

	acked atomic.Uint64 // stream sequence of the last frame confirmed
}

func newLane(s *session, t *track) *lane {
	return &lane{session: s, track: t, end: math.MaxUint64, beyond: make(chan struct{}, 1), cameras: map[string]cameraState{}}
}

// rewind sets the consumer back to the oldest frame that was never acknowledged: what an earlier session or process had taken and not
// finished comes first, in order, and not after a timeout behind newer frames. And what is only taken may age out of the stream without
// JetStream's counting it as not delivered.
func (l *lane) rewind(ctx context.Context) error { return l.moveTo(ctx, 0) }

// moveTo sets the consumer to a stream sequence, 0 being the oldest one not acknowledged.
func (l *lane) moveTo(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	set, err := l.session.worker.js.ResetConsumerToSequence(ctx, l.session.worker.config.Stream(), l.track.durable, seq)
	if err != nil {
		return fmt.Errorf("%w: resetting the consumer: %w", errSource, err)
	}
	l.delivery, l.sent = 0, set.ResetSeq-1
	l.seen = l.track.start(l.sent)
	return nil
}

// pull begins to take messages.
func (l *lane) pull(live context.Context) (jetstream.ConsumeContext, error) {
	w := l.session.worker
	// A pull that the next message does not fit in would never end, whoever wrote that message.
	most := max(pullBytes, w.config.MaxFrame+headerRoom, int(w.js.Conn().MaxPayload())+headerRoom)
	// Not Messages, whose buffer has room for the frames alone and drops what the server says of a pull's end.
	pull, err := l.track.consumer.Consume(func(m jetstream.Msg) { l.take(live, m) },
		jetstream.PullMaxMessagesWithBytesLimit(w.pace.pullFrames(), most), jetstream.PullExpiry(pullExpiry),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			l.session.end(fmt.Errorf("%w: pulling: %w", errSource, err))
		}))
	if err != nil {
		return nil, fmt.Errorf("%w: pulling: %w", errSource, err)
	}
	return pull, nil
}

// discard ends a pull and returns when nothing is handed over any more and no frame can be on its way to it. The next session rewinds
// the consumer, and would miss a frame that is delivered to this one after that.
func (l *lane) discard(pull jetstream.ConsumeContext) {
	if l.session.worker.js.Conn().IsConnected() {
		pull.Drain()
		select {
		case <-pull.Closed():
		case <-time.After(drainTimeout):
		}
	} else {
		pull.Stop() // the server has forgotten the pull with the connection
	}
	l.session.handing.Lock()
	l.over = true
	l.session.handing.Unlock()
}

// take hands over one message, unless the session is over.
func (l *lane) take(live context.Context, m jetstream.Msg) {
	s := l.session
	s.handing.Lock()
	defer s.handing.Unlock()
	if l.over || live.Err() != nil {
		return
	}
	if err := l.hand(live, m); err != nil {
		s.end(err)
	}
}

// hand gives one message to the sink, unless it is one that the sink has already or is not to have.
func (l *lane) hand(live context.Context, m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("%w: a message without metadata: %w", errSource, err)
	}
	if l.delivery++; meta.Sequence.Consumer != l.delivery {
		// What is missing was lost on its way, or another reader has it. It would come again behind newer frames.
		return fmt.Errorf("%w: delivery %d came where %d was next", errSource, meta.Sequence.Consumer, l.delivery)
	}
	seq := meta.Sequence.Stream
	if seq <= l.sent {
		// Delivered again while the first delivery is in flight, or because its acknowledgement was lost.
		if seq <= l.acked.Load() {
			return ack(m)
		}
		return nil
	}
	l.jump(min(seq-1, l.end))
	if seq > l.end {
		signal(l.beyond)
		return nil
	}
	l.sent, l.seen = seq, seq
	f, err := l.session.worker.config.decode(m)
	if err != nil {
		l.track.skip(seq, "", cameraState{})
		return l.session.refuse(m, err)
	}
	return l.deliver(live, m, meta, f)
}

// deliver gives a frame to the sink, or passes over it as the bridge's policies say.
func (l *lane) deliver(live context.Context, m jetstream.Msg, meta *jetstream.MsgMetadata, f *schema.Frame) error {
	s, w, seq := l.session, l.session.worker, meta.Sequence.Stream
	name := f.Site + "." + f.Camera
	cam, known := l.cameras[name]
	if !known {
		cam = l.track.camera(name)
	}
	if !w.all && w.config.numbered() {
		l.compare(live, cam.place, f, seq)
	}
	cam.place = place{epoch: f.Epoch, seq: f.Seq, stream: seq}
	reason := ""
	switch {
	case w.config.MaxAge > 0 && time.Since(f.Captured) > w.config.MaxAge:
		reason = missedStale
	case !cam.due.let(f, w.config.FPS):
		reason = missedThinned
	}
	l.cameras[name] = cam
	if reason != "" {
		if l.track.skip(seq, name, cam) {
			w.missed.add(reason, 1)
		}
		return ack(m)
	}
	w.missed.over()
	if !l.wait(live, meta) {
		return nil
	}
	weight, ok := l.room(live, f)
	if !ok {
		return nil
	}
	l.track.begin(seq)
	s.inFlight.Add(1)
	w.sink.Send(live, f, func(err error) {
		l.leave(weight)
		l.done(m, f, seq, name, cam, err)
	})
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

// wait holds a lane that catches up to the bridge's rate. It reports false when the session is over.
func (l *lane) wait(live context.Context, meta *jetstream.MsgMetadata) bool {
	d := l.session.worker.pace.delay(meta, l.track.backfill)
	if d <= 0 {
		return true
	}
	return l.aside(func() bool {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-live.Done():
			return false
		case <-t.C:
			return true
		}
	})
}

// room waits until a backfill has few enough frames in flight, so that live frames find the sink's window open. It reports what to give
// back, and false when the session is over.
func (l *lane) room(live context.Context, f *schema.Frame) (weight int64, ok bool) {
	if !l.track.backfill {
		return 0, true
	}
	weight = min(max(int64(len(f.Data)), backfillBytes/backfillFrames), backfillBytes)
	if l.session.backfilling.TryAcquire(weight) {
		return weight, true
	}
	return weight, l.aside(func() bool { return l.session.backfilling.Acquire(live, weight) == nil })
}

func (l *lane) leave(weight int64) {
	if weight > 0 {
		l.session.backfilling.Release(weight)
	}
}

// aside waits without keeping the other lane from handing over. It reports false when the session is over.
func (l *lane) aside(wait func() bool) bool {
	l.session.handing.Unlock()
	ok := wait()
	l.session.handing.Lock()
	return ok && !l.over
}

// done takes the sink's answer to one frame. Answers come in order.
func (l *lane) done(m jetstream.Msg, f *schema.Frame, seq uint64, name string, cam cameraState, err error) {
	s := l.session
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
	l.acked.Store(seq)
	l.track.done(seq, name, cam)
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
