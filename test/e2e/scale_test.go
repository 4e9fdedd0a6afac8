package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// feed stores frames of two made-up cameras, 500 a second in all, until the function it returns is called; that returns how many there are.
// While the node is down they wait.
func feed(t *testing.T, js jetstream.JetStream) (end func() int) {
	t.Helper()
	stop, stored := make(chan struct{}), make(chan int)
	epoch := time.Now().UnixMilli()
	data := bytes.Repeat([]byte("picture."), 512)
	go func() {
		n := 0
		defer func() { stored <- n }()
		tick := time.NewTicker(4 * time.Millisecond)
		defer tick.Stop()
		for ; ; n += 2 {
			for _, camera := range []string{"cam-1", "cam-2"} {
				f := &schema.Frame{Site: "test", Camera: camera, Node: "node-1", Epoch: epoch, Seq: uint64(n/2 + 1), Captured: time.Now(),
					ContentType: schema.ContentJPEG, Width: 64, Height: 48, Data: data}
				m := &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}
				for {
					if _, err := js.PublishMsg(t.Context(), m); err == nil {
						break
					}
					select {
					case <-t.Context().Done():
						return
					case <-tick.C:
					}
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				n += 2
				return
			}
		}
	}()
	return func() int {
		close(stop)
		return <-stored
	}
}

// brokerFor is a bridge to RabbitMQ that only processes of their own run.
func brokerFor(url, workers string) string {
	return fmt.Sprintf("  - {name: broker, workers: %s, in_node: false, timeout: 2s, breaker: {failures: 3, open: 1s, max_open: 4s}, rabbitmq: {url: '%s'}}\n",
		workers, url)
}

// startBridges starts three processes with the node's bridges.
func startBridges(t *testing.T, n *harness.Node) (all []*harness.Bridge) {
	t.Helper()
	for i := range 3 {
		all = append(all, harness.StartBridge(t, program, n.Config, fmt.Sprintf("worker-%d", i+1)))
	}
	return all
}

func delivered(b *harness.Bridge) float64 { return b.Metric("edge_video_bridge_delivered_total") }

// unordered are arrivals in the order of the stream, for a sink whose order does not count.
func unordered(frames []*schema.Frame, got []arrival) []arrival {
	place := map[string]int{}
	for i, f := range frames {
		place[f.ID()] = i
	}
	slices.SortStableFunc(got, func(a, b arrival) int { return place[a.id] - place[b.id] })
	return got
}

// TestBridgeProcesses_ShareADurableAndLoseNothingWhenKilled kills each of three processes in turn, under load.
func TestBridgeProcesses_ShareADurableAndLoseNothingWhenKilled(t *testing.T) {
	t.Parallel()
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	q := bindQueue(t, broker)
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Bridges: lines(brokerFor(broker.URL(), "shared"))})
	js := n.JetStream()
	workers := startBridges(t, n)
	end := feed(t, js)
	for i, w := range workers {
		harness.WaitFor(t, 30*time.Second, "each to deliver", func() bool {
			return !slices.ContainsFunc(workers, func(w *harness.Bridge) bool { return delivered(w) < 50 })
		})
		w.Kill()
		rest := slices.Delete(slices.Clone(workers), i, i+1)
		before := []float64{delivered(rest[0]), delivered(rest[1])}
		harness.WaitFor(t, 30*time.Second, "the others to go on", func() bool { return delivered(rest[0]) > before[0]+50 && delivered(rest[1]) > before[1]+50 })
		w.Start()
	}
	count := end()
	waitPassed(t, js, time.Minute, "broker")
	frames := stored(t, js)
	if len(frames) < count {
		t.Fatalf("%d frames are stored of %d", len(frames), count)
	}
	t.Logf("%d frames, %d of them again after three kills", len(frames), checkArrivals(t, "RabbitMQ", frames, unordered(frames, q.take(t))))
}

// TestBridgeProcesses_StandByAndKeepTheOrder kills the process whose turn it is, holds its successor still, and then restarts the node.
func TestBridgeProcesses_StandByAndKeepTheOrder(t *testing.T) {
	t.Parallel()
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	q := bindQueue(t, broker)
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Bridges: lines(brokerFor(broker.URL(), "standby"))})
	js := n.JetStream()
	workers := startBridges(t, n)
	end := feed(t, js)
	// active waits for one that delivers, and says which.
	active := func(limit time.Duration, than ...*harness.Bridge) (now *harness.Bridge) {
		before := map[*harness.Bridge]float64{}
		for _, w := range workers {
			if !slices.Contains(than, w) {
				before[w] = delivered(w)
			}
		}
		harness.WaitFor(t, limit, "a process that delivers", func() bool {
			for w, was := range before {
				if delivered(w) > was+10 {
					now = w
				}
			}
			return now != nil
		})
		return now
	}
	const takeover = 10 * time.Second
	now := active(30 * time.Second)
	for _, fault := range []struct {
		name       string
		begin, end func(*harness.Bridge)
	}{{"killed", (*harness.Bridge).Kill, (*harness.Bridge).Start}, {"held still", (*harness.Bridge).Pause, (*harness.Bridge).Resume}} {
		fault.begin(now)
		began := time.Now()
		next := active(takeover, now)
		t.Logf("after one was %s another took over within %v", fault.name, time.Since(began).Round(100*time.Millisecond))
		fault.end(now) // what it has still goes to the broker
		now = next
	}
	n.Kill()
	n.Start()
	active(30 * time.Second)
	count := end()
	waitPassed(t, js, time.Minute, "broker")
	frames := stored(t, js)
	if len(frames) < count {
		t.Fatalf("%d frames are stored of %d", len(frames), count)
	}
	t.Logf("%d frames, %d of them again after a kill, a halt and a restart of the node", len(frames), checkArrivals(t, "RabbitMQ", frames, q.take(t)))
	if gaps := events(t, js, schema.ClassBridge, "broker", schema.KindGap); len(gaps) > 0 {
		t.Errorf("frames are told to be missed: %+v", gaps)
	}
}

// TestBridgeProcess_OutlivesItsNodeAndEndsInOrder starts one before its node, which hands the bridge over to it, and takes the node away.
func TestBridgeProcess_OutlivesItsNodeAndEndsInOrder(t *testing.T) {
	t.Parallel()
	cache := harness.StartRedis(t, harness.RedisOptions{})
	options := harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2"))}
	with := func(keys string) string {
		return lines(strings.Replace(cacheBridge(cache.URL()), "name: cache,", "name: cache, "+keys, 1))
	}
	options.Bridges = with("workers: standby,")
	n := harness.NewNode(t, options)
	b := harness.StartBridge(t, program, n.Config, "apart", "--only", "cache")
	harness.WaitFor(t, 10*time.Second, "the process to say what it waits for", func() bool {
		r := b.Readyz()
		return r.Status == 503 && strings.Contains(b.Output(), "the node's server does not answer; it is tried again")
	})
	n.Start()
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames", func() bool { return storedCount(t, js, "*") > 50 && caughtUp(t, js, "cache") })
	if r := b.Readyz(); r.Status != 200 || len(r.Degraded) > 0 {
		t.Errorf("readiness is %+v", r)
	}
	options.Bridges = with("workers: standby, in_node: false,")
	n.Configure(options)
	n.Hangup()
	harness.WaitFor(t, 20*time.Second, "the process to deliver in the node's place", func() bool {
		return delivered(b) > 20 && caughtUp(t, js, "cache") && n.Metric("edge_video_bridge_delivered_total") == 0 // the node has the bridge no more
	})
	if out := exits(t, 0, n, "drill", "cache", "2s"); !strings.Contains(out, " 0 lost") {
		t.Errorf("a drill of a bridge in a process of its own:\n%s", out)
	}
	if out := exits(t, 0, n, "replay", "--bridge", "cache", "--from", "-1h", "--camera", "cam-1", "--rate", "0"); !strings.Contains(out, "confirmed again") {
		t.Errorf("a replay:\n%s", out)
	}
	if r := n.Readyz(); r.Status != 200 || len(r.Degraded) > 0 {
		t.Errorf("the node misses the bridge: %+v", r)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.yaml")
	if err := os.WriteFile(elsewhere, []byte("site: porto\nbridges:\n"+options.Bridges), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := exits(t, 1, n, "bridge", "--config", elsewhere); !strings.Contains(out, "not the frames of site porto; check --server, or site in "+elsewhere) {
		t.Errorf("the server of another site:\n%s", out)
	}
	options.Bridges = with("workers: standby, in_node: false, rate: 5000,")
	n.Configure(options)
	b.Hangup()
	harness.WaitFor(t, 10*time.Second, "the changed configuration", func() bool { return strings.Contains(b.Output(), "bridges[cache].rate") })
	pid := b.PID()
	n.Kill()
	harness.WaitFor(t, 10*time.Second, "the loss to be seen", func() bool { return b.Readyz().Status == 503 })
	before := delivered(b)
	n.Start()
	harness.WaitFor(t, 30*time.Second, "frames after the node's restart", func() bool {
		return b.PID() == pid && delivered(b) > before+20 && b.Readyz().Status == 200
	})
	b.Stop()
	if b.ExitCode() != 0 {
		t.Errorf("exit %d after SIGTERM", b.ExitCode())
	}
	had := inRedis(t, cache.Client())
	b.Start()
	frames := stored(t, js)
	waitPassed(t, js, recovery, "cache")
	all := inRedis(t, cache.Client())
	checkArrivals(t, "Redis", frames, all)
	for _, a := range all[len(had):] {
		if slices.ContainsFunc(had, func(b arrival) bool { return b.id == a.id }) {
			t.Errorf("frame %s came again after an orderly stop", a.id)
		}
	}
}

// TestBridgeProcess_NeedsFewRightsAndTellsNoPassword runs one as the user of the example, through an outage with a backlog.
func TestBridgeProcess_NeedsFewRightsAndTellsNoPassword(t *testing.T) {
	t.Parallel()
	cache := harness.StartRedis(t, harness.RedisOptions{})
	users := filepath.Join(t.TempDir(), "nats.conf")
	example, err := os.ReadFile("../../deploy/nats-users.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("lisbon", "test", "$OPERATOR_PASSWORD", "all", "$BRIDGE_PASSWORD", "hunter2").Replace(string(example))
	if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	apart := strings.Replace(cacheBridge(cache.URL()), "name: cache,", "name: cache, in_node: false, workers: standby, order: newest,", 1)
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: madeUp("cam-1"), Bridges: lines(apart), NATS: ", config: '" + users + "'"})
	host := strings.TrimPrefix(n.NATSURL(), "nats://")
	b := harness.StartBridge(t, program, n.Config, "apart", "--server", "nats://bridge:hunter2@"+host)
	nc, err := nats.Connect("nats://operator:all@" + host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 30*time.Second, "frames", func() bool { return delivered(b) > 20 })
	cache.Stop()
	harness.WaitFor(t, 30*time.Second, "a backlog", func() bool { return pending(t, js, "cache") > 30 })
	cache.Start()
	harness.WaitFor(t, 30*time.Second, "the jump over the backlog", func() bool { return strings.Contains(b.Output(), "live frames come first") })
	if out := exits(t, 0, n, "drill", "cache", "1s", "--server", "nats://operator:all@"+host); !strings.Contains(out, " 0 lost") {
		t.Errorf("a drill:\n%s", out)
	}
	waitPassed(t, js, recovery, "cache")
	if out := b.Output(); strings.Contains(out, "ermissions") || strings.Contains(out, "hunter2") {
		t.Errorf("a right is missing, or the password is told:\n%s", out)
	}
}
