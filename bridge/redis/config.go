package redis

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/edge-video/edge-video/bridge"
)

// Config is what a Redis sink needs to know.
type Config struct {
	URL      string           // redis://, rediss:// or unix://, with user, password and database
	Key      *bridge.Template // under which a frame is stored
	TTL      time.Duration    // how long a frame is kept; 0 is for ever
	Timeout  time.Duration    // for connecting, and for the answer to one pipeline; 0 is 10 s
	Adaptive Adaptive         // in place of TTL, unless its Max is 0
	Site     string           // our own; cameras of others are named with theirs
	Latest   *bridge.Template // under which a camera's newest frame is, for as long as a frame; nil is none
	Metadata Metadata
	TLS      bridge.TLS // with rediss
}

// Metadata is an entry in a Redis stream for every stored frame, with its id, key, camera, site, captured, width, height,
// content_type and size.
type Metadata struct {
	Stream *bridge.Template // the stream's key; nil is no entry
	MaxLen int64            // about how many entries the stream keeps; 0 is all
}

const defaultTimeout = 10 * time.Second

// options checks the configuration and makes of it what the client needs to know.
func (c *Config) options() (*redis.Options, error) {
	switch {
	case c.Key == nil:
		return nil, errors.New("redis: no key template")
	case c.TTL < 0 || c.TTL > 0 && c.TTL < time.Millisecond:
		return nil, fmt.Errorf("redis: ttl %v is neither 0 nor at least 1ms", c.TTL)
	case c.Adaptive.Max > 0 && (c.Adaptive.Min < time.Millisecond || c.Adaptive.Max < c.Adaptive.Min):
		return nil, fmt.Errorf("redis: adaptive ttl from %v to %v is not from 1ms upwards", c.Adaptive.Min, c.Adaptive.Max)
	case c.Metadata.MaxLen < 0:
		return nil, fmt.Errorf("redis: metadata length %d is negative", c.Metadata.MaxLen)
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	o, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = c.Timeout, c.Timeout, c.Timeout
	// The worker alone repeats, and one connection keeps the order.
	o.MaxRetries = -1
	o.PoolSize, o.PipelinePoolSize = 1, -1
	o.ConnMaxIdleTime, o.ConnMaxLifetime = -1, 0
	o.WriteBufferSize = writeBuffer
	// Nothing here needs the server to speak unasked.
	o.Protocol = 2
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

// writeBuffer is large because one write of several pictures costs less than one of each, although it copies them.
const writeBuffer = 512 << 10

// parseURL reads the URL.
func parseURL(text string) (*redis.Options, error) {
	u, err := bridge.ParseURL(text, "redis://user:password@host:6379/0", "redis", "rediss", "unix")
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	o, err := redis.ParseURL(text)
	if err != nil {
		return nil, fmt.Errorf("redis: url %s: %w", u.Redacted(), err)
	}
	return o, nil
}
