package mqtt

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/edge-video/edge-video/bridge"
)

// Config is what an MQTT sink needs to know.
type Config struct {
	URL      string           // mqtt:// or mqtts://, with user and password; the ports are 1883 and 8883 where it says none
	Topic    *bridge.Template // of each message
	Retain   bool             // the broker keeps each camera's newest message of a connection for those that subscribe later
	ClientID string           // of the connection; the broker ends an older connection of the same
	Timeout  time.Duration    // for connecting, and for the next acknowledgement; 0 is 10 s
	TLS      bridge.TLS       // with mqtts
}

const defaultTimeout = 10 * time.Second

// check reports the first fault, fills in defaults and reads the URL.
func (c *Config) check() (*url.URL, error) {
	switch {
	case c.Topic == nil:
		return nil, errors.New("mqtt: no topic template")
	case c.ClientID == "":
		return nil, errors.New("mqtt: no client id")
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	u, err := bridge.ParseURL(c.URL, "mqtt://user:password@host:1883", "mqtt", "mqtts")
	if err != nil {
		return nil, fmt.Errorf("mqtt: %w", err)
	}
	switch {
	case u.Hostname() == "":
		return nil, fmt.Errorf("mqtt: url %s names no host", u.Redacted())
	case u.Path != "" && u.Path != "/", u.RawQuery != "":
		return nil, fmt.Errorf("mqtt: url %s has more than user, password, host and port", u.Redacted())
	}
	return u, nil
}

// address is the URL's host and port.
func address(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "mqtts":
		port = "8883"
	default:
		port = "1883"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
