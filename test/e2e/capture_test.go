package e2e_test

import (
	"math"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

// TestCapture_SameFramesInStreamRabbitMQAndRedis is the main job: an RTSP camera and a made-up one, 10 pictures a second each.
func TestCapture_SameFramesInStreamRabbitMQAndRedis(t *testing.T) {
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	cache := harness.StartRedis(t, harness.RedisOptions{})
	camera := harness.StartRTSP(t, harness.RTSPOptions{FPS: 30, GOP: 30})
	q := bindQueue(t, broker)
	n := harness.StartNode(t, harness.NodeOptions{Program: program,
		Cameras: lines("  - {id: gate, url: '"+camera.URL()+"'}\n", madeUp("made-up")),
		Bridges: lines(brokerBridge(broker.URL()), cacheBridge(cache.URL()))})
	js := n.JetStream()
	const want = 120
	harness.WaitFor(t, time.Minute, "120 frames of both cameras", func() bool {
		return storedCount(t, js, "gate") >= want && storedCount(t, js, "made-up") >= want
	})
	if r := n.Readyz(); r.Status != 200 || len(r.Degraded) != 0 {
		t.Errorf("readiness is %+v", r)
	}
	n.Stop()
	if n.ExitCode() != 0 {
		t.Fatalf("the node exited with %d", n.ExitCode())
	}
	n.Start() // the stream is read from the node itself
	frames := stored(t, js)
	waitPassed(t, js, 20*time.Second, "broker", "cache")
	checkPictures(t, frames)
	for _, id := range []string{"gate", "made-up"} {
		some := ofCamera(frames, id)
		some = some[:min(len(some), want)] // of the first epoch
		checkNoGap(t, some)
		if r := rate(some); math.Abs(r-10) > 0.3 {
			t.Errorf("camera %s: %.2f frames a second, want 10 within 3 %%", id, r)
		}
	}
	checkArrivals(t, "RabbitMQ", frames, q.take(t))
	checkArrivals(t, "Redis", frames, inRedis(t, cache.Client()))
}
