package redis

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/edge-video/edge-video/bridge"
)

// Config is what a Redis sink needs to know.
type Config struct {
	URL       string           // redis://, rediss:// or unix://, with user, password and database
	Cluster   bool             // URL and Addresses are of nodes of a Redis Cluster
	Sentinel  Sentinel         // URL and Addresses are of Sentinels; user, password and database are the master's
	Addresses []string         // further nodes or Sentinels, host:port: one of all has to answer
	Key       *bridge.Template // under which a frame is stored
	TTL       time.Duration    // how long a frame is kept; 0 is for ever
	Timeout   time.Duration    // for connecting, and for the answer to one pipeline; 0 is 10 s
	Adaptive  Adaptive         // in place of TTL, unless its Max is 0
	Site      string           // our own; cameras of others are named with theirs
	Latest    *bridge.Template // under which a camera's newest frame is, for as long as a frame; nil is none
	Metadata  Metadata
	TLS       bridge.TLS // with rediss
}

// Metadata is an entry in a Redis stream for every stored frame, with its id, key, camera, site, captured, width, height,
// content_type and size.
type Metadata struct {
	Stream *bridge.Template // the stream's key; nil is no entry
	MaxLen int64            // about how many entries the stream keeps; 0 is all
}

const defaultTimeout = 10 * time.Second

// options checks the configuration and makes of it what the client needs to know, and the addresses of nodes or Sentinels.
func (c *Config) options() (*redis.Options, []string, error) {
	switch {
	case c.Key == nil:
		return nil, nil, errors.New("redis: no key template")
	case c.TTL < 0 || c.TTL > 0 && c.TTL < time.Millisecond:
		return nil, nil, fmt.Errorf("redis: ttl %v is neither 0 nor at least 1ms", c.TTL)
	case c.Adaptive.Max > 0 && (c.Adaptive.Min < time.Millisecond || c.Adaptive.Max < c.Adaptive.Min):
		return nil, nil, fmt.Errorf("redis: adaptive ttl from %v to %v is not from 1ms upwards", c.Adaptive.Min, c.Adaptive.Max)
	case c.Metadata.MaxLen < 0:
		return nil, nil, fmt.Errorf("redis: metadata length %d is negative", c.Metadata.MaxLen)
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	o, addresses, err := c.servers()
	if err != nil {
		return nil, nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = c.Timeout, c.Timeout, c.Timeout
	// The worker alone repeats, and the connections are the sink's own, one client for each.
	o.MaxRetries = -1
	o.PoolSize, o.PipelinePoolSize = 1, -1
	o.ConnMaxIdleTime, o.ConnMaxLifetime = -1, 0
	o.WriteBufferSize = writeBuffer
	// Nothing here needs the server to speak unasked.
	o.Protocol = 2
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, addresses, nil
}

// writeBuffer is large because one write of several pictures costs less than one of each, although it copies them. Where a connection can
// do without the copies, see gather.
const writeBuffer = 512 << 10

// servers reads where to connect to.
func (c *Config) servers() (*redis.Options, []string, error) {
	u, err := bridge.ParseURL(c.URL, "redis://user:password@host:6379/0", "redis", "rediss", "unix")
	if err != nil {
		return nil, nil, fmt.Errorf("redis: %w", err)
	}
	o, err := redis.ParseURL(c.URL)
	if err != nil {
		return nil, nil, fmt.Errorf("redis: url %s: %w", u.Redacted(), err)
	}
	sentinel := c.Sentinel.Master != ""
	switch {
	case c.Cluster && sentinel:
		return nil, nil, errors.New("redis: either sentinel or cluster")
	case !c.Cluster && !sentinel && len(c.Addresses) > 0:
		return nil, nil, errors.New("redis: further addresses without sentinel or cluster")
	case (c.Cluster || sentinel) && u.Scheme == "unix":
		return nil, nil, errors.New("redis: sentinel and cluster are not to be had over a unix socket")
	case c.Cluster && o.DB != 0:
		return nil, nil, fmt.Errorf("redis: database %d of a cluster, which has 0 alone", o.DB)
	case c.Cluster && c.Adaptive.Max > 0:
		return nil, nil, errors.New("redis: an adaptive ttl in a cluster")
	}
	port := "6379"
	if sentinel {
		port = sentinelPort
		if u.Port() == "" {
			host, _, _ := net.SplitHostPort(o.Addr) // as the parser has just joined it
			o.Addr = net.JoinHostPort(host, port)
		}
	}
	addresses, err := c.addresses(o.Addr, port)
	return o, addresses, err
}
