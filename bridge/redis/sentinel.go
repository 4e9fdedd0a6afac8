package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
)

// Sentinel is how to find the master of a group of servers that Redis Sentinel watches.
type Sentinel struct {
	Master             string // the group's name; "" is no Sentinel
	Username, Password string // of the Sentinels' own, where they ask for one
}

// sentinelPort is where a Sentinel listens if its address does not say.
const sentinelPort = "26379"

// master asks the Sentinels where the master is, all at once; the first answer counts. The client's own way would go on watching in
// the background and speak to stderr, and a session needs to know only once: a failover ends its connection.
func (s *Sink) master(ctx context.Context) (string, error) {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		addr string
		err  error
	}
	answers := make(chan answer)
	for _, sentinel := range s.addresses {
		go func() {
			addr, err := s.ask(asking, sentinel)
			answers <- answer{addr, err}
		}()
	}
	var master string
	var errs []error
	for range s.addresses {
		switch a := <-answers; {
		case a.err != nil:
			errs = append(errs, a.err)
		case master == "":
			master = a.addr
			cancel()
		}
	}
	switch {
	case master != "":
		return master, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("asking sentinel: %w", context.Cause(ctx))
	}
	return "", errors.Join(errs...)
}

// ask is the answer of one Sentinel.
func (s *Sink) ask(ctx context.Context, sentinel string) (string, error) {
	conn, err := s.dial(ctx, sentinel)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	own := *s.options
	own.Username, own.Password, own.DB = s.cfg.Sentinel.Username, s.cfg.Sentinel.Password, 0
	own.Dialer = func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	client := redis.NewSentinelClient(&own)
	defer client.Close()
	addr, err := client.GetMasterAddrByName(ctx, s.cfg.Sentinel.Master).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return "", &bridge.SinkFault{Fault: bridge.FaultMissing,
			Err: fmt.Errorf("sentinel %s watches no master of the name %q", sentinel, s.cfg.Sentinel.Master)}
	case err != nil:
		return "", fmt.Errorf("asking sentinel %s: %w", sentinel, classify(err))
	}
	return net.JoinHostPort(addr[0], addr[1]), nil
}

// addresses are the URL's and the further ones, each with its port.
func (c *Config) addresses(first, port string) ([]string, error) {
	all := []string{first}
	for _, addr := range c.Addresses {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(addr, port)
		}
		if host, _, err := net.SplitHostPort(addr); err != nil || host == "" {
			return nil, fmt.Errorf("redis: %q is no address of the form host:port", addr)
		}
		if !slices.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	return all, nil
}
