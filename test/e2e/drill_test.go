package e2e_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// bridgeState is where a bridge's breaker stands, "" where that is not known.
func bridgeState(t *testing.T, js jetstream.JetStream, name string) schema.BreakerState {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), schema.BucketBridges)
	if err != nil {
		return ""
	}
	e, err := kv.Get(t.Context(), schema.StatusKey("test", name))
	if err != nil {
		return ""
	}
	var st schema.BridgeStatus
	if err := json.Unmarshal(e.Value(), &st); err != nil {
		t.Fatal(err)
	}
	return st.State
}

// TestDrill_HoldsABridgeAndLosesNothing holds one of two bridges for its time, until it is interrupted, and until it is killed.
func TestDrill_HoldsABridgeAndLosesNothing(t *testing.T) {
	t.Parallel()
	cache := harness.StartRedis(t, harness.RedisOptions{})
	other := harness.StartRedis(t, harness.RedisOptions{})
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")),
		Bridges: lines(cacheBridge(cache.URL()), strings.Replace(cacheBridge(other.URL()), "name: cache", "name: other, max_age: 1s", 1))})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames in Redis", func() bool { return storedCount(t, js, "*") > 20 && caughtUp(t, js, "cache") })
	out := exits(t, 0, n, "drill", "cache", "3s")
	report := regexp.MustCompile(`held for 3(\.\d)?s: (\d+) frames buffered, 0 lost, 0 refused by the sink\ndrained in .*; horizon \d+h.*, at its shortest \d+h`).FindStringSubmatch(out)
	if report == nil {
		t.Fatalf("the report is:\n%s", out)
	}
	if buffered, err := strconv.Atoi(report[2]); err != nil || buffered < 15 {
		t.Errorf("%d frames buffered in 3 s of two cameras at 10 frames a second", buffered)
	}
	if e := events(t, js, schema.ClassBridge, "cache", schema.KindBreaker); len(e) != 3 || e[0].State != "open" || e[2].State != "closed" {
		t.Errorf("events of the drill: %+v", e)
	}
	if e := events(t, js, schema.ClassBridge, "other", schema.KindBreaker); len(e) > 0 {
		t.Errorf("the other bridge felt it: %+v", e)
	}
	if out := exits(t, 0, n, "drill", "other", "3s"); !strings.Contains(out, " were skipped, too old by the bridge's max_age") {
		t.Errorf("the report of a bridge that takes no frame that is older than a second:\n%s", out)
	}
	if out := exits(t, 1, n, "drill", "cache", "23h"); !strings.Contains(out, "would lose some") {
		t.Errorf("a drill that is longer than the stream holds:\n%s", out)
	}
	for name, end := range map[string]os.Signal{"interrupted": os.Interrupt, "killed": os.Kill} {
		drill := newCommand(t, n, "drill", "cache", "5h")
		if err := drill.Start(); err != nil {
			t.Fatal(err)
		}
		harness.WaitFor(t, 20*time.Second, "an open breaker", func() bool { return bridgeState(t, js, "cache") == schema.BreakerOpen })
		if err := drill.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		_ = drill.Wait()
		harness.WaitFor(t, 10*time.Second, "the end of the hold after the command was "+name, func() bool {
			return bridgeState(t, js, "cache") == schema.BreakerClosed
		})
		if name == "interrupted" && !strings.Contains(drill.out.String(), "the hold is released") {
			t.Errorf("%s: exit %d\n%s", name, drill.ProcessState.ExitCode(), &drill.out)
		}
	}
	frames := stored(t, js)
	waitPassed(t, js, recovery, "cache")
	if again := checkArrivals(t, "Redis", frames, inRedis(t, cache.Client())); again > 0 {
		t.Errorf("%d frames came again", again)
	}
}
