package mqtt

import (
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// qos is at least once: with 0 the broker would acknowledge nothing, and 2 would not survive the connection.
const qos = 1

// maxTopic is the longest topic in bytes.
const maxTopic = 65_535

// sent is a frame on its way, or one that was not sent.
type sent struct {
	bridge.Item
	id   uint16 // 0 where it was not sent
	size int64  // of its packet, in bytes
}

// publisher writes frames in order.
type publisher struct {
	*session
	stopped bool // a frame was left out, so that none may follow
	id      uint16
	message packets.Publish  // in hand; it has been written out when write returns
	newest  map[string]place // by camera, where frames are to be retained
}

// place is where a frame is among those of its camera.
type place struct {
	epoch int64
	seq   uint64
}

func newPublisher(s *session) *publisher {
	return &publisher{session: s, message: packets.Publish{QoS: qos, Properties: &packets.Properties{}}, newest: map[string]place{}}
}

// run publishes what is queued, until the queue is closed.
func (p *publisher) run() {
	defer close(p.sent)
	p.Each(p.publish)
}

func (p *publisher) publish(it bridge.Item) {
	s := p.prepare(it)
	p.session.sent <- s // waits while as many as may be are on their way
	if s.id == 0 {
		return
	}
	if err := p.write(&p.message); err != nil {
		p.stopped = true
		select {
		case <-p.gone: // with what the broker said before it closed its end
		case <-time.After(goodbye):
			p.fail(fmt.Errorf("writing: %w", err))
		}
	}
}

// prepare makes the frame's message, or says why there is none.
func (p *publisher) prepare(it bridge.Item) sent {
	if it.Err != nil || p.stopped {
		p.stopped = true
		return sent{Item: it}
	}
	f, m := it.Frame, &p.message
	m.Topic = p.sink.cfg.Topic.Expand(f)
	m.Payload = f.Data
	m.Retain = p.retains(f)
	m.Properties.ContentType = f.ContentType
	m.Properties.User = m.Properties.User[:0]
	f.EachHeader(func(name, value string) {
		if name != schema.HeaderContentType {
			m.Properties.User = append(m.Properties.User, packets.User{Key: name, Value: value})
		}
	})
	s := sent{Item: it, size: size(m)}
	if s.Err = p.refuse(m, s.size); s.Err != nil {
		return s
	}
	p.id = next(p.id)
	m.PacketID, s.id = p.id, p.id
	return s
}

// retains reports whether the broker is to keep a frame for those that subscribe later. An older one than it has, which catches up beside
// live frames or comes again by request, would be taken for that of now.
func (p *publisher) retains(f *schema.Frame) bool {
	if !p.sink.cfg.Retain || f.Replayed {
		return false
	}
	camera := f.CameraName()
	if last := p.newest[camera]; f.Before(last.epoch, last.seq) {
		return false
	}
	p.newest[camera] = place{f.Epoch, f.Seq}
	return true
}

// refuse finds a frame that would end the connection if it was published.
func (p *publisher) refuse(m *packets.Publish, size int64) error {
	switch {
	case len(m.Topic) > maxTopic:
		return fmt.Errorf("%w: topic of %d bytes is longer than %d", bridge.ErrRejected, len(m.Topic), maxTopic)
	case p.maxPacket > 0 && size > p.maxPacket:
		return fmt.Errorf("%w: a packet of %d bytes is more than the %d that the broker takes", bridge.ErrRejected, size, p.maxPacket)
	}
	return nil
}

// next is the identifier after id: they run from 1 to 65535 and begin again.
func next(id uint16) uint16 { return id%65_535 + 1 }

// ahead is how many messages id comes after the first one.
func ahead(id, first uint16) int { return (int(id) - int(first) + 65_535) % 65_535 }

// size is the whole packet's, in bytes.
func size(m *packets.Publish) int64 {
	n := 0
	for _, b := range m.Buffers() {
		n += len(b)
	}
	header := 2
	for rest := n; rest > 127; rest >>= 7 {
		header++
	}
	return int64(header + n)
}
