package node

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"
)

const (
	// inFlightBytes bounds what is published and not yet acknowledged, over all cameras; an eighth of what
	// the server buffers for a stream. More is no faster and leaves the processor's caches.
	inFlightBytes = 32 << 20
	// inFlightFrames bounds the same in number; bytes are the real bound.
	inFlightFrames = 16 << 10
	// ackTimeout is when a frame that is not acknowledged is published again. On a failing disk the server does not answer at all.
	ackTimeout = 5 * time.Second
	// maxConns is the most in-process connections worth having: one publishes one frame at a time.
	maxConns = 4
)

// publisher publishes frames asynchronously on a few in-process connections. A camera stays on one of them, which keeps its order.
type publisher struct {
	conns []*nats.Conn
	js    []jetstream.JetStream
	room  *semaphore.Weighted
	all   *queues
	log   *slog.Logger

	mu   sync.Mutex
	sent map[*nats.Msg]*sending
	errs map[string]time.Time // when each error was last logged
}

// newPublisher makes a publisher whose lanes hold at most so many bytes together.
func newPublisher(s *Server, queueBytes int64, log *slog.Logger) (*publisher, error) {
	p := &publisher{room: semaphore.NewWeighted(inFlightBytes), all: &queues{most: queueBytes}, log: log, sent: map[*nats.Msg]*sending{}, errs: map[string]time.Time{}}
	for i := range min(maxConns, runtime.GOMAXPROCS(0)) {
		nc, err := s.Connect(fmt.Sprintf("frames-%d", i))
		if err != nil {
			p.close()
			return nil, err
		}
		p.conns = append(p.conns, nc)
		js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(inFlightFrames), jetstream.WithPublishAsyncTimeout(ackTimeout),
			jetstream.WithPublishAsyncAckHandler(p.acked), jetstream.WithPublishAsyncErrHandler(p.failed))
		if err != nil {
			p.close()
			return nil, fmt.Errorf("reaching JetStream: %w", err)
		}
		p.js = append(p.js, js)
	}
	return p, nil
}

// close ends the connections. Every lane has ended before.
func (p *publisher) close() {
	for _, nc := range p.conns {
		nc.Close()
	}
}

// newLane makes the lane of a camera.
func (p *publisher) newLane(camera string, queueBytes int64, record laneRecord) *lane {
	h := fnv.New32a()
	h.Write([]byte(camera)) // never fails
	js := p.js[h.Sum32()%uint32(len(p.js))]
	return newLane(queueBytes, p.all, p.room, record, func(s *sending) { p.send(js, s) })
}

func (p *publisher) send(js jetstream.JetStream, s *sending) {
	m := &nats.Msg{Subject: s.frame.Subject(), Header: s.frame.Header(), Data: s.frame.Data}
	p.mu.Lock()
	p.sent[m] = s
	p.mu.Unlock()
	if _, err := js.PublishMsgAsync(m); err != nil {
		p.failed(js, m, err)
	}
}

// take ends a message's being in flight. It is nil for one that has ended already.
func (p *publisher) take(m *nats.Msg) *sending {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sent[m]
	delete(p.sent, m)
	return s
}

func (p *publisher) acked(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) {
	if s := p.take(m); s != nil {
		p.room.Release(flight(s.frame))
		s.lane.acknowledged(s)
	}
}

func (p *publisher) failed(_ jetstream.JetStream, m *nats.Msg, err error) {
	if s := p.take(m); s != nil {
		p.warn(err)
		s.lane.unacknowledged(s) // it keeps its room: it will be published again
	}
}

// warn logs each kind of error once in ten seconds.
func (p *publisher) warn(err error) {
	p.mu.Lock()
	last, text := p.errs[err.Error()], err.Error()
	quiet := time.Since(last) < 10*time.Second
	if !quiet {
		clear(p.errs) // the map stays small whatever errors say
		p.errs[text] = time.Now()
	}
	p.mu.Unlock()
	if !quiet {
		p.log.Warn("the stream did not acknowledge a frame; it is published again", "err", err)
	}
}
