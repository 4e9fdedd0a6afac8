package harness

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisCluster is three masters, each behind a proxy whose address it announces to clients. None of them serves while one is down.
type RedisCluster struct {
	Nodes   []*Redis
	Proxies []*Proxy
	t       testing.TB
	options RedisOptions
	buses   []string // ports at which nodes speak with each other
}

// StartRedisCluster starts the masters with the options, and returns when each knows which keys the others have.
func StartRedisCluster(t testing.TB, o RedisOptions) *RedisCluster {
	t.Helper()
	const slots, size = 16384, 3
	c := &RedisCluster{t: t, options: o}
	for n := range size {
		node := c.add()
		c.do(node, "cluster", "set-config-epoch", n+1)
		c.do(node, "cluster", "addslotsrange", n*slots/size, (n+1)*slots/size-1)
		c.meet(n)
	}
	c.wait()
	return c
}

// AddReplica starts a fourth node that takes the place of the n-th when that is down. It returns when the master has it.
func (c *RedisCluster) AddReplica(n int) *Redis {
	c.t.Helper()
	id := c.do(c.Nodes[n], "cluster", "myid")
	replica := c.add()
	c.meet(len(c.Nodes) - 1)
	WaitFor(c.t, 20*time.Second, "the replica to be one", func() bool {
		return replica.client.Do(c.t.Context(), "cluster", "replicate", id).Err() == nil
	})
	WaitFor(c.t, 20*time.Second, "all masters to know of the replica, and its own to feed it", func() bool {
		for _, node := range c.Nodes[:len(c.Nodes)-1] {
			if known, err := node.client.Do(c.t.Context(), "cluster", "replicas", id).StringSlice(); err != nil || len(known) != 1 {
				return false
			}
		}
		return strings.Contains(replica.client.Info(c.t.Context(), "replication").Val(), "master_link_status:up")
	})
	return replica
}

// add starts a node that knows of no other.
func (c *RedisCluster) add() *Redis {
	c.t.Helper()
	o := c.options
	o.port = FreePort(c.t)
	p, bus := StartProxy(c.t, hostPort(o.port)), fmt.Sprint(FreePort(c.t))
	o.Args = append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", bus, "--repl-diskless-sync-delay", "0",
		"--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", port(c.t, p), "--cluster-announce-bus-port", bus}, o.Args...)
	if o.Password != "" {
		o.Args = append(o.Args, "--masterauth", o.Password)
	}
	node := StartRedis(c.t, o)
	c.Nodes, c.Proxies, c.buses = append(c.Nodes, node), append(c.Proxies, p), append(c.buses, bus)
	return node
}

// meet makes the n-th node known to the first, and so to all.
func (c *RedisCluster) meet(n int) {
	c.t.Helper()
	if n > 0 {
		c.do(c.Nodes[0], "cluster", "meet", "127.0.0.1", port(c.t, c.Proxies[n]), c.buses[n])
	}
}

func port(t testing.TB, p *Proxy) string {
	t.Helper()
	_, port, err := net.SplitHostPort(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// wait returns when all masters serve.
func (c *RedisCluster) wait() {
	c.t.Helper()
	WaitFor(c.t, 30*time.Second, "the cluster to serve", func() bool {
		for _, node := range c.Nodes {
			info := node.client.ClusterInfo(c.t.Context()).Val()
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_slots_ok:16384") {
				return false
			}
		}
		return true
	})
}

// Addrs are those of the proxies.
func (c *RedisCluster) Addrs() (all []string) {
	for _, p := range c.Proxies {
		all = append(all, p.Addr())
	}
	return all
}

// Kill ends all masters with SIGKILL.
func (c *RedisCluster) Kill() {
	c.t.Helper()
	for _, node := range c.Nodes {
		node.Kill()
	}
}

// Start starts them again, and returns when they serve.
func (c *RedisCluster) Start() {
	c.t.Helper()
	for _, node := range c.Nodes {
		node.Start()
	}
	c.wait()
}

// Cut drops all connections through the proxies and refuses new ones.
func (c *RedisCluster) Cut() {
	for _, p := range c.Proxies {
		p.Cut()
	}
}

// Hang lets no more bytes through.
func (c *RedisCluster) Hang() {
	for _, p := range c.Proxies {
		p.Hang()
	}
}

// Slow delays every chunk.
func (c *RedisCluster) Slow(delay time.Duration) {
	for _, p := range c.Proxies {
		p.Slow(delay)
	}
}

// Restore ends Cut, Hang and Slow.
func (c *RedisCluster) Restore() {
	c.t.Helper()
	for _, p := range c.Proxies {
		p.Restore()
	}
}

// Owner is the master that has a key.
func (c *RedisCluster) Owner(key string) *Redis {
	c.t.Helper()
	for _, node := range c.Nodes {
		if err := node.client.Exists(c.t.Context(), key).Err(); err == nil {
			return node
		}
	}
	c.t.Fatalf("no master has %s", key)
	return nil
}

// Move has another master take over the slot of a key. between is called at each step: when the key's slot is on its way and the key is
// still at its old place, when the key is at its new place, and when everyone knows.
func (c *RedisCluster) Move(key string, from, to *Redis, between func()) {
	c.t.Helper()
	slot := c.do(from, "cluster", "keyslot", key)
	here, there := c.do(from, "cluster", "myid"), c.do(to, "cluster", "myid")
	c.do(to, "cluster", "setslot", slot, "importing", here)
	c.do(from, "cluster", "setslot", slot, "migrating", there)
	between()
	for {
		keys, err := from.client.ClusterGetKeysInSlot(c.t.Context(), int(slot.(int64)), 100).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		args := []any{"migrate", "127.0.0.1", to.port, "", 0, 5000}
		if from.password != "" {
			args = append(args, "auth", from.password)
		}
		args = append(args, "keys")
		for _, k := range keys {
			args = append(args, k)
		}
		c.do(from, args...)
	}
	between()
	for _, node := range []*Redis{to, from} {
		c.do(node, "cluster", "setslot", slot, "node", there)
	}
	between()
}

func (c *RedisCluster) do(r *Redis, args ...any) any {
	c.t.Helper()
	reply, err := r.client.Do(c.t.Context(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		c.t.Fatalf("%v: %v", args[0], err)
	}
	return reply
}
