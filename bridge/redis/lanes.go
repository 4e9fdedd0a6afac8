package redis

import (
	"context"
	"errors"
	"sync"

	"github.com/edge-video/edge-video/bridge"
)

// lanesMost is how many connections share a bridge's cameras: while the server works on what has come over one, another is filled. More than
// two gain nothing.
const lanesMost = 2

// lanes are sessions that share the cameras, each with its own, whose frames so arrive in their order. All frames are answered in the
// order in which they were pushed. The first session that is lost ends them all.
type lanes struct {
	sessions []*session
	of       map[string]*session // by camera; the pusher's alone

	mu    sync.Mutex
	open  []*answer // those that are not told yet
	cause error     // why a session was lost first
	lost  bool      // a frame has been answered with that, and so is all that follows
}

// answer is what has come of a frame.
type answer struct {
	done  func(error)
	known bool
	err   error
}

// Push implements [bridge.Connection].
func (l *lanes) Push(ctx context.Context, it bridge.Item) {
	camera := it.Frame.Site + "." + it.Frame.Camera
	s := l.of[camera]
	if s == nil {
		s = l.sessions[len(l.of)%len(l.sessions)]
		l.of[camera] = s
	}
	a := &answer{done: it.Done}
	it.Done = func(err error) { l.answered(a, err) }
	l.mu.Lock()
	l.open = append(l.open, a)
	l.mu.Unlock()
	s.Push(ctx, it)
}

// answered notes what has come of a frame, and tells what is known of the first ones.
func (l *lanes) answered(a *answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.known, a.err = true, err
	if l.cause == nil && errors.Is(err, bridge.ErrNotConnected) {
		l.cause = err
		l.GiveUp()
	}
	for len(l.open) > 0 && l.open[0].known {
		first := l.open[0]
		l.open = l.open[1:]
		l.lost = l.lost || errors.Is(first.err, bridge.ErrNotConnected)
		if l.lost {
			first.err = l.cause
		}
		first.done(first.err)
	}
}

// GiveUp implements [bridge.Connection].
func (l *lanes) GiveUp() {
	for _, s := range l.sessions {
		s.GiveUp()
	}
}

// End implements [bridge.Connection].
func (l *lanes) End() {
	l.GiveUp()
	for _, s := range l.sessions {
		s.End()
	}
}
