package e2e_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/test/harness"
)

// outage is how long a sink is away, and recovery how long it may then take until nothing is left behind.
const (
	outage   = 10 * time.Second
	recovery = 2 * outage
)

// TestOutage_EveryStoredFrameArrivesInOrder takes the sinks away under load, one, the other, both, and one by a connection that hangs.
func TestOutage_EveryStoredFrameArrivesInOrder(t *testing.T) {
	t.Parallel()
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	cache := harness.StartRedis(t, harness.RedisOptions{Persistent: true})
	brokerProxy, cacheProxy := harness.StartProxy(t, broker.Addr()), harness.StartProxy(t, cache.Addr())
	q := bindQueue(t, broker)
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")),
		Bridges: lines(brokerBridge(broker.URLAt(brokerProxy.Addr())), cacheBridge(cache.URLAt(cacheProxy.Addr())))})
	js := n.JetStream()
	live := func() bool {
		return storedCount(t, js, "*") > 20 && caughtUp(t, js, "broker") && caughtUp(t, js, "cache")
	}
	harness.WaitFor(t, 30*time.Second, "frames in both sinks", live)
	goroutines := n.Metric("go_goroutines")

	for _, o := range []struct {
		name    string
		down    []string // bridges
		take    func()
		restore func()
	}{
		{"RabbitMQ stopped", []string{"broker"}, broker.Stop, broker.Start},
		{"Redis stopped", []string{"cache"}, cache.Stop, cache.Start},
		{"both stopped", []string{"broker", "cache"}, func() { broker.Stop(); cache.Stop() }, func() { cache.Start(); broker.Start() }},
		{"both hang", []string{"broker", "cache"}, func() { brokerProxy.Hang(); cacheProxy.Hang() }, func() { brokerProxy.Restore(); cacheProxy.Restore() }},
	} {
		t.Run(o.name, func(t *testing.T) {
			began := time.Now()
			o.take()
			other := map[string]bool{"broker": true, "cache": true}
			for _, b := range o.down {
				delete(other, b)
			}
			harness.WaitFor(t, outage+5*time.Second, "the end of the outage", func() bool {
				for b := range other {
					if p := pending(t, js, b); p > 40 {
						t.Errorf("bridge %s has %d frames waiting though its sink is up", b, p)
					}
				}
				return time.Since(began) >= outage
			})
			for _, b := range o.down {
				if p := pending(t, js, b); p < 100 {
					t.Errorf("bridge %s has only %d frames waiting after %v", b, p, outage)
				}
			}
			o.restore()
			harness.WaitFor(t, recovery, "the backlog to be gone", func() bool {
				return caughtUp(t, js, "broker") && caughtUp(t, js, "cache")
			})
		})
	}

	if r := n.Readyz(); r.Status != 200 {
		t.Errorf("readiness is %+v", r)
	}
	// No goroutine per frame, and none left by a lost connection; a few come and go with requests.
	harness.WaitFor(t, 20*time.Second, "as many goroutines as before the outages", func() bool { return n.Metric("go_goroutines") <= goroutines+10 })
	frames := stored(t, js)
	waitPassed(t, js, recovery, "broker", "cache")
	for _, id := range []string{"cam-1", "cam-2"} {
		checkNoGap(t, ofCamera(frames, id))
	}
	t.Logf("%d frames; RabbitMQ got %d again, Redis %d", len(frames),
		checkArrivals(t, "RabbitMQ", frames, q.take(t)), checkArrivals(t, "Redis", frames, inRedis(t, cache.Client())))
}

// caughtUp says that no more is on its way to a bridge's sink than live frames.
func caughtUp(t *testing.T, js jetstream.JetStream, bridge string) bool {
	return pending(t, js, bridge) <= 10
}
