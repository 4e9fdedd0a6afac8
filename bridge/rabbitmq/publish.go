package rabbitmq

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

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
	add     func(name, value string) // [publisher.keep], which would be made anew for each message
}

func newPublisher(s *session, maxBody int64) *publisher {
	p := &publisher{session: s, maxBody: maxBody, mode: amqp.Transient, headers: make(amqp.Table, 16)}
	p.add = p.keep
	if s.sink.cfg.Persistent {
		p.mode = amqp.Persistent
	}
	p.expiration = expiration(s.sink.cfg.Expiration)
	return p
}

// run publishes what is queued, until the queue is closed.
func (p *publisher) run() {
	defer close(p.sent)
	p.Each(func(it bridge.Item) { p.sent <- p.publish(it) })
}

// expiration is a time as the broker reads it, "" for none.
func expiration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}

// keep keeps one header of the frame; those that AMQP has a property for are not repeated.
func (p *publisher) keep(name, value string) {
	switch name {
	case schema.HeaderMsgID:
		p.id = value
	case schema.HeaderContentType:
	default:
		p.headers[name] = value
	}
}

func (p *publisher) publish(it bridge.Item) published {
	if it.Err != nil || p.stopped {
		p.stopped = true
		return published{Item: it}
	}
	f := it.Frame
	says, err := p.sink.cfg.Body.content(f)
	if it.Err = err; it.Err != nil {
		return published{Item: it}
	}
	to := p.sink.cfg.route(f)
	key := to.RoutingKey.Expand(f) + says.suffix
	if it.Err = p.refuse(says.body, key); it.Err != nil {
		return published{Item: it}
	}
	p.header(f)
	// mandatory: a frame that no queue takes comes back before its confirm
	confirm, err := p.ch.PublishWithDeferredConfirm(to.Exchange, key, true, false, amqp.Publishing{
		Headers: p.headers, ContentType: cmp.Or(p.sink.cfg.ContentType, says.kind), DeliveryMode: p.mode, MessageId: p.id,
		Timestamp: f.Captured, Expiration: cmp.Or(p.expiration, expiration(says.ttl)), Body: says.body,
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
func (p *publisher) refuse(body []byte, key string) error {
	switch {
	case len(key) > maxShortString:
		return fmt.Errorf("%w: routing key of %d bytes is longer than %d", bridge.ErrRejected, len(key), maxShortString)
	case p.maxBody > 0 && int64(len(body)) > p.maxBody:
		return fmt.Errorf("%w: %d bytes are more than the broker's max_message_size of %d", bridge.ErrRejected, len(body), p.maxBody)
	}
	return nil
}
