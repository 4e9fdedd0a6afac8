package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// nobody is an expiration and a user that no message can have.
const nobody = "edge-video-check"

// Check connects, and finds out whether the broker would take a frame, which reaches no queue: exchanges are only looked for, and the
// message is wrong in what a broker looks at last, behind its size, the exchange and the user's rights there. An exchange that is missing
// is an error of [bridge.FaultMissing], also where Connect would declare it. It uses a connection of its own.
func (s *Sink) Check(ctx context.Context, f *schema.Frame) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	cfg := s.cfg
	cfg.Passive = true
	l, err := dial(ctx, &cfg)
	if err != nil {
		why := known(err)
		return &bridge.SinkFault{Fault: why.Fault, Err: fmt.Errorf("connecting to rabbitmq: %w", why.Err)}
	}
	defer l.raw.Close()
	defer context.AfterFunc(ctx, func() { l.raw.Close() })()
	for _, exchange := range cfg.exchanges() {
		if err := l.ask(exchange, cfg.RoutingKey.Expand(f), f.Data); err != nil {
			return err
		}
	}
	return nil
}

// ask publishes a message that the broker cannot take, and reads why.
func (l *link) ask(exchange, key string, body []byte) error {
	ch, err := l.conn.Channel()
	if err != nil {
		return known(err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	// Its error is that of the channel, which is read below.
	_ = ch.Publish(exchange, key, true, false, amqp.Publishing{Body: body, Expiration: nobody, UserId: nobody})
	reason, ok := <-closed
	if !ok {
		reason = amqp.ErrClosed
	}
	switch text := strings.ToLower(reason.Reason); {
	case reason.Code == amqp.PreconditionFailed && strings.Contains(text, "larger than"):
		return fmt.Errorf("%w: %w", bridge.ErrRejected, reason)
	case reason.Code == amqp.PreconditionFailed && !errors.Is(reason, amqp.ErrClosed):
		return nil // the broker has come to what is wrong with it
	}
	why := known(reason)
	return &bridge.SinkFault{Fault: why.Fault, Err: fmt.Errorf("publishing to exchange %q: %w", exchange, why.Err)}
}
