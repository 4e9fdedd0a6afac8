package node

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/edge-video/edge-video/schema"
)

// resendPause is the wait before frames that the stream did not acknowledge are published again.
const resendPause = 250 * time.Millisecond

// queues counts the bytes in the queues of all lanes. While it is full, a lane that takes a frame gives up its own oldest ones.
type queues struct {
	most  int64
	bytes atomic.Int64
}

// lane carries one camera's frames into the stream in order. Its queue is bounded in bytes, and so are all queues together; when either
// bound is reached the oldest frames go, are counted, and become a gap. What has been published counts towards the publisher's bound instead, until it is acknowledged; what
// fails is published again under the same identity, before anything newer.
type lane struct {
	send   func(*sending)
	room   *semaphore.Weighted // bytes in flight, shared by all lanes
	all    *queues
	record laneRecord
	sends  func() bool   // frames may go to the stream now; a change to true is signalled
	wake   chan struct{} // holds one: something changed that run waits for

	mu       sync.Mutex
	most     int64 // bytes of the queue
	queue    []*schema.Frame
	bytes    int64
	closed   bool                  // no frame will be pushed any more
	ended    bool                  // run had no more time: what still comes is dropped
	inFlight map[*sending]struct{} // published, no answer yet
	failed   []*sending
	gaps     gaps               // of dropped frames, not yet reported
	stopWait context.CancelFunc // ends the wait for room, nil while there is none
}

func newLane(most int64, all *queues, room *semaphore.Weighted, record laneRecord, send func(*sending)) *lane {
	return &lane{sends: func() bool { return true }, most: most, all: all, send: send, room: room, record: record, wake: make(chan struct{}, 1), inFlight: map[*sending]struct{}{}}
}

// laneRecord is told of what becomes of frames. Its methods do not block.
type laneRecord interface {
	stored(f *schema.Frame, at time.Time)
	gone(g gap) // a run of dropped frames has ended
	dropped(reason string, n int)
	lost(g gap)
}

// sending is a frame on its way to the stream.
type sending struct {
	lane  *lane
	frame *schema.Frame
}

// size is what a frame counts for in the queue.
func size(f *schema.Frame) int64 { return int64(len(f.Data)) + 1024 }

// flight is what a frame takes of the publisher's bound; the largest frames take all of it.
func flight(f *schema.Frame) int64 { return min(size(f), inFlightBytes) }

// push queues a frame. It never blocks.
func (l *lane) push(f *schema.Frame) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		l.record.dropped(dropShutdown, 1)
		l.record.gone(gap{epoch: f.Epoch, first: f.Seq, last: f.Seq, count: 1, reason: dropShutdown})
		return
	}
	dropped := 0
	for (l.bytes+size(f) > l.most || l.all.bytes.Load()+size(f) > l.all.most) && len(l.queue) > 0 {
		l.gaps.add(l.pop(), dropQueueFull)
		dropped++
	}
	l.queue = append(l.queue, f)
	l.hold(size(f))
	l.mu.Unlock()
	if dropped > 0 {
		l.record.dropped(dropQueueFull, dropped)
	}
	l.signal()
}

// hold counts bytes that came into the queue, or left it where they are negative; l.mu is held.
func (l *lane) hold(bytes int64) {
	l.bytes += bytes
	l.all.bytes.Add(bytes)
}

// resize changes the bound, which the next frame is held to.
func (l *lane) resize(most int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = most
}

// pop takes the oldest frame; l.mu is held.
func (l *lane) pop() *schema.Frame {
	f := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.hold(-size(f))
	return f
}

// close says that no frame will be pushed any more.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run publishes until the lane is closed and everything in it is acknowledged, or until ctx ends; then what is left is counted as
// dropped or lost.
func (l *lane) run(ctx context.Context) {
	for {
		s, again, done := l.next()
		switch {
		case done:
			return
		case len(again) > 0:
			select {
			case <-ctx.Done():
			case <-time.After(resendPause):
			}
			for _, s := range again {
				l.send(s)
			}
		case s != nil:
			if l.waitForRoom(ctx, flight(s.frame)) {
				l.send(s)
			} else {
				l.unpop(s)
			}
		}
		if (s != nil || len(again) > 0) && ctx.Err() == nil {
			continue // there may be more to do, and nothing that will say so
		}
		select {
		case <-ctx.Done():
			l.abandon()
			return
		case <-l.wake:
		}
	}
}

// waitForRoom takes room in flight for a frame. It gives up when ctx ends, and when a frame of this lane has failed: failed frames
// keep their room, and waiting on while they wait to be sent again could last for ever.
func (l *lane) waitForRoom(ctx context.Context, bytes int64) bool {
	if l.room.TryAcquire(bytes) {
		return true
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	if len(l.failed) > 0 {
		cancel()
	}
	l.stopWait = cancel
	l.mu.Unlock()
	err := l.room.Acquire(ctx, bytes)
	l.mu.Lock()
	l.stopWait = nil
	l.mu.Unlock()
	return err == nil
}

// next decides what run does: send a frame, send failed ones again once nothing else is in flight, end, or wait.
func (l *lane) next() (s *sending, again []*sending, done bool) {
	l.mu.Lock()
	var ended gaps
	switch {
	case (len(l.failed) > 0 || len(l.queue) > 0) && !l.sends():
	case len(l.failed) > 0 && len(l.inFlight) > 0:
	case len(l.failed) > 0:
		again, l.failed = l.failed, nil
		inOrder(again)
		for _, s := range again {
			l.inFlight[s] = struct{}{}
		}
	case len(l.queue) > 0:
		s = &sending{lane: l, frame: l.pop()}
		l.inFlight[s] = struct{}{}
		ended, l.gaps = l.gaps, nil
	default:
		done = l.closed && len(l.inFlight) == 0
	}
	l.mu.Unlock()
	for _, g := range ended {
		l.record.gone(g)
	}
	return s, again, done
}

func inOrder(all []*sending) {
	slices.SortFunc(all, func(a, b *sending) int {
		return cmp.Or(cmp.Compare(a.frame.Epoch, b.frame.Epoch), cmp.Compare(a.frame.Seq, b.frame.Seq))
	})
}

// unpop puts a frame back that could not be sent.
func (l *lane) unpop(s *sending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.inFlight, s)
	l.queue = slices.Insert(l.queue, 0, s.frame)
	l.hold(size(s.frame))
}

// acknowledged ends the way of a frame that is in the stream. After abandon it has been counted as lost, and stays so.
func (l *lane) acknowledged(s *sending) {
	l.mu.Lock()
	delete(l.inFlight, s)
	late := l.ended
	waiting := len(l.inFlight) == 0 && (l.closed || len(l.failed) > 0)
	l.mu.Unlock()
	if late {
		return
	}
	l.record.stored(s.frame, time.Now())
	if waiting {
		l.signal()
	}
}

// unacknowledged keeps a frame for another try.
func (l *lane) unacknowledged(s *sending) {
	l.mu.Lock()
	delete(l.inFlight, s)
	l.failed = append(l.failed, s)
	if l.stopWait != nil {
		l.stopWait()
	}
	l.mu.Unlock()
	l.signal()
}

// discard empties the lane as if nothing had been pushed, before anything was sent.
func (l *lane) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold(-l.bytes)
	l.queue, l.gaps = nil, nil
}

// abandon counts what is left when there is no more time.
func (l *lane) abandon() {
	l.mu.Lock()
	l.ended = true
	queued := len(l.queue)
	for _, f := range l.queue {
		l.gaps.add(f, dropShutdown)
	}
	unanswered := slices.AppendSeq(l.failed, maps.Keys(l.inFlight))
	inOrder(unanswered)
	var lost gaps
	for _, s := range unanswered {
		lost.add(s.frame, lostUnacknowledged)
	}
	dropped := l.gaps
	l.hold(-l.bytes)
	l.queue, l.failed, l.gaps = nil, nil, nil
	clear(l.inFlight)
	l.mu.Unlock()
	if queued > 0 {
		l.record.dropped(dropShutdown, queued)
	}
	for _, g := range dropped {
		l.record.gone(g)
	}
	for _, g := range lost {
		l.record.lost(g)
	}
}
