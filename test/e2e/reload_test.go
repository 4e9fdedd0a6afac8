package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestTime_ReloadTouchesWhatChangedAlone has a running node take up a changed file: by signal, with a fault in it, and by request.
func TestTime_ReloadTouchesWhatChangedAlone(t *testing.T) {
	cache, other := harness.StartRedis(t, harness.RedisOptions{}), harness.StartRedis(t, harness.RedisOptions{})
	live := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 240, FPS: 10, GOP: 10})
	changing := func(more string) string { return "  - {id: changing, url: '" + live.URL() + "'" + more + "}\n" }
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("kept"), changing(""), madeUp("removed")),
		Bridges: lines(cacheBridge(cache.URL()))})
	js := n.JetStream()
	for _, id := range []string{"kept", "changing", "removed"} {
		harness.WaitFor(t, 30*time.Second, "frames of "+id, func() bool { return storedCount(t, js, id) > 5 })
	}
	kept, changed := cameraState(t, js, "kept").Epoch, cameraState(t, js, "changing").Epoch

	second := strings.Replace(cacheBridge(other.URL()), "name: cache", "name: other", 1)
	next := harness.NodeOptions{Cameras: lines(madeUp("kept"), changing(", width: 160"), madeUp("added")), Bridges: lines(cacheBridge(cache.URL()), second),
		More: "stream: {max_age: 1h}\n"}
	n.Configure(next)
	n.Hangup()
	harness.WaitFor(t, 30*time.Second, "the added camera's frames in both sinks, and the changed one's of another size", func() bool {
		return storedCount(t, js, "added") > 5 && len(inRedis(t, other.Client())) > 5 && cameraState(t, js, "changing").Epoch > changed
	})
	harness.WaitFor(t, 10*time.Second, "the removed camera to be down", func() bool { return cameraState(t, js, "removed").State == schema.CameraDown })
	harness.WaitFor(t, 10*time.Second, "the event of the change", func() bool {
		e := events(t, js, schema.ClassNode, "node-1", schema.KindControl)
		return len(e) == 1 && e[0].Reason == "reload" && strings.Contains(e[0].Message, "cameras[changing].width: 0 -> 160") &&
			strings.Contains(e[0].Message, "stream.max_age: 6h -> 1h (needs a restart of the node)")
	})
	if st := cameraState(t, js, "kept"); st.Epoch != kept || st.State != schema.CameraUp {
		t.Errorf("the camera that is the same: %+v, was in epoch %d", st, kept)
	}
	if got := n.Metric("edge_video_bridge_delivered_total", `bridge="other"`); got == 0 {
		t.Error("the new bridge has no metrics")
	}
	frames := ofCamera(stored(t, js), "changing")
	for i, f := range frames[1:] {
		if gap := f.Captured.Sub(frames[i].Captured); f.Epoch != frames[i].Epoch && gap > 200*time.Millisecond {
			t.Errorf("%v without a picture where the configuration changed, want at most an interval of 100 ms and as much again", gap)
		}
	}

	changed = cameraState(t, js, "changing").Epoch
	n.Configure(harness.NodeOptions{Cameras: lines(madeUp("other"), "  - {id: bad, url: 'gopher://h'}\n")})
	if out := request(t, n, "node.reload.test.node-1"); !strings.Contains(out, "cameras[1].url") || !strings.Contains(out, "begin with one of") {
		t.Errorf("the answer to a faulty file is %q, want it to name key and remedy", out)
	}
	if st := cameraState(t, js, "changing"); st.Epoch != changed || st.State != schema.CameraUp {
		t.Errorf("a faulty file was not refused whole: %+v", st)
	}

	next.Bridges = lines(cacheBridge(cache.URL()))
	n.Configure(next)
	if out := request(t, n, "node.reload.test.node-1"); !strings.Contains(out, "bridges[other]: removed") {
		t.Errorf("the answer is %q", out)
	}
	harness.WaitFor(t, 20*time.Second, "the removed bridge's metrics to go with it", func() bool {
		return n.Metric("edge_video_bridge_delivered_total", `bridge="other"`) == 0
	})
	if out := request(t, n, "node.reload.test.node-1"); !strings.Contains(out, "stream.max_age") {
		t.Errorf("the answer is %q, want what still needs a restart", out)
	}

	next.Bridges = lines(cacheBridge(cache.URL()), "  - {name: keys, source: stored, of: cache, rabbitmq: {url: 'amqp://127.0.0.1:1', body: key}}\n")
	n.Configure(next)
	if out := request(t, n, "node.reload.test.node-1"); !strings.Contains(out, "bridges[keys]: added") {
		t.Errorf("the answer is %q", out)
	}
	harness.WaitFor(t, 30*time.Second, "references of a bridge that is the same but for being referred to", func() bool {
		p := pendingIn(t, js, schema.StreamStored, "keys")
		return p > 5 && p < 1<<30
	})
}

// request asks a service through the nats CLI and returns what it shows.
func request(t *testing.T, n *harness.Node, subject string) string {
	t.Helper()
	return string(shell(t, n, "nats req --timeout 30s "+subject+" '' 2>&1"))
}

// TestKick_HasAnAbsentCameraTriedNow waits out no pause of half a minute.
func TestKick_HasAnAbsentCameraTriedNow(t *testing.T) {
	t.Parallel()
	live := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 240, GOP: 10})
	live.Stop()
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines("  - {id: gate, url: '" + live.URL() + "'}\n")})
	js := n.JetStream()
	kick := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, append([]string{"kick"}, args...)...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	harness.WaitFor(t, 60*time.Second, "the breaker to open", func() bool {
		if _, err := kick("gate", "--config", n.Config); err != nil { // hastens that, too
			return false
		}
		return cameraState(t, js, "gate").Breaker == schema.BreakerOpen
	})
	if out, err := kick("nobody", "--server", n.NATSURL()); err == nil || !strings.Contains(out, `no such camera: "nobody"`) {
		t.Errorf("a camera that does not exist: %v, %s", err, out)
	}
	live.Start()
	harness.WaitFor(t, 20*time.Second, "the camera to be up soon after a kick", func() bool {
		if st := cameraState(t, js, "gate"); st.State == schema.CameraUp {
			return st.Breaker == schema.BreakerClosed
		}
		_, err := kick("gate", "--server", n.NATSURL())
		return err != nil
	})
	if out, err := kick("gate", "--server", n.NATSURL()); err != nil || !strings.Contains(out, "is up") {
		t.Errorf("a camera that delivers: %v, %s", err, out)
	}
}

// shell runs a command line against the node.
func shell(t *testing.T, n *harness.Node, command string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", command)
	cmd.Env = append(os.Environ(), "NATS_URL="+n.NATSURL(), "HOME="+t.TempDir())
	cmd.WaitDelay = 20 * time.Second
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, said.String())
	}
	return out
}
