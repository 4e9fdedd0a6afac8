package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// bridgingHub starts a hub with bridges that takes leaf nodes at door.
func bridgingHub(t *testing.T, bridges string) (hub *harness.Node, door string) {
	t.Helper()
	door = fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	return harness.StartNode(t, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}", Bridges: bridges,
		More: "hub: {mirror: true}\n"}), door
}

// under is a site of one camera, cam-1, under a hub.
func under(door, site, more string) harness.NodeOptions {
	return harness.NodeOptions{Program: program, Site: site, Cameras: lines(madeUp("cam-1")),
		NATS: fmt.Sprintf(", leaf: {remotes: [{url: 'nats-leaf://%s'}]}", door), More: more}
}

// waitFrames waits until the bridge at a hub has brought so many frames of each site to its sink, and everything after.
func waitFrames(t *testing.T, hub *harness.Node, bridge string, n float64, sites ...string) {
	t.Helper()
	for _, site := range sites {
		harness.WaitFor(t, time.Minute, fmt.Sprintf("%v frames of %s by %s", n, site, bridge), func() bool {
			return hub.Metric("edge_video_bridge_delivered_total", `bridge="`+bridge+`"`, `site="`+site+`"`) >= n
		})
	}
}

// passed waits until a bridge at a hub has delivered what a stream holds now.
func passed(t *testing.T, js jetstream.JetStream, stream, bridge string) {
	t.Helper()
	last := lastOf(t, js, stream)
	harness.WaitFor(t, time.Minute, bridge+" to pass "+stream, func() bool {
		c, err := js.Consumer(t.Context(), stream, bridge)
		return err == nil && c.CachedInfo().AckFloor.Stream >= last
	})
}

// TestHub_BridgesBringEverySitesFramesUnderTheirOwnNames has one configuration of bridges at a hub serve two sites of a camera each, through
// an outage of the broker, which is one outage and not one for each site, and through the loss of one of two processes that have bridges
// alone. A site that a bridge names is missed until it is there.
func TestHub_BridgesBringEverySitesFramesUnderTheirOwnNames(t *testing.T) {
	t.Parallel()
	broker, cache := harness.StartRabbitMQ(t, harness.RabbitMQOptions{}), harness.StartRedis(t, harness.RedisOptions{})
	pinned, divided := harness.StartRedis(t, harness.RedisOptions{}), harness.StartRedis(t, harness.RedisOptions{})
	q := bindQueue(t, broker)
	hub, door := bridgingHub(t, lines(
		fmt.Sprintf("  - {name: broker, timeout: 2s, breaker: {failures: 3, open: 1s, max_open: 4s}, rabbitmq: {url: '%s', routing_key: 'camera.{site}.{camera}'}}\n", broker.URL()),
		fmt.Sprintf("  - {name: cache, redis: {url: '%s', key: '{site}:{camera}:{epoch}:{seq}', ttl: 1h, metadata: {stream: frames, max_len: 1000000}}}\n", cache.URL()),
		fmt.Sprintf("  - {name: some, cameras: ['porto.*'], redis: {url: '%s', key: 'some:{site}:{camera}:{epoch}:{seq}', ttl: 1h}}\n", cache.URL()),
		fmt.Sprintf("  - {name: keys, source: stored, of: cache, rabbitmq: {url: '%s', exchange: keys, routing_key: 'key.{site}', body: key}}\n", broker.URL()),
		workedBridge("pinned", "standby", pinned.URL()), workedBridge("divided", "shared", divided.URL())))
	workers := []*harness.Bridge{harness.StartBridge(t, program, hub.Config, "worker-1"), harness.StartBridge(t, program, hub.Config, "worker-2")}
	const lacking = "bridge some names site porto, and there is no FRAMES_porto: give the site credentials (edge-video site add porto)"
	harness.WaitFor(t, 20*time.Second, "the hub to say which site it does not know", func() bool {
		r := hub.Readyz()
		return r.Status == 200 && len(r.Degraded) == 1 && strings.HasPrefix(r.Degraded[0], lacking) && logged(hub, "bridge=some", "site=porto", "edge-video site add porto")
	})
	sites := []string{"lisbon", "porto"}
	for _, site := range sites {
		harness.StartNode(t, under(door, site, ""))
	}
	far := hub.JetStream()
	waitFrames(t, hub, "broker", 10, sites...)
	waitFrames(t, hub, "cache", 10, sites...)
	waitFrames(t, hub, "some", 10, "porto")
	harness.WaitFor(t, 10*time.Second, "the hub to know it", func() bool { return len(hub.Readyz().Degraded) == 0 })
	waitFrames(t, hub, "keys", 20, "hub") // STORED is the hub's own, for all sites
	if n := hub.Metric("edge_video_bridge_delivered_total", `bridge="some"`, `site="lisbon"`); n != 0 {
		t.Errorf("a bridge of porto brought %v frames of lisbon", n)
	}

	broker.Kill()
	harness.WaitFor(t, 20*time.Second, "the hub to name the bridge once", func() bool {
		r := hub.Readyz()
		named := 0
		for _, d := range r.Degraded {
			if strings.HasPrefix(d, "bridge broker") && strings.Contains(d, "of 3 sites") {
				named++
			}
		}
		return r.Status == 200 && named == 1
	})
	broker.Start()
	for _, site := range sites {
		passed(t, far, schema.MirrorStream(schema.StreamFrames, site), "broker")
		passed(t, far, schema.MirrorStream(schema.StreamFrames, site), "cache")
	}
	opened := 0
	for _, e := range hubEvents(t, far, schema.EventSubject("hub", schema.ClassBridge, "broker", schema.KindBreaker)) {
		if e.State == string(schema.BreakerOpen) {
			opened++
		}
	}
	tries := hub.Metric("edge_video_bridge_faults_total", `bridge="broker"`)
	if opened == 0 || tries > 20+float64(opened) { // three sessions, three tries, then a probe each time
		t.Errorf("%v faults while the breaker opened %d times: every site probes", tries, opened)
	}
	arrived, kept := q.take(t), inRedis(t, cache.Client())
	for _, site := range sites {
		want := framesOf(t, far, schema.MirrorStream(schema.StreamFrames, site))
		checkArrivals(t, "RabbitMQ of "+site, want[:min(len(want), countOf(arrived, site))], arrived)
		checkArrivals(t, "Redis of "+site, want[:min(len(want), countOf(kept, site))], kept)
	}

	if out := exits(t, 1, hub, "replay", "--bridge", "broker", "--from", "-1h"); !strings.Contains(out, "hub.broker lisbon.broker porto.broker") {
		t.Errorf("a replay of no site's frames:\n%s", out)
	}
	out := exits(t, 0, hub, "replay", "--bridge", "porto.broker", "--from", "-1h", "--rate", "0")
	if again := q.take(t); countOf(again, "porto") < 10 {
		t.Errorf("%d frames of porto came again:\n%s", countOf(again, "porto"), out)
	}
	if out := exits(t, 0, hub, "drill", "cache", "2s"); !strings.Contains(out, "0 lost, 0 refused") {
		t.Errorf("a drill over all sites:\n%s", out)
	}
	exits(t, 0, hub, "requeue", "broker", "--dry-run")

	t.Run("processes of their own divide the sites' frames, or stand by", func(t *testing.T) {
		loseWorker(t, hub, workers, sites)
		for _, site := range sites {
			want := framesOf(t, far, schema.MirrorStream(schema.StreamFrames, site))
			passed(t, far, schema.MirrorStream(schema.StreamFrames, site), "pinned")
			passed(t, far, schema.MirrorStream(schema.StreamFrames, site), "divided")
			checkArrivals(t, "the pinned worker of "+site, want, inRedis(t, pinned.Client()))
			checkArrivals(t, "the workers of "+site, want, unordered(want, inRedis(t, divided.Client())))
		}
	})

	if err := far.DeleteStream(t.Context(), "FRAMES_porto"); err != nil {
		t.Fatal(err)
	}
	before := hub.Metric("edge_video_bridge_delivered_total", `bridge="cache"`, `site="lisbon"`)
	waitFrames(t, hub, "cache", before+10, "lisbon")
	harness.WaitFor(t, time.Minute, "the mirror that was made anew to be bridged", func() bool {
		c, err := far.Consumer(t.Context(), "FRAMES_porto", "cache")
		return err == nil && c.CachedInfo().AckFloor.Stream > 0
	})
}

// workedBridge is a bridge for processes of their own.
func workedBridge(name, workers, url string) string {
	return fmt.Sprintf("  - {name: %s, workers: %s, in_node: false, timeout: 2s, redis: {url: '%s', key: '{site}:{camera}:{epoch}:{seq}', ttl: 1h, metadata: {stream: frames, max_len: 1000000}}}\n",
		name, workers, url)
}

// loseWorker kills the one of two processes whose turn it is with a site's frames, and waits until the other has all sites' in its place.
func loseWorker(t *testing.T, hub *harness.Node, workers []*harness.Bridge, sites []string) {
	t.Helper()
	delivered := func(b *harness.Bridge, bridge, site string) float64 {
		return b.Metric("edge_video_bridge_delivered_total", `bridge="`+bridge+`"`, `site="`+site+`"`)
	}
	active := -1
	harness.WaitFor(t, time.Minute, "both to deliver what they divide, and one what is pinned", func() bool {
		active = slices.IndexFunc(workers, func(b *harness.Bridge) bool { return delivered(b, "pinned", sites[0]) > 10 })
		return active >= 0 && delivered(workers[0], "divided", sites[0]) > 10 && delivered(workers[1], "divided", sites[0]) > 10
	})
	other := workers[1-active]
	if n := delivered(other, "pinned", sites[0]); n > 0 {
		t.Errorf("%v frames of %s were delivered beside the one whose turn it is", n, sites[0])
	}
	workers[active].Kill()
	for _, site := range sites {
		before := delivered(other, "pinned", site)
		harness.WaitFor(t, 30*time.Second, "the other to deliver what is pinned of "+site, func() bool { return delivered(other, "pinned", site) > before+10 })
	}
}

// logged reports whether one line of a node's log holds all parts.
func logged(n *harness.Node, parts ...string) bool {
	for line := range strings.Lines(n.Output()) {
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
			return true
		}
	}
	return false
}

// hubEvents are the events of a subject, oldest first.
func hubEvents(t *testing.T, js jetstream.JetStream, subject string) (all []schema.Event) {
	t.Helper()
	s, err := js.Stream(t.Context(), schema.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); ; {
		m, err := s.GetMsg(t.Context(), seq, jetstream.WithGetMsgSubject(subject))
		if err != nil {
			return all
		}
		var e schema.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Fatal(err)
		}
		all, seq = append(all, e), m.Sequence+1
	}
}

// countOf is how many different frames of a site arrived.
func countOf(got []arrival, site string) int {
	ids := map[string]bool{}
	for _, a := range got {
		if strings.HasPrefix(a.id, site+".") {
			ids[a.id] = true
		}
	}
	return len(ids)
}
