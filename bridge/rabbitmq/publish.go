package rabbitmq

import (
	"cmp"
	"fmt"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// headerCamera is the camera's id under the name that consumers of edge-video have always known.
const headerCamera = "camera_id"

// publisher writes frames to the channel, in order.
type publisher struct {
	*session
	maxBody int64 // 0 is not known
	stopped bool  // a frame was left out, so that none may follow
	mode    uint8
	// expiration is the broker's word for how long a queue keeps a message
	expiration string

	// of the message in hand: the client has written it out when Publish returns
	headers amqp.Table
	id      string
}

func newPublisher(s *session, maxBody int64) *publisher {
	p := &publisher{session: s, maxBody: maxBody, mode: amqp.Transient, headers: make(amqp.Table, 16)}
	if s.sink.cfg.Persistent {
		p.mode = amqp.Persistent
	}
	if e := s.sink.cfg.Expiration; e > 0 {
		p.expiration = strconv.FormatInt(e.Milliseconds(), 10)
	}
	return p
}

// run publishes what is queued, until the queue is closed.
func (p *publisher) run() {
	defer close(p.sent)
	add := p.header
	var items []bridge.Item
	for {
		items = p.Take(items)
		if len(items) == 0 {
			return
		}
		for _, it := range items {
			p.sent <- p.publish(it, add)
		}
	}
}

// header keeps one header of the frame; those that AMQP has a property for are not repeated.
func (p *publisher) header(name, value string) {
	switch name {
	case schema.HeaderMsgID:
		p.id = value
	case schema.HeaderContentType:
	default:
		p.headers[name] = value
	}
}

func (p *publisher) publish(it bridge.Item, add func(name, value string)) published {
	if it.Err != nil || p.stopped {
		p.stopped = true
		return published{Item: it}
	}
	f := it.Frame
	to := p.sink.cfg.route(f)
	key := to.RoutingKey.Expand(f)
	if it.Err = p.refuse(f, key); it.Err != nil {
		return published{Item: it}
	}
	clear(p.headers)
	p.headers[headerCamera] = f.Camera
	f.EachHeader(add)
	// mandatory: a frame that no queue takes comes back before its confirm
	confirm, err := p.ch.PublishWithDeferredConfirm(to.Exchange, key, true, false, amqp.Publishing{
		Headers: p.headers, ContentType: cmp.Or(p.sink.cfg.ContentType, f.ContentType), DeliveryMode: p.mode, MessageId: p.id,
		Timestamp: f.Captured, Expiration: p.expiration, Body: f.Data,
	})
	if err != nil {
		// the end of the connection is told elsewhere, with its reason
		if !p.ch.IsClosed() {
			p.fail(err)
		}
		p.stopped = true
		return published{Item: it}
	}
	return published{Item: it, confirm: confirm}
}

// refuse finds a frame that would end the connection if it was published.
func (p *publisher) refuse(f *schema.Frame, key string) error {
	switch {
	case len(key) > maxShortString:
		return fmt.Errorf("%w: routing key of %d bytes is longer than %d", bridge.ErrRejected, len(key), maxShortString)
	case p.maxBody > 0 && int64(len(f.Data)) > p.maxBody:
		return fmt.Errorf("%w: %d bytes are more than the broker's max_message_size of %d", bridge.ErrRejected, len(f.Data), p.maxBody)
	}
	return nil
}
