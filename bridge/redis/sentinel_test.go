package redis_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// noting notes which frames were confirmed over the first connection.
type noting struct {
	bridge.Sink
	mu          sync.Mutex
	connections int
	first       map[string]bool
}

func (n *noting) Connect(ctx context.Context) error {
	n.mu.Lock()
	n.connections++
	n.mu.Unlock()
	return n.Sink.Connect(ctx)
}

func (n *noting) Send(ctx context.Context, f *schema.Frame, done func(error)) {
	n.Sink.Send(ctx, f, func(err error) {
		n.mu.Lock()
		if err == nil && n.connections == 1 {
			n.first[f.ID()] = true
		}
		n.mu.Unlock()
		done(err)
	})
}

func TestSentinel(t *testing.T) {
	group := harness.StartSentinels(t, harness.RedisOptions{Password: "pass"})
	config := redis.Config{
		URL: "redis://:pass@" + group.Addrs()[0], Addresses: group.Addrs()[1:], Key: template(t, "frames:{camera}:{seq}"), TTL: time.Minute,
		Sentinel: redis.Sentinel{Master: harness.SentinelMaster, Password: harness.SentinelPassword},
		Timeout:  sinktest.Timeout, Metadata: redis.Metadata{Stream: template(t, "arrived:{camera}")},
	}
	t.Run("FaultsHaveTheirNames", func(t *testing.T) { sentinelFaults(t, config) })
	t.Run("FailoverLosesNothingUnconfirmed", func(t *testing.T) { failover(t, config, group) })
}

func sentinelFaults(t *testing.T, config redis.Config) {
	connecting := func(change func(*redis.Config)) error {
		cfg := config
		change(&cfg)
		s := newSink(t, cfg)
		defer func() { _ = s.Close() }()
		return s.Connect(t.Context())
	}
	wantFault(t, connecting(func(c *redis.Config) { c.Sentinel.Master = "others" }), bridge.FaultMissing, `"others"`)
	wantFault(t, connecting(func(c *redis.Config) { c.Sentinel.Password = "wrong" }), bridge.FaultCredentials, "WRONGPASS")
	wantFault(t, connecting(func(c *redis.Config) { c.Sentinel.Password = "" }), bridge.FaultCredentials, "NOAUTH")
	wantFault(t, connecting(func(c *redis.Config) { c.URL = "redis://:wrong@" + c.Addresses[0] }), bridge.FaultCredentials, "WRONGPASS")
	wantFault(t, connecting(func(c *redis.Config) { c.URL, c.Addresses = "redis://127.0.0.1:1", []string{"127.0.0.1:2"} }), bridge.FaultRefused, "refused")
	if err := connecting(func(c *redis.Config) { c.URL = "redis://:pass@127.0.0.1:1" }); err != nil {
		t.Errorf("got %v with a Sentinel that is not there", err)
	}
}

// The master, and a Sentinel, are killed while frames come.
func failover(t *testing.T, config redis.Config, group *harness.Sentinels) {
	afterKill(t, config, group.Replica, func() {
		group.Master.Kill()
		group.Kill(2)
	})
	group.WaitMaster(0, group.Replica)
}

// afterKill sends frames, has their master killed among them, and looks at what its replica comes to have.
func afterKill(t *testing.T, config redis.Config, replica *harness.Redis, kill func()) {
	t.Helper()
	var all []*schema.Frame
	for seq := range uint64(3000) {
		all = append(all, sinktest.Frame("dock-1", seq+1, 20_000))
	}
	s := &noting{Sink: newSink(t, config), first: map[string]bool{}}
	sinktest.Deliver(t, s, all, 500, kill, func() {})

	var got []string
	seen := map[string]bool{}
	for _, id := range arrived(t, replica.Client()) {
		if !seen[id] {
			got = append(got, id)
		}
		seen[id] = true
	}
	lost, at := 0, 0
	for _, f := range all {
		switch {
		case at < len(got) && got[at] == f.ID():
			at++
		case s.first[f.ID()]:
			lost++ // with the master that had confirmed it
		default:
			t.Fatalf("frame %d is not there, or not in its place", f.Seq)
		}
	}
	if at != len(got) {
		t.Errorf("%s arrived out of order", got[at])
	}
	t.Logf("of %d frames confirmed before the master was killed %d were not replicated yet; %d connections were tried", len(s.first), lost, s.connections)
}
