package bridge

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// Workers that share a durable cannot set it back, since others have frames in flight. What one of them gives up it hands back at once,
// and what it had when it died comes to the others after sharedAckWait.
const (
	// sharedAckWait is the least time that a frame may be with a worker without a sign of life.
	sharedAckWait = 5 * time.Second
	// sharedPull is how many frames one pull brings. Those in the client that wait for their turn get no sign of life, so that they must not
	// be more than a slow sink takes within sharedAckWait.
	sharedPull = 8
	// sharedAckPending bounds the frames with all workers.
	sharedAckPending = 8 * maxAckPending
)

// ackWait is when JetStream delivers an unacknowledged frame again.
func (c *Config) ackWait() time.Duration {
	if c.shared() {
		return min(max(sharedAckWait, 3*c.Timeout), ackWait)
	}
	return ackWait
}

// held are the messages that a worker has taken and not answered for.
type held struct {
	mu   sync.Mutex
	msgs map[jetstream.Msg]struct{}
}

func (h *held) add(m jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.msgs == nil {
		h.msgs = map[jetstream.Msg]struct{}{}
	}
	h.msgs[m] = struct{}{}
}

func (h *held) remove(m jetstream.Msg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.msgs, m)
}

func (h *held) all() []jetstream.Msg {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.msgs))
}

// keepHeld tells JetStream of the frames at hand until live ends, so that a slow sink does not send them to another worker.
func (l *lane) keepHeld(live context.Context) {
	tick := time.NewTicker(l.session.worker.config.ackWait() / 3)
	defer tick.Stop()
	for {
		select {
		case <-live.Done():
			return
		case <-tick.C:
		}
		for _, m := range l.held.all() {
			if err := m.InProgress(); err != nil { // it has been answered just now, or the connection is lost
				l.session.worker.log.Debug("keeping a frame", "err", err)
			}
		}
	}
}

// share gives one message to the sink, whatever became of those in front of it.
func (l *lane) share(live context.Context, m jetstream.Msg) error {
	w := l.session.worker
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	f, err := w.config.decode(m)
	if err != nil {
		l.held.remove(m)
		return l.session.refuse(m, err)
	}
	if w.config.stale(f, meta.Timestamp) {
		w.missed.add(missedStale, 1)
		l.held.remove(m)
		return ack(m)
	}
	w.missed.over()
	if !l.wait(live, meta) {
		l.handBack(m)
		return nil
	}
	l.send(live, f, func(err error) { l.shareDone(m, f, err) })
	return nil
}

// shareDone takes the sink's answer to one frame.
func (l *lane) shareDone(m jetstream.Msg, f *schema.Frame, err error) {
	s := l.session
	defer s.inFlight.Add(-1)
	l.held.remove(m)
	rejected, err := s.settle(m, err)
	if err != nil {
		l.handBack(m)
		s.end(err)
		return
	}
	s.answer(f, rejected)
}

// handBack gives a message that is shared to another worker.
func (l *lane) handBack(m jetstream.Msg) {
	l.held.remove(m)
	if err := m.Nak(); err != nil {
		l.session.worker.log.Debug("handing back a frame", "err", err)
	}
}

// lookAt counts what left the stream while no worker had answered for it, from look to look. It is a bound, since frames may have been
// answered for in between; each of the workers counts the same.
func (w *Worker) lookAt(ctx context.Context, floor uint64) {
	info, err := w.stream.Info(ctx)
	if err != nil || info.State.FirstSeq == 0 {
		return
	}
	if n := w.live.rest(info.State.FirstSeq - 1); n > 0 {
		w.missed.bound(true)
		w.missed.add(missedAged, n)
	}
	w.live.answered(floor)
	w.missed.tell(gapPeriod, missedAged)
}
