package rabbitmq

import (
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
)

// Bounds of what a sink holds without a confirm.
const (
	windowFrames = 256
	windowBytes  = 32 << 20
)

// goodbye is how long the broker has to answer when an idle connection is closed in an orderly way.
const goodbye = 250 * time.Millisecond

var (
	errGivenUp = &bridge.SinkFault{Fault: bridge.FaultLost, Err: errors.New("the connection was closed")}
	errNack    = &bridge.SinkFault{Fault: bridge.FaultFull, Err: errors.New("a queue did not take a message (basic.nack)")}
)

// session is one connection, from Connect to Close. A publisher takes frames from the queue, a confirmer answers them in the same
// order, and a watcher listens to what else the broker says.
type session struct {
	*bridge.Window
	*link
	sink    *Sink
	sent    chan published
	closed  chan *amqp.Error // gets the channel's or connection's end
	running sync.WaitGroup

	mu    sync.Mutex
	cause *bridge.SinkFault // why the connection was given up
}

// published is a frame on its way.
type published struct {
	bridge.Item
	confirm *amqp.DeferredConfirmation // nil where it was not published
}

func start(sink *Sink, l *link) *session {
	s := &session{link: l, sink: sink, Window: bridge.NewWindow(windowFrames, windowBytes), sent: make(chan published, windowFrames)}
	s.closed = l.ch.NotifyClose(make(chan *amqp.Error, 1))
	returns := l.ch.NotifyReturn(make(chan amqp.Return, windowFrames))
	blocked := l.conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	lost := l.conn.NotifyClose(make(chan *amqp.Error, 1))
	p := newPublisher(s, sink.maxBody.Swap(0))
	s.running.Go(p.run)
	s.running.Go(s.confirm)
	s.running.Go(func() { s.watch(returns, blocked, lost) })
	return s
}

// fail gives up the connection. The first cause is the one that frames end with.
func (s *session) fail(cause error) {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = known(cause)
	}
	s.mu.Unlock()
	s.raw.Close()
}

// GiveUp closes the connection: in an orderly way when nothing is on its way, at once otherwise.
func (s *session) GiveUp() {
	if s.Idle() {
		limit := time.AfterFunc(goodbye, func() { s.raw.Close() })
		_ = s.conn.Close() // it is closed afterwards, whatever the error
		limit.Stop()
	}
	s.fail(errGivenUp)
}

// End waits until every frame is answered. The connection has been closed, and nobody sends any more.
func (s *session) End() {
	s.GiveUp()
	s.Window.Close()
	s.running.Wait()
}

// watch counts returned frames, and gives up a connection that is blocked or lost.
func (s *session) watch(returns <-chan amqp.Return, blocked <-chan amqp.Blocking, lost <-chan *amqp.Error) {
	for returns != nil || blocked != nil || lost != nil {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			s.sink.unroutable.Count("exchange", r.Exchange, "routing_key", r.RoutingKey)
		case b, ok := <-blocked:
			if !ok {
				blocked = nil
				continue
			}
			if b.Active {
				s.fail(&bridge.SinkFault{Fault: bridge.FaultBlocked, Err: fmt.Errorf("the broker has blocked publishers: %s", b.Reason)})
			}
		case _, ok := <-lost:
			s.raw.Close()
			if !ok {
				lost = nil
			}
		}
	}
}

// confirm answers frames in the order in which they were handed over. After the first one that was not confirmed, none is.
func (s *session) confirm() {
	limit := time.NewTimer(s.sink.cfg.Timeout)
	defer limit.Stop()
	var lost error
	for p := range s.sent {
		err := lost
		if err == nil {
			err = s.outcome(p, limit)
		}
		if errors.Is(err, bridge.ErrNotConnected) {
			lost = err
		}
		s.Answer(p.Item, err)
	}
}

// outcome waits for the broker's answer to one frame. The time limit begins anew with each: it is for the broker to show progress.
func (s *session) outcome(p published, limit *time.Timer) error {
	if p.confirm == nil {
		if p.Err != nil {
			return p.Err
		}
		return s.lost()
	}
	select {
	case <-p.confirm.Done():
	default:
		limit.Reset(s.sink.cfg.Timeout)
		select {
		case <-p.confirm.Done():
		case <-limit.C:
			s.fail(&bridge.SinkFault{Fault: bridge.FaultTimeout, Err: fmt.Errorf("no confirm for %v", s.sink.cfg.Timeout)})
			<-p.confirm.Done() // the client ends them all when its connection is closed
		}
	}
	if p.confirm.Acked() {
		return nil
	}
	return s.lost()
}

// lost is why a frame was not confirmed. The client does not tell a nack from the end of the channel.
func (s *session) lost() error {
	if !s.ch.IsClosed() {
		s.fail(errNack)
	}
	s.raw.Close() // the client waits for a write that hangs before it tells the reason
	if reason, ok := <-s.closed; ok {
		s.sink.learn(reason)
		s.fail(reason)
	}
	s.fail(amqp.ErrClosed)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}
