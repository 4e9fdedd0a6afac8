package bridge

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// Breaker is a bridge's circuit breaker. Workers that bring the frames of several sites to one broker share it: what one of them finds
// counts for all, and while it is open one of them probes.
type Breaker struct {
	mu     sync.Mutex // held while it acts
	own    *breaker
	seats  []*seat
	acting *seat         // whose act it is
	prober *seat         // whose session is the probe, nil where there is none
	until  time.Time     // no probe before
	moved  chan struct{} // closed when another may have the next probe
}

// NewBreaker makes a breaker that workers may share.
func NewBreaker(config BreakerConfig) *Breaker {
	b := &Breaker{moved: make(chan struct{})}
	b.own = newBreaker(config, b.changed)
	return b
}

func (b *Breaker) state() schema.BreakerState { return b.own.state() }

// changed tells every worker, and which of them it was. The lock is held.
func (b *Breaker) changed(s schema.BreakerState) {
	for _, seat := range b.seats {
		seat.changed(s, seat == b.acting)
	}
}

// act has one worker do something with the breaker. The lock is held.
func (b *Breaker) act(s *seat, what func()) {
	b.acting = s
	what()
	b.acting = nil
}

// free lets another have the next probe. The lock is held.
func (b *Breaker) free(s *seat) {
	if b.prober == s {
		b.prober = nil
	}
	close(b.moved)
	b.moved = make(chan struct{})
}

// seat is a worker at its breaker. Its methods are for the worker's goroutine, but success for the sink's.
type seat struct {
	*Breaker
	changed func(s schema.BreakerState, own bool)
}

// sit has changed follow the breaker until rise.
func (b *Breaker) sit(changed func(s schema.BreakerState, own bool)) *seat {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &seat{b, changed}
	b.seats = append(b.seats, s)
	return s
}

func (s *seat) rise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seats = slices.DeleteFunc(s.seats, func(other *seat) bool { return other == s })
	s.free(s)
}

// enter waits until a session may begin. It reports false when ctx ends or wake is signalled first.
func (s *seat) enter(ctx context.Context, wake <-chan struct{}) bool {
	for {
		s.mu.Lock()
		pause := time.Until(s.until)
		closed, mine := s.state() == schema.BreakerClosed, s.prober == nil || s.prober == s
		if closed || mine && pause <= 0 {
			if !closed {
				s.prober = s
			}
			s.act(s, s.own.allow)
			s.mu.Unlock()
			return true
		}
		moved := s.moved
		s.mu.Unlock()
		var over <-chan time.Time
		if mine {
			over = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return false
		case <-wake:
			return false
		case <-moved:
		case <-over:
		}
	}
}

// failure records a session that ended in a fault, and returns the pause before the next one; see [breaker.failure]. It does not count where
// the session is no probe, and the breaker open or another's session the probe.
func (s *seat) failure(f Fault, delivered bool) (pause time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prober != s && (s.prober != nil || s.state() == schema.BreakerOpen) {
		return max(0, time.Until(s.until))
	}
	s.act(s, func() { pause = s.own.failure(f, delivered) })
	if s.state() == schema.BreakerOpen {
		s.until = time.Now().Add(pause)
	}
	s.free(s)
	return pause
}

// success records the first confirmed frame of a session.
func (s *seat) success() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.act(s, s.own.success)
	s.free(s)
}

// open opens it by request.
func (s *seat) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.act(s, s.own.open)
	s.free(s)
}

// leave gives up a probe that says nothing of the sink, or that has nothing to deliver.
func (s *seat) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(s)
}

// hurry ends the pause.
func (s *seat) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = time.Time{}
	s.free(s)
}
