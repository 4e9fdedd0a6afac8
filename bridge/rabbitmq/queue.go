package rabbitmq

import (
	"context"
	"fmt"
	"sync"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// item is a frame that waits for its answer.
type item struct {
	frame *schema.Frame
	done  func(error)
	err   error // set where the frame is not to be sent
}

// queue holds frames in the order of their Send calls. It counts those that are not answered yet, and while they fill its bound a
// push blocks. It has one pusher and one taker.
type queue struct {
	maxFrames, maxBytes int

	mu     sync.Mutex
	items  []item // not taken yet
	frames int    // not answered yet
	bytes  int
	closed bool

	room chan struct{} // holds a token after an answer
	more chan struct{} // holds a token after a push or the close
}

func newQueue(maxFrames, maxBytes int) *queue {
	return &queue{maxFrames: maxFrames, maxBytes: maxBytes, room: make(chan struct{}, 1), more: make(chan struct{}, 1)}
}

// push adds a frame once there is room for it. If ctx ends first, the frame is added all the same, with an error: it takes its turn
// to be answered.
func (q *queue) push(ctx context.Context, it item) {
	for !q.add(it, it.err != nil) {
		select {
		case <-q.room:
		case <-ctx.Done():
			it.err = fmt.Errorf("%w: no room for the frame: %w", bridge.ErrNotConnected, context.Cause(ctx))
		}
	}
}

// add reports whether there was room. A frame larger than the bound has room when it is alone.
func (q *queue) add(it item, force bool) bool {
	size := len(it.frame.Data)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !force && q.frames > 0 && (q.frames >= q.maxFrames || q.bytes+size > q.maxBytes) {
		return false
	}
	q.items = append(q.items, it)
	q.frames++
	q.bytes += size
	signal(q.more)
	return true
}

// take returns everything that was pushed, and waits for it where there is nothing yet. It returns nothing when the queue is closed
// and empty. The given slice, which the caller has done with, takes the queue's place.
func (q *queue) take(used []item) []item {
	clear(used)
	for {
		q.mu.Lock()
		if len(q.items) > 0 || q.closed {
			taken := q.items
			q.items = used[:0]
			q.mu.Unlock()
			return taken
		}
		q.mu.Unlock()
		<-q.more
	}
}

// answer ends a taken frame.
func (q *queue) answer(it item, err error) {
	it.done(err)
	q.mu.Lock()
	q.frames--
	q.bytes -= len(it.frame.Data)
	q.mu.Unlock()
	signal(q.room)
}

// idle reports whether every frame has been answered.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.frames == 0
}

// close lets take return nothing once all is taken. Nobody pushes any more.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.more)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
