package mqtt

import (
	"errors"
	"fmt"
	"time"

	"github.com/edge-video/edge-video/bridge"
)

// ack is the broker's answer to one message.
type ack struct {
	id   uint16
	code byte
	text string // the broker's own words, where it has any
}

// confirmer answers frames in the order in which they were handed over. After the first one that found no connection, none is
// confirmed.
type confirmer struct {
	*session
	early   map[uint16]ack // acknowledgements that came ahead of their turn
	limit   *time.Timer
	largest int64 // packet among those that were on their way when the broker called one too large
}

func newConfirmer(s *session) *confirmer {
	return &confirmer{session: s, early: make(map[uint16]ack), limit: time.NewTimer(s.sink.cfg.Timeout)}
}

func (c *confirmer) run() {
	defer c.limit.Stop()
	var lost error
	for s := range c.sent {
		err := lost
		if err == nil {
			err = c.outcome(s)
		}
		if errors.Is(err, bridge.ErrNotConnected) {
			lost = err
			c.fail(err)
			c.learn(s, lost)
		}
		c.Answer(s.Item, err)
	}
	if c.largest > 0 {
		c.sink.maxPacket.Store(c.largest - 1)
	}
}

// outcome waits for the broker's answer to one frame. The time limit begins anew with each: it is for the broker to show progress.
func (c *confirmer) outcome(s sent) error {
	switch {
	case s.Err != nil:
		return s.Err
	case s.id == 0:
		return c.lost()
	}
	c.limit.Reset(c.sink.cfg.Timeout)
	for {
		if a, ok := c.early[s.id]; ok {
			delete(c.early, s.id)
			return c.verdict(a)
		}
		select {
		case a, ok := <-c.acks:
			if !ok {
				return c.lost()
			}
			if ahead(a.id, s.id) >= c.inFlight {
				c.fail(fmt.Errorf("the broker acknowledges message %d, which is not on its way", a.id))
			}
			c.early[a.id] = a
		case <-c.limit.C:
			c.fail(&bridge.SinkFault{Fault: bridge.FaultTimeout, Err: fmt.Errorf("no acknowledgement for %v", c.sink.cfg.Timeout)})
		}
	}
}

func (c *confirmer) verdict(a ack) error {
	if a.code == noSubscribers {
		c.sink.unrouted.Count("topic", c.sink.cfg.Topic.String())
	}
	return answered(a)
}

// learn remembers, for the next connection, that the largest packet on its way is larger than the broker takes. The broker tells it only
// by ending the connection, without saying over which packet.
func (c *confirmer) learn(s sent, lost error) {
	if errors.Is(lost, errTooLarge) && s.id != 0 {
		c.largest = max(c.largest, s.size)
	}
}
