package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// pullFrames and pullBytes bound what one pull brings: without a bound in bytes a backlog of large frames overruns the connection. More
	// is no faster, and each frame that waits is held twice.
	pullFrames = 64
	pullBytes  = 8 << 20
	// headerRoom is what a frame's headers and subject may add to its picture.
	headerRoom = 64 << 10
	// pullExpiry is how long a pull waits at an empty stream.
	pullExpiry = 10 * time.Second
	// lastConfirms bounds the wait for the sink's confirmations when the worker stops.
	lastConfirms = 2 * time.Second
	// watchPeriod is how often the sink's progress is looked at.
	watchPeriod = 200 * time.Millisecond
	// idleProbe is how long a session without a frame may be a probe that others wait for.
	idleProbe = 500 * time.Millisecond
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
type session struct {
	worker      *Worker
	end         context.CancelCauseFunc // ends the session with the fault that ended it
	backfilling *semaphore.Weighted     // bytes of the backfill in flight

	handing sync.Mutex // held while a message is handed over

	first    chan struct{} // closed when the first frame is answered for
	inFlight atomic.Int64
	answered atomic.Uint64 // frames confirmed or refused
}

func newSession(w *Worker) *session {
	return &session{worker: w, backfilling: semaphore.NewWeighted(backfillBytes), first: make(chan struct{})}
}

// run connects the sink and feeds it until something fails or ctx ends. The error says what failed.
func (s *session) run(ctx context.Context) error {
	w := s.worker
	l := newLane(s, w.live)
	if !w.config.shared() {
		if err := l.rewind(ctx); err != nil {
			return err
		}
		w.lookBack(ctx, w.live)
	}
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
	if !w.config.shared() {
		err = s.handOver(live, l)
	}
	if err == nil {
		err = s.feed(live, l)
	}
	if ctx.Err() != nil || errors.Is(err, errHeld) {
		s.drain()
	}
	l.release(err)
	end(err)
	<-watched
	if err := w.sink.Close(); err != nil {
		w.log.Debug("closing the sink", "err", err)
	}
	w.missed.tell(gapPause, missedAged, missedStale)
	return context.Cause(live)
}

// feed pulls frames and hands them over until live ends or pulling fails.
func (s *session) feed(live context.Context, l *lane) error {
	pull, err := l.pull(live)
	if err != nil {
		return err
	}
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		if err := s.backfill(live); err != nil {
			s.end(err)
		}
	}()
	<-live.Done()
	l.discard(pull)
	<-filled
	return context.Cause(live)
}

// watch ends the session when frames are in flight and none has been confirmed for the bridge's timeout, when the bridge is held, and
// when the connection to JetStream was made anew: what was on its way over the old one would come again only after ackWait.
func (s *session) watch(live context.Context) {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	nc := s.worker.js.Conn()
	reconnects := nc.Stats().Reconnects
	answered, since := uint64(0), time.Now()
	began, idle := since, true
	for {
		select {
		case <-live.Done():
			return
		case now := <-tick.C:
			if idle = idle && s.inFlight.Load() == 0 && s.answered.Load() == 0; idle && now.Sub(began) > idleProbe {
				idle = false
				s.worker.seat.leave()
			}
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
