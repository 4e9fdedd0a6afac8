package mqtt

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"github.com/edge-video/edge-video/bridge"
)

// Bounds of what a sink holds without an acknowledgement. The broker can ask for fewer on their way.
const (
	windowFrames = 256
	windowBytes  = 32 << 20
)

// goodbye bounds the last packet of an idle connection that is closed in an orderly way.
const goodbye = 250 * time.Millisecond

var errGivenUp = errors.New("the connection was closed")

// session is one connection, from Connect to Close. A publisher takes frames from the queue, a confirmer answers them in the same
// order, a listener hears the broker, and a pinger keeps the connection alive.
type session struct {
	*bridge.Window
	*link
	sink    *Sink
	sent    chan sent // with the one in the confirmer's hand, as many as may be on their way
	acks    chan ack
	running sync.WaitGroup

	gone  chan struct{} // closed when the connection is given up
	mu    sync.Mutex
	cause error // why it was given up
}

func start(sink *Sink, l *link) *session {
	s := &session{link: l, sink: sink, Window: bridge.NewWindow(windowFrames, windowBytes), sent: make(chan sent, l.inFlight-1),
		acks: make(chan ack, l.inFlight), gone: make(chan struct{})}
	if learned := sink.maxPacket.Swap(0); s.maxPacket == 0 {
		s.maxPacket = learned
	}
	s.running.Go(newPublisher(s).run)
	s.running.Go(newConfirmer(s).run)
	s.running.Go(s.listen)
	if s.keepAlive > 0 {
		s.running.Go(s.ping)
	}
	return s
}

// fail gives up the connection. The first cause is the one that frames end with.
func (s *session) fail(cause error) {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = cause
		close(s.gone)
	}
	s.mu.Unlock()
	s.raw.Close()
}

// lost is why frames are not confirmed any more. The connection has been given up.
func (s *session) lost() error {
	<-s.gone
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("%w: %w", bridge.ErrNotConnected, s.cause)
}

// GiveUp closes the connection: in an orderly way when nothing is on its way, at once otherwise.
func (s *session) GiveUp() {
	if s.Idle() {
		_ = s.conn.SetWriteDeadline(time.Now().Add(goodbye)) // also for a ping that hangs
		_ = s.write(&packets.Disconnect{Properties: &packets.Properties{}})
	}
	s.fail(errGivenUp)
}

// End waits until every frame is answered. The connection has been closed, and nobody sends any more.
func (s *session) End() {
	s.GiveUp()
	s.Window.Close()
	s.running.Wait()
}

// listen passes acknowledgements on until the connection ends.
func (s *session) listen() {
	defer close(s.acks)
	for {
		if s.keepAlive > 0 {
			_ = s.raw.SetReadDeadline(time.Now().Add(s.keepAlive * 3 / 2)) // pings make the broker speak
		}
		p, err := s.read()
		if err != nil {
			s.fail(fmt.Errorf("reading: %w", err))
			return
		}
		switch p := p.Content.(type) {
		case *packets.Puback:
			select {
			case s.acks <- ack{id: p.PacketID, code: p.ReasonCode, text: p.Properties.ReasonString}:
			case <-s.gone:
				return
			}
		case *packets.Pingresp:
		case *packets.Disconnect:
			s.fail(disconnected(p))
			return
		default:
			s.fail(fmt.Errorf("the broker sent a %T", p))
			return
		}
	}
}

// ping lets the broker know that we are there, and makes it show that it is.
func (s *session) ping() {
	tick := time.NewTicker(s.keepAlive / 2)
	defer tick.Stop()
	for {
		select {
		case <-s.gone:
			return
		case <-tick.C:
			if err := s.write(&packets.Pingreq{}); err != nil {
				s.fail(fmt.Errorf("writing: %w", err))
			}
		}
	}
}
