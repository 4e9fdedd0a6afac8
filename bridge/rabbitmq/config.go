package rabbitmq

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
)

// Config is what a RabbitMQ sink needs to know.
type Config struct {
	URL        string           // amqp:// or amqps://, with user, password and virtual host
	Exchange   string           // a topic exchange, declared durable
	RoutingKey *bridge.Template // of each message
	Persistent bool             // messages survive a restart of the broker, in queues that do
	Timeout    time.Duration    // for connecting, and for the next confirm; 0 is 10 s
	Name       string           // of the connection, in the broker's own tools
	TLS        bridge.TLS       // with amqps
}

const (
	defaultTimeout = 10 * time.Second
	maxShortString = 255 // bytes of an exchange's name or a routing key
)

// check reports the first fault and fills in defaults.
func (c *Config) check() error {
	switch {
	case c.Exchange == "":
		return errors.New("rabbitmq: no exchange")
	case len(c.Exchange) > maxShortString:
		return fmt.Errorf("rabbitmq: exchange name of %d bytes is longer than %d", len(c.Exchange), maxShortString)
	case c.RoutingKey == nil:
		return errors.New("rabbitmq: no routing key template")
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return checkURL(c.URL)
}

// checkURL reads the URL.
func checkURL(text string) error {
	u, err := bridge.ParseURL(text, "amqp://user:password@host:5672/vhost", "amqp", "amqps")
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	if _, err := amqp.ParseURI(text); err != nil {
		return fmt.Errorf("rabbitmq: url %s: %w", u.Redacted(), err)
	}
	return nil
}
