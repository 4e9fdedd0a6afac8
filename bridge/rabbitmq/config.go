package rabbitmq

import (
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Config is what a RabbitMQ sink needs to know.
type Config struct {
	URL         string           // amqp:// or amqps://, with user, password and virtual host
	VHost       string           // in place of the URL's, "" is the URL's
	Exchange    string           // a durable topic exchange
	RoutingKey  *bridge.Template // of each message
	Own         map[string]Route // where frames of single cameras go instead, by <site>.<camera>
	Passive     bool             // exchanges are looked for; otherwise they are declared
	Persistent  bool             // messages survive a restart of the broker, in queues that do
	Body        Body             // what each message holds
	ContentType string           // of every message, "" is the body's own
	Expiration  time.Duration    // after which a queue drops a message; 0 is with the picture for [BodyKey], else never
	Timeout     time.Duration    // for connecting, and for the next confirm; 0 is 10 s
	Name        string           // of the connection, in the broker's own tools
	TLS         bridge.TLS       // with amqps
}

// Route is an exchange and the routing key of each message there.
type Route struct {
	Exchange   string
	RoutingKey *bridge.Template
}

const (
	defaultTimeout = 10 * time.Second
	maxShortString = 255 // bytes of an exchange's name or a routing key
)

// check reports the first fault and fills in defaults.
func (c *Config) check() error {
	if err := (Route{c.Exchange, c.RoutingKey}).check(); err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	for camera, r := range c.Own {
		if err := r.check(); err != nil {
			return fmt.Errorf("rabbitmq: camera %s: %w", camera, err)
		}
	}
	if !c.Body.known() {
		return fmt.Errorf("rabbitmq: body %q is not known", c.Body)
	}
	if c.Expiration < 0 || c.Expiration > 0 && c.Expiration < time.Millisecond {
		return fmt.Errorf("rabbitmq: expiration %v is neither 0 nor at least 1ms", c.Expiration)
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	return checkURL(c.URL)
}

func (r Route) check() error {
	switch {
	case r.Exchange == "":
		return errors.New("no exchange")
	case len(r.Exchange) > maxShortString:
		return fmt.Errorf("exchange name of %d bytes is longer than %d", len(r.Exchange), maxShortString)
	case r.RoutingKey == nil:
		return errors.New("no routing key template")
	}
	return nil
}

// route is where a frame goes.
func (c *Config) route(f *schema.Frame) Route {
	if len(c.Own) > 0 {
		if own, ok := c.Own[f.Site+"."+f.Camera]; ok {
			return own
		}
	}
	return Route{c.Exchange, c.RoutingKey}
}

// exchanges are the names of all exchanges, each once.
func (c *Config) exchanges() []string {
	names := []string{c.Exchange}
	for _, r := range c.Own {
		names = append(names, r.Exchange)
	}
	slices.Sort(names)
	return slices.Compact(names)
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
