package bridge

import (
	"context"
	"fmt"
	"sync"

	"github.com/edge-video/edge-video/schema"
)

// Item is a frame between [Sink.Send] and its answer.
type Item struct {
	Frame *schema.Frame
	Done  func(error)
	Err   error // set where the frame is not to be sent
}

// Window is what a sink has in flight: frames in the order of their Send calls. It counts those that are not answered yet, and while
// they fill its bound a push blocks. It has one pusher and one taker.
type Window struct {
	maxFrames, maxBytes int

	mu     sync.Mutex
	items  []Item // not taken yet
	frames int    // not answered yet
	bytes  int
	closed bool

	room chan struct{} // holds a token after an answer
	more chan struct{} // holds a token after a push or the close
}

// NewWindow makes a window of at most maxFrames frames and maxBytes bytes.
func NewWindow(maxFrames, maxBytes int) *Window {
	return &Window{maxFrames: maxFrames, maxBytes: maxBytes, room: make(chan struct{}, 1), more: make(chan struct{}, 1)}
}

// Push adds a frame once there is room for it. If ctx ends first, the frame is added all the same, with an error: it takes its turn
// to be answered.
func (w *Window) Push(ctx context.Context, it Item) {
	for !w.add(it, it.Err != nil) {
		select {
		case <-w.room:
		case <-ctx.Done():
			it.Err = fmt.Errorf("%w: no room for the frame: %w", ErrNotConnected, context.Cause(ctx))
		}
	}
}

// add reports whether there was room. A frame larger than the bound has room when it is alone.
func (w *Window) add(it Item, force bool) bool {
	size := len(it.Frame.Data)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !force && w.frames > 0 && (w.frames >= w.maxFrames || w.bytes+size > w.maxBytes) {
		return false
	}
	w.items = append(w.items, it)
	w.frames++
	w.bytes += size
	signal(w.more)
	return true
}

// Take returns everything that was pushed, and waits for it where there is nothing yet. It returns nothing when the window is closed
// and empty. The given slice, which the caller has done with, takes its place.
func (w *Window) Take(used []Item) []Item {
	clear(used)
	for {
		w.mu.Lock()
		if len(w.items) > 0 || w.closed {
			taken := w.items
			w.items = used[:0]
			w.mu.Unlock()
			return taken
		}
		w.mu.Unlock()
		<-w.more
	}
}

// Each takes frame after frame, and returns when the window is closed and empty.
func (w *Window) Each(do func(Item)) {
	var items []Item
	for {
		items = w.Take(items)
		if len(items) == 0 {
			return
		}
		for _, it := range items {
			do(it)
		}
	}
}

// Answer ends a taken frame.
func (w *Window) Answer(it Item, err error) {
	it.Done(err)
	w.mu.Lock()
	w.frames--
	w.bytes -= len(it.Frame.Data)
	w.mu.Unlock()
	signal(w.room)
}

// Idle reports whether every frame has been answered.
func (w *Window) Idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frames == 0
}

// Close lets Take return nothing once all is taken. Nobody pushes any more.
func (w *Window) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	signal(w.more)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
