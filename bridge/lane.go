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

	pin  atomic.Pointer[string] // of a pinned durable, once this client is the one
	held held                   // of a shared durable
	keep func()                 // ends what keeps pin or held, and returns when it has ended
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
	set, err := l.session.worker.js.ResetConsumerToSequence(ctx, l.session.worker.config.stream(), l.track.durable, seq)
	if err != nil {
		return fmt.Errorf("%w: resetting the consumer: %w", errSource, err)
	}
	l.delivery, l.sent = 0, set.ResetSeq-1
	l.seen = l.track.start(l.sent)
	return nil
}

// take hands over one message, unless the session is over.
func (l *lane) take(live context.Context, m jetstream.Msg) {
	s := l.session
	shared, hand := false, l.hand
	switch s.worker.config.workers() {
	case WorkersShared:
		shared, hand = true, l.share
		l.held.add(m)
	case WorkersStandby:
		l.notePin(m)
	}
	s.handing.Lock()
	defer s.handing.Unlock()
	over := l.over || live.Err() != nil
	if !over {
		if err := hand(live, m); err != nil {
			s.end(err)
			over = true
		}
	}
	if over && shared {
		l.handBack(m)
	}
}

// hand gives one message to the sink, unless it is one that the sink has already or is not to have.
func (l *lane) hand(live context.Context, m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return fmt.Errorf("%w: a message without metadata: %w", errSource, err)
	}
	anew := meta.Sequence.Consumer == 1 && l.pin.Load() != nil
	if l.delivery++; anew {
		l.delivery = 1 // a process that took its turn at the same moment has set the consumer back
	}
	if meta.Sequence.Consumer != l.delivery {
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
	if anew && seq > l.seen+1 {
		if err := l.heed(live); err != nil {
			return err
		}
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
	w, seq := l.session.worker, meta.Sequence.Stream
	name := f.CameraName()
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
	case w.config.stale(f, meta.Timestamp):
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
	l.send(live, f, func(err error) {
		l.leave(weight)
		l.done(m, f, seq, name, cam, err)
	})
	return nil
}

// clocksApart is how far the clock that has stamped a reference may be from this one: to tell of a picture that has just gone does no harm,
// to pass over one that is there does.
const clocksApart = 5 * time.Second

// stale reports whether a frame, in its stream since stored, is older than the bridge takes, or refers to a picture that is no longer there.
func (c *Config) stale(f *schema.Frame, stored time.Time) bool {
	if f.Kept != nil && f.Kept.TTL > 0 && time.Since(stored) > f.Kept.TTL+max(clocksApart, f.Kept.TTL/10) {
		return true
	}
	return c.MaxAge > 0 && !f.Replayed && time.Since(f.Captured) > c.MaxAge
}

// send gives a frame to the sink. done is called with its answer.
func (l *lane) send(live context.Context, f *schema.Frame, done func(error)) {
	s := l.session
	s.inFlight.Add(1)
	s.worker.sink.Send(live, f, done)
	select {
	case <-s.first:
	default:
		// Nothing more until the sink has proved with one frame that it works.
		select {
		case <-s.first:
		case <-live.Done():
		}
	}
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
	rejected, err := s.settle(m, err)
	if err != nil {
		s.end(err)
		return
	}
	l.acked.Store(seq)
	l.track.done(seq, name, cam)
	s.answer(f, rejected)
}

// settle acknowledges a frame that the sink has confirmed, or keeps one that it refused.
func (s *session) settle(m jetstream.Msg, err error) (rejected bool, _ error) {
	switch rejected = errors.Is(err, ErrRejected); {
	case err == nil:
		err = ack(m)
	case rejected:
		err = s.refuse(m, err)
	}
	return rejected, err
}

// answer counts a frame that the sink has confirmed or refused.
func (s *session) answer(f *schema.Frame, rejected bool) {
	w := s.worker
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
