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
// order in which they were pushed, and have their room until then. The first session that is lost ends them all.
type lanes struct {
	*bridge.Window
	sessions []*session
	ended    chan struct{} // closed when every frame has been handed to its session

	mu    sync.Mutex
	open  []*answer // those that are not told yet
	cause error     // why a session was lost first
	lost  bool      // a frame has been answered with that, and so is all that follows
}

// answer is what has come of a frame.
type answer struct {
	item  bridge.Item
	known bool
	err   error
}

// share begins to share cameras among sessions.
func share(sessions []*session) *lanes {
	l := &lanes{Window: bridge.NewWindow(windowFrames, windowBytes), sessions: sessions, ended: make(chan struct{})}
	go l.run()
	return l
}

// run hands each frame to the session of its camera, which has room for what there is in all.
func (l *lanes) run() {
	defer close(l.ended)
	of := map[string]*session{} // by camera
	l.Each(func(it bridge.Item) {
		camera := it.Frame.CameraName()
		s := of[camera]
		if s == nil {
			s = l.sessions[len(of)%len(l.sessions)]
			of[camera] = s
		}
		a := &answer{item: it}
		l.mu.Lock()
		l.open = append(l.open, a)
		l.mu.Unlock()
		it.Done = func(err error) { l.answered(a, err) }
		s.Push(context.Background(), it)
	})
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
		l.Answer(first.item, first.err)
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
	l.Close()
	<-l.ended
	for _, s := range l.sessions {
		s.End()
	}
}
