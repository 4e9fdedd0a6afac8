package redis_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// clustered is a cluster behind proxies.
type clustered struct{ *harness.RedisCluster }

func (c clustered) config(t testing.TB) redis.Config {
	return redis.Config{
		URL: "redis://:pass@" + c.Addrs()[0], Addresses: c.Addrs()[1:], Cluster: true, Key: template(t, "frames:{camera}:{seq}"), TTL: time.Minute,
		Timeout: sinktest.Timeout, Metadata: redis.Metadata{Stream: template(t, "arrived:{camera}")},
	}
}

func (c clustered) NewSink(t testing.TB) bridge.Sink { return newSink(t, c.config(t)) }

func (c clustered) Received(t testing.TB) (ids []string) {
	for _, node := range c.Nodes {
		ids = append(ids, arrived(t, node.Client())...)
	}
	return ids
}

// Slow makes each link so slow that all together are about as slow as one.
func (c clustered) Slow(delay time.Duration) { c.RedisCluster.Slow(2 * delay) }

// Unacceptable is a frame whose metadata stream is no stream.
func (c clustered) Unacceptable(t testing.TB) *schema.Frame {
	do(t, c.Owner("arrived:refused"), "set", "arrived:refused", "")
	return sinktest.Frame("refused", 1, 10)
}

func TestCluster(t *testing.T) {
	c := clustered{harness.StartRedisCluster(t, harness.RedisOptions{Persistent: true, Password: "pass"})}
	t.Run("FollowsKeysThatMove", func(t *testing.T) { followsKeysThatMove(t, c) })
	t.Run("FaultsHaveTheirNames", func(t *testing.T) { clusterFaults(t, c) })
	t.Run("FrameAboveTheLimitIsRefusedAlone", func(t *testing.T) { frameAboveTheLimit(t, c) })
	sinktest.Run(t, c)
}

// A camera's stream, and its newest frame, move to another master while frames come.
func followsKeysThatMove(t *testing.T, c clustered) {
	cfg := c.config(t)
	cfg.Latest = template(t, "latest:{camera}")
	s := connected(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	var confirmed, failed atomic.Int64
	var want []string
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var answers sync.WaitGroup
		for seq := uint64(1); ctx.Err() == nil; seq++ {
			f := sinktest.Frame("mover", seq, 10_000)
			want = append(want, f.ID())
			answers.Add(1)
			s.Send(t.Context(), f, func(err error) {
				defer answers.Done()
				if confirmed.Add(1); err != nil && failed.Add(1) == 1 {
					t.Errorf("frame %d: %v", seq, err)
				}
			})
		}
		answers.Wait()
	}()
	more := func() {
		from := confirmed.Load()
		harness.WaitFor(t, 10*time.Second, "a few more frames", func() bool { return confirmed.Load() > from+300 || failed.Load() > 0 })
	}
	more()
	for _, key := range []string{"arrived:mover", "latest:mover"} {
		from := c.Owner(key)
		to := c.Nodes[(slices.Index(c.Nodes, from)+1)%len(c.Nodes)]
		c.Move(key, from, to, more)
		sent := from.Client().Info(t.Context(), "errorstats").Val()
		if c.Owner(key) != to || !strings.Contains(sent, "errorstat_ASK") || !strings.Contains(sent, "errorstat_MOVED") {
			t.Fatalf("%s has not moved, or no frame was sent on: %s", key, sent)
		}
	}
	stop()
	<-ended
	if diff := cmp.Diff(want, arrived(t, c.Owner("arrived:mover").Client())); diff != "" {
		t.Errorf("order of arrival (-want +got):\n%.2000s", diff)
	}
	last := sinktest.Frame("mover", uint64(len(want)), 10_000)
	if got, err := c.Owner("latest:mover").Client().Get(t.Context(), "latest:mover").Result(); err != nil || got != string(last.Data) {
		t.Errorf("the newest frame is another one, %v", err)
	}
	for n, node := range c.Nodes {
		if size := node.Client().DBSize(t.Context()).Val(); size < int64(len(want)/10) {
			t.Errorf("master %d has %d of %d frames", n, size, len(want))
		}
	}
}

func clusterFaults(t *testing.T, c clustered) {
	fault := func(change func(*redis.Config)) error {
		cfg := c.config(t)
		change(&cfg)
		s := newSink(t, cfg)
		defer func() { _ = s.Close() }()
		if err := s.Connect(t.Context()); err != nil {
			return err
		}
		var all []*schema.Frame
		for seq := range uint64(8) {
			all = append(all, sinktest.Frame("faults", seq+1, 1000))
		}
		return errors.Join(sinktest.Send(t, s, all...)...)
	}
	wantFault(t, fault(func(c *redis.Config) { c.URL = "redis://:wrong@" + c.URL[len("redis://:pass@"):] }), bridge.FaultCredentials, "WRONGPASS")
	wantFault(t, fault(func(c *redis.Config) { c.Cluster, c.Addresses = false, nil }), bridge.FaultConflict, "MOVED")
	plain := harness.StartRedis(t, harness.RedisOptions{Password: "pass"})
	wantFault(t, fault(func(c *redis.Config) { c.URL, c.Addresses = plain.URL(), nil }), bridge.FaultConflict, "cluster support disabled")

	for _, node := range c.Nodes {
		do(t, node, "acl", "setuser", "watcher", "on", ">right", "~*", "+ping", "+cluster|slots")
	}
	wantFault(t, fault(func(cfg *redis.Config) { cfg.URL = "redis://watcher:right@" + c.Addrs()[0] }), bridge.FaultPermission, "NOPERM")

	if err := fault(func(cfg *redis.Config) { // one of the addresses is enough
		cfg.Addresses = append([]string{"127.0.0.1:1"}, cfg.Addresses[0])
	}); err != nil {
		t.Errorf("got %v with an address at which nobody listens", err)
	}
	c.Proxies[1].Cut()
	wantFault(t, fault(func(*redis.Config) {}), bridge.FaultRefused, "refused")
	c.Proxies[1].Restore()
}

func frameAboveTheLimit(t *testing.T, c clustered) {
	for _, node := range c.Nodes {
		do(t, node, "config", "set", "proto-max-bulk-len", "1mb")
		defer do(t, node, "config", "set", "proto-max-bulk-len", "512mb")
	}
	s := newSink(t, c.config(t))
	var all []*schema.Frame
	for i, size := range []int{1000, 1 << 20, 2 << 20, 1000} {
		all = append(all, sinktest.Frame("large", uint64(i+1), size))
	}
	if refused := sinktest.Deliver(t, s, all, 0, nil, func() {}); !slices.Equal(refused, []int{2}) {
		t.Errorf("frames %v were refused, want 2 alone", refused)
	}
}

func TestCluster_ReplicaTakesOver(t *testing.T) {
	c := clustered{harness.StartRedisCluster(t, harness.RedisOptions{Password: "pass"})}
	config, stream := c.config(t), "arrived:dock-1"
	master := c.Owner(stream)
	replica := c.AddReplica(slices.Index(c.Nodes, master))
	afterKill(t, config, replica, master.Kill)
	if c.Owner(stream) != replica {
		t.Error("another node has the frames' stream")
	}
}
