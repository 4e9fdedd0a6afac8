package bridge_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// brokerSink is a sink with many frames in flight, made of the same parts as the real ones, and the broker behind it, which keeps
// what arrives and confirms it a little later. It loses its connection when told to.
type brokerSink struct {
	bridge.Current
	// cut is asked for every frame: whether the connection is lost before it arrives, and how many of the frames that have
	// arrived and are not confirmed yet lose their confirmation. nil is never.
	cut     func(f *schema.Frame) (lost bool, unconfirmed int)
	holding atomic.Bool // confirms nothing

	mu       sync.Mutex
	seqs     []uint64   // what arrived
	sessions [][]uint64 // the same, by connection
}

func newBroker() *brokerSink { return &brokerSink{} }

func (s *brokerSink) Connect(context.Context) error {
	s.mu.Lock()
	s.sessions = append(s.sessions, nil)
	s.mu.Unlock()
	c := &brokerConn{sink: s, window: bridge.NewWindow(256, 32<<20), given: make(chan struct{}), ended: make(chan struct{})}
	go c.run()
	s.Set(c)
	return nil
}

func (s *brokerSink) arrive(f *schema.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seqs = append(s.seqs, f.Seq)
	last := len(s.sessions) - 1
	s.sessions[last] = append(s.sessions[last], f.Seq)
}

func (s *brokerSink) arrived() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seqs)
}

func (s *brokerSink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seqs)
}

// bySession is what arrived on each connection.
func (s *brokerSink) bySession() [][]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sessions)
}

// brokerConn is one connection.
type brokerConn struct {
	sink         *brokerSink
	window       *bridge.Window
	once         sync.Once
	given, ended chan struct{}
}

func (c *brokerConn) Push(ctx context.Context, it bridge.Item) { c.window.Push(ctx, it) }

func (c *brokerConn) GiveUp() { c.once.Do(func() { close(c.given) }) }

func (c *brokerConn) End() {
	c.GiveUp()
	c.window.Close()
	<-c.ended
}

func (c *brokerConn) run() {
	defer close(c.ended)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	var items []bridge.Item
	lost := false
	for {
		if items = c.window.Take(items); len(items) == 0 {
			return
		}
		confirmed := 0 // of items, from the first on
		for i, it := range items {
			if lost = lost || it.Err != nil; lost {
				break
			}
			unconfirmed := 0
			if c.sink.cut != nil {
				if lost, unconfirmed = c.sink.cut(it.Frame); lost {
					confirmed = max(0, i-unconfirmed)
					break
				}
			}
			c.sink.arrive(it.Frame)
			confirmed = i + 1
		}
		for waiting := !lost; waiting; {
			select {
			case <-tick.C:
				waiting = c.sink.holding.Load()
			case <-c.given:
				waiting, lost, confirmed = false, true, 0
			}
		}
		for i, it := range items {
			if i < confirmed {
				c.window.Answer(it, nil)
			} else {
				c.window.Answer(it, bridge.ErrNotConnected)
			}
		}
	}
}
