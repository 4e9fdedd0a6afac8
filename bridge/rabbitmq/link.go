package rabbitmq

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// heartbeat is the interval the broker is asked to agree to. A URL can say another one.
const heartbeat = 5 * time.Second

// link is a connection with a channel that confirms.
type link struct {
	raw  net.Conn // under conn. Closing it is the only way out of a write that hangs: the client takes its own locks to shut down.
	conn *amqp.Connection
	ch   *amqp.Channel
}

// dial opens a link within ctx.
func dial(ctx context.Context, cfg *Config) (*link, error) {
	l := &link{}
	stop := func() bool { return true }
	u, err := amqp.ParseURI(cfg.URL)
	if err != nil {
		return nil, err
	}
	secure, err := tlsConfig(cfg, &u)
	if err != nil {
		return nil, err
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(cfg.Name)
	conn, err := amqp.DialConfig(cfg.URL, amqp.Config{
		SASL:            mechanisms(&u, properties),
		Vhost:           cfg.VHost,
		Heartbeat:       heartbeat,
		Properties:      properties,
		TLSClientConfig: secure,
		Dial: func(network, addr string) (net.Conn, error) {
			var d net.Dialer
			raw, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			l.raw = raw
			stop = context.AfterFunc(ctx, func() { raw.Close() })
			return raw, nil
		},
	})
	if err != nil {
		err = loginFault(err, secure != nil)
	} else {
		l.conn = conn
		err = l.prepare(cfg)
	}
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		if l.raw != nil {
			l.raw.Close()
		}
		return nil, err
	}
	return l, nil
}

// prepare opens the channel and sees to the exchanges.
func (l *link) prepare(cfg *Config) (err error) {
	if l.ch, err = l.conn.Channel(); err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	declare, doing := l.ch.ExchangeDeclare, "declaring"
	if cfg.Passive {
		declare, doing = l.ch.ExchangeDeclarePassive, "looking for"
	}
	for _, name := range cfg.exchanges() {
		if err := declare(name, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
			return fmt.Errorf("%s topic exchange %q: %w", doing, name, err)
		}
	}
	if err := l.ch.Confirm(false); err != nil {
		return fmt.Errorf("asking for confirms: %w", err)
	}
	return nil
}

// tlsConfig is nil where the connection is not encrypted.
func tlsConfig(cfg *Config, u *amqp.URI) (*tls.Config, error) {
	if u.Scheme != "amqps" {
		return nil, nil
	}
	return cfg.TLS.Config(u.Host)
}
