package node

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/edge-video/edge-video/schema"
)

// Reasons for which the node gives up whole pictures, as labels.
const (
	dropQueueFull = "queue_full" // the stream did not take frames as fast as the camera gave them
	dropShutdown  = "shutdown"   // still queued when the node had to stop
)

// resendPause is the wait before frames that the stream did not acknowledge are published again.
const resendPause = 250 * time.Millisecond

// lane carries one camera's frames into the stream in order. Its queue is bounded in bytes; when it is full the oldest frames go, are
// counted, and become a gap. What has been published counts towards the publisher's bound instead, until it is acknowledged; what
// fails is published again under the same identity, before anything newer.
type lane struct {
	most   int64 // bytes of the queue
	send   func(*sending)
	room   *semaphore.Weighted // bytes in flight, shared by all lanes
	record laneRecord
	wake   chan struct{} // holds one: something changed that run waits for

	mu       sync.Mutex
	queue    []*schema.Frame
	bytes    int64
	closed   bool
	inFlight int
	failed   []*sending
	gap      gap
	stopWait context.CancelFunc // ends the wait for room, nil while there is none
}

// laneRecord is told of what becomes of frames. Its methods do not block.
type laneRecord interface {
	stored(f *schema.Frame, at time.Time)
	gone(g gap) // a run of dropped frames has ended
	dropped(reason string, n int)
	lost(g gap)
}

// gap is a run of frames of one epoch that will not come.
type gap struct {
	epoch       int64
	first, last uint64
	count       uint64
	reason      string
}

// add widens the gap by a frame.
func (g *gap) add(f *schema.Frame, reason string) {
	if g.count == 0 {
		*g = gap{epoch: f.Epoch, first: f.Seq, reason: reason}
	}
	g.last = f.Seq
	g.count++
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
	var ended []gap
	dropped := 0
	for l.bytes+size(f) > l.most && len(l.queue) > 0 {
		old := l.pop()
		if l.gap.count > 0 && l.gap.epoch != old.Epoch {
			ended = append(ended, l.gap)
			l.gap = gap{}
		}
		l.gap.add(old, dropQueueFull)
		dropped++
	}
	l.queue = append(l.queue, f)
	l.bytes += size(f)
	l.mu.Unlock()
	if dropped > 0 {
		l.record.dropped(dropQueueFull, dropped)
	}
	for _, g := range ended {
		l.record.gone(g)
	}
	l.signal()
}

// pop takes the oldest frame; l.mu is held.
func (l *lane) pop() *schema.Frame {
	f := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.bytes -= size(f)
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
		f, again, done := l.next()
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
		case f != nil:
			if l.waitForRoom(ctx, flight(f)) {
				l.send(&sending{lane: l, frame: f})
			} else {
				l.unpop(f)
			}
			if ctx.Err() == nil {
				continue
			}
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
func (l *lane) next() (f *schema.Frame, again []*sending, done bool) {
	l.mu.Lock()
	ended := gap{}
	switch {
	case len(l.failed) > 0 && l.inFlight > 0:
	case len(l.failed) > 0:
		again, l.failed = l.failed, nil
		slices.SortFunc(again, func(a, b *sending) int {
			return cmp.Or(cmp.Compare(a.frame.Epoch, b.frame.Epoch), cmp.Compare(a.frame.Seq, b.frame.Seq))
		})
		l.inFlight = len(again)
	case len(l.queue) > 0:
		f = l.pop()
		l.inFlight++
		ended, l.gap = l.gap, gap{}
	default:
		done = l.closed && l.inFlight == 0
	}
	l.mu.Unlock()
	if ended.count > 0 {
		l.record.gone(ended)
	}
	return f, again, done
}

// unpop puts a frame back that could not be sent.
func (l *lane) unpop(f *schema.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = slices.Insert(l.queue, 0, f)
	l.bytes += size(f)
	l.inFlight--
}

// acknowledged ends the way of a frame that is in the stream.
func (l *lane) acknowledged(s *sending) {
	l.mu.Lock()
	l.inFlight--
	waiting := l.inFlight == 0 && (l.closed || len(l.failed) > 0)
	l.mu.Unlock()
	l.record.stored(s.frame, time.Now())
	if waiting {
		l.signal()
	}
}

// unacknowledged keeps a frame for another try.
func (l *lane) unacknowledged(s *sending) {
	l.mu.Lock()
	l.inFlight--
	l.failed = append(l.failed, s)
	if l.stopWait != nil {
		l.stopWait()
	}
	l.mu.Unlock()
	l.signal()
}

// abandon counts what is left when there is no more time.
func (l *lane) abandon() {
	l.mu.Lock()
	var queued, lost gap
	for _, f := range l.queue {
		queued.add(f, dropShutdown)
	}
	for _, s := range l.failed {
		lost.add(s.frame, "unacknowledged")
	}
	lost.count += uint64(l.inFlight)
	l.queue, l.failed, l.bytes = nil, nil, 0
	l.mu.Unlock()
	if queued.count > 0 {
		l.record.dropped(dropShutdown, int(queued.count))
		l.record.gone(queued)
	}
	if lost.count > 0 {
		l.record.lost(lost)
	}
}
