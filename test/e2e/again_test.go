package e2e_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// command is edge-video with arguments, against a node.
type command struct {
	*exec.Cmd
	out bytes.Buffer
}

func newCommand(t *testing.T, n *harness.Node, args ...string) *command {
	t.Helper()
	c := &command{Cmd: exec.CommandContext(t.Context(), program, args...)}
	c.Env = append(os.Environ(), "NATS_URL="+n.NATSURL())
	c.Stdout, c.Stderr = &c.out, &c.out
	c.WaitDelay = 20 * time.Second
	return c
}

// exits runs it and holds it to an exit code. It returns what it wrote.
func exits(t *testing.T, code int, n *harness.Node, args ...string) string {
	t.Helper()
	c := newCommand(t, n, args...)
	err := c.Run()
	if got := c.ProcessState.ExitCode(); got != code {
		t.Errorf("edge-video %s: exit %d (%v), want %d:\n%s", strings.Join(args, " "), got, err, code, &c.out)
	}
	return c.out.String()
}

// deadCount is how many messages DEAD holds.
func deadCount(t *testing.T, js jetstream.JetStream) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	st, err := js.Stream(ctx, schema.StreamDead)
	if err != nil {
		return 0 // the node is starting
	}
	return int(st.CachedInfo().State.Msgs)
}

// TestRequeue_WhatASinkRefusedArrivesAndLeavesDEAD has Redis refuse every frame until its fault is mended.
func TestRequeue_WhatASinkRefusedArrivesAndLeavesDEAD(t *testing.T) {
	t.Parallel()
	cache := harness.StartRedis(t, harness.RedisOptions{})
	if err := cache.Client().Set(t.Context(), "frames", "no stream", 0).Err(); err != nil { // the metadata's key
		t.Fatal(err)
	}
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")), Bridges: lines(cacheBridge(cache.URL()))})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames in DEAD", func() bool { return deadCount(t, js) > 30 })
	if out := exits(t, 2, n, "requeue", "cache"); !strings.Contains(out, "--yes or --dry-run") {
		t.Errorf("without a word on what to do:\n%s", out)
	}
	if out := exits(t, 0, n, "requeue", "cache", "--dry-run"); !regexp.MustCompile(`\d+ +cam-1 +frame rejected: .*WRONGTYPE`).MatchString(out) {
		t.Errorf("what is shown of DEAD:\n%s", out)
	}
	if out := exits(t, 1, n, "requeue", "cache", "--yes", "--camera", "cam-2"); !strings.Contains(out, "refused again and stay in DEAD") {
		t.Errorf("while the fault lasts:\n%s", out)
	}
	if out := exits(t, 1, n, "requeue", "cach", "--yes"); !strings.Contains(out, "no process that runs now has this bridge") {
		t.Errorf("a bridge that nobody has:\n%s", out)
	}
	if err := cache.Client().Del(t.Context(), "frames").Err(); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 10*time.Second, "frames that are not refused", func() bool { return len(inRedis(t, cache.Client())) > 0 })
	dead := deadCount(t, js)
	out := exits(t, 0, n, "requeue", "cache", "--yes", "--reason", "frame rejected", "--rate", "0")
	if !strings.Contains(out, strconv.Itoa(dead)+" frames confirmed") || deadCount(t, js) != 0 {
		t.Errorf("%d messages are left of %d:\n%s", deadCount(t, js), dead, out)
	}
	frames := stored(t, js)
	waitPassed(t, js, 10*time.Second, "cache")
	arrived := map[string]int{}
	for _, a := range inRedis(t, cache.Client()) {
		arrived[a.id]++
	}
	for _, f := range frames {
		if arrived[f.ID()] != 1 {
			t.Errorf("frame %s arrived %d times, want once", f.ID(), arrived[f.ID()])
		}
	}
}

// TestReplay_BringsASpanAgainBesideTheLiveFrames replays to a real broker, with an outage in the middle, and once it is interrupted.
func TestReplay_BringsASpanAgainBesideTheLiveFrames(t *testing.T) {
	t.Parallel()
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	proxy := harness.StartProxy(t, broker.Addr())
	q := bindQueue(t, broker)
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")),
		Bridges: lines(brokerBridge(broker.URLAt(proxy.Addr())))})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames in the broker", func() bool { return storedCount(t, js, "cam-1") > 60 && caughtUp(t, js, "broker") })
	held := ofCamera(stored(t, js), "cam-1")
	span := held[5:55]
	from, to := span[0].Captured.Format(schema.CapturedLayout), span[len(span)-1].Captured.Format(schema.CapturedLayout)

	replay := newCommand(t, n, "replay", "--bridge", "broker", "--from", from, "--to", to, "--camera", "cam-1", "--rate", "20")
	if err := replay.Start(); err != nil {
		t.Fatal(err)
	}
	again := func() float64 { return n.Metric("edge_video_bridge_redelivered_total", `bridge="broker"`) }
	harness.WaitFor(t, 20*time.Second, "some of the replay", func() bool {
		if p := pending(t, js, "broker"); p > 20 {
			t.Errorf("%d live frames wait while others are replayed", p)
		}
		return again() > 15
	})
	proxy.Cut()
	harness.WaitFor(t, 20*time.Second, "an outage", func() bool { return pending(t, js, "broker") > 20 })
	proxy.Restore()
	if err := replay.Wait(); err != nil || !strings.Contains(replay.out.String(), "50 frames confirmed again") {
		t.Errorf("replay: %v\n%s", err, &replay.out)
	}

	stopped := newCommand(t, n, "replay", "--bridge", "broker", "--from", "-1h", "--rate", "20")
	if err := stopped.Start(); err != nil {
		t.Fatal(err)
	}
	before := again()
	harness.WaitFor(t, 20*time.Second, "some of another replay", func() bool { return again() > before+5 })
	if out := exits(t, 1, n, "replay", "--bridge", "broker", "--from", "-1m"); !strings.Contains(out, "already brings frames to its sink again") {
		t.Errorf("a second replay beside it:\n%s", out)
	}
	n.Kill()
	n.Start()
	harness.WaitFor(t, 30*time.Second, "the replay to go on at the node that was started again", func() bool { return again() > 5 })
	if err := stopped.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = stopped.Wait()
	if out := stopped.out.String(); stopped.ProcessState.ExitCode() != 1 || !strings.Contains(out, "confirmed; go on with --from 2") {
		t.Errorf("interrupted: exit %d\n%s", stopped.ProcessState.ExitCode(), out)
	}

	frames := stored(t, js)
	waitPassed(t, js, recovery, "broker")
	var live []arrival
	replayed := map[string]int{}
	for _, m := range takeMessages(t, q) {
		if m.Headers[schema.HeaderReplayed] == "1" {
			replayed[m.MessageId]++
			continue
		}
		live = append(live, arrival{id: m.MessageId, body: m.Body})
	}
	for _, f := range span {
		if replayed[f.ID()] == 0 {
			t.Errorf("frame %s was not replayed", f.ID())
		}
	}
	if replayed[held[len(held)-1].ID()] > 0 {
		t.Error("a frame behind the span was replayed")
	}
	t.Logf("%d frames, %d of them live again; %d replayed", len(frames), checkArrivals(t, "RabbitMQ", frames, live), len(replayed))
}

// takeMessages removes and returns everything in the queue.
func takeMessages(t *testing.T, q *queue) (all []amqp.Delivery) {
	t.Helper()
	ch, err := q.broker.Dial().Channel()
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, ok, err := ch.Get(q.name, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, m)
	}
}
