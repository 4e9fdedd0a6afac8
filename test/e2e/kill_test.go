package e2e_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestKill9_AcknowledgedFramesReachTheSinks kills the node under load, at once and again and again, and holds it to what the stream
// had acknowledged: that is still in the stream, and arrives. Every start works, and no FFmpeg is left behind.
func TestKill9_AcknowledgedFramesReachTheSinks(t *testing.T) {
	kills := 5
	if soak {
		kills = 100
	}
	seed := uint64(20261124)
	random := rand.New(rand.NewPCG(seed, seed))
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	cache := harness.StartRedis(t, harness.RedisOptions{})
	q := bindQueue(t, broker)
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")),
		Bridges: lines(brokerBridge(broker.URL()), cacheBridge(cache.URL()))})
	js := n.JetStream()
	acked := map[string]bool{} // by the stream, as seen from outside before each kill
	for i := range kills {
		before := storedCount(t, js, "*")
		// At least one frame of this run, then a random moment.
		harness.WaitFor(t, time.Minute, "frames after a start", func() bool { return storedCount(t, js, "*") > before })
		moment := time.Now().Add(time.Duration(random.IntN(3000)) * time.Millisecond)
		last := watchFrames(t, n, acked)
		harness.WaitFor(t, 10*time.Second, "the moment of the kill", func() bool { return time.Now().After(moment) })
		children := n.Children()
		if len(children) == 0 {
			t.Fatal("the node has no FFmpeg")
		}
		n.Kill()
		last()
		for _, pid := range children {
			harness.WaitFor(t, 5*time.Second, "FFmpeg to end with the node", func() bool { return !harness.Alive(pid) })
		}
		n.Start()
		harness.WaitFor(t, 30*time.Second, "the stream after kill "+time.Duration(i).String(), func() bool { return n.Readyz().Status != 0 && storedCount(t, js, "*") >= before })
	}
	harness.WaitFor(t, time.Minute, "both bridges to catch up", func() bool {
		return storedCount(t, js, "*") > 0 && caughtUp(t, js, "broker") && caughtUp(t, js, "cache")
	})
	frames := stored(t, js)
	waitPassed(t, js, time.Minute, "broker", "cache")
	held := map[string]bool{}
	for _, f := range frames {
		held[f.ID()] = true
	}
	for id := range acked {
		if !held[id] {
			t.Errorf("frame %s was stored and is gone", id)
		}
	}
	t.Logf("%d kills, %d frames stored, %d of them seen before a kill; RabbitMQ got %d again, Redis %d", kills, len(frames), len(acked),
		checkArrivals(t, "RabbitMQ", frames, q.take(t)), checkArrivals(t, "Redis", frames, inRedis(t, cache.Client())))
}

// watchFrames notes the identity of each frame that the stream hands out, for it has acknowledged it; the function it returns ends
// that.
func watchFrames(t *testing.T, n *harness.Node, ids map[string]bool) (end func()) {
	t.Helper()
	nc, err := nats.Connect(n.NATSURL(), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	sub, err := js.SubscribeSync("frames.test.>", nats.OrderedConsumer(), nats.HeadersOnly(), nats.StartTime(time.Now().Add(-5*time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := sub.NextMsgWithContext(ctx)
			if err != nil {
				return
			}
			ids[m.Header.Get(schema.HeaderMsgID)] = true
		}
	}()
	return func() {
		cancel()
		<-done
		nc.Close()
	}
}

// TestSIGTERM_StoresWhatIsQueuedAndLeavesNothing stops the node in an orderly way.
func TestSIGTERM_StoresWhatIsQueuedAndLeavesNothing(t *testing.T) {
	cache := harness.StartRedis(t, harness.RedisOptions{})
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")), Bridges: lines(cacheBridge(cache.URL()))})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames", func() bool { return storedCount(t, js, "*") > 50 })
	children := n.Children()
	began := time.Now()
	n.Stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v, want at most 5 s", took)
	}
	if n.ExitCode() != 0 {
		t.Errorf("the node exited with %d, want 0", n.ExitCode())
	}
	for _, pid := range children {
		if harness.Alive(pid) {
			t.Errorf("FFmpeg %d is left", pid)
		}
	}
	n.Start()
	harness.WaitFor(t, 30*time.Second, "the stream", func() bool { return storedCount(t, js, "*") > 0 })
	frames := stored(t, js)
	for _, id := range []string{"cam-1", "cam-2"} {
		checkNoGap(t, ofCamera(frames, id))
		for _, kind := range []schema.EventKind{schema.KindGap, schema.KindLost} {
			if e := events(t, js, schema.ClassCamera, id, kind); len(e) > 0 {
				t.Errorf("camera %s: events of kind %s: %+v", id, kind, e)
			}
		}
	}
}
