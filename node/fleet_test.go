package node_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func ffmpeg(t *testing.T) camera.FFmpeg {
	t.Helper()
	f, err := camera.FindFFmpeg(t.Context(), "ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// lavfi is a camera that FFmpeg makes up.
func lavfi(id, graph string) node.CameraConfig {
	return node.CameraConfig{QueueBytes: 8 << 20, Config: camera.Config{Site: "test", Node: "node-1", ID: id, URL: "lavfi:" + graph, Mode: camera.ModeJPEG,
		FPS: 10, Quality: 5, HWAccel: "none", StallTimeout: 10 * time.Second, MaxFrame: 1 << 20}}
}

const testPicture = "testsrc2=size=160x120:rate=10"

// runFleet runs cameras against a server until stop is called or the test ends. stop returns how long that took.
func runFleet(t *testing.T, s *node.Server, cameras ...node.CameraConfig) (f *node.Fleet, reg *prometheus.Registry, stop func() time.Duration) {
	t.Helper()
	reg = prometheus.NewRegistry()
	c := node.FleetConfig{Site: "test", Node: "node-1", Cameras: cameras, StartsPerSecond: 20, QueueBytes: 1 << 30, DataDir: t.TempDir(),
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1}}
	f = node.NewFleet(c, s, ffmpeg(t), slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})), reg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	stopped := false
	stop = func() time.Duration {
		began := time.Now()
		if cancel(); stopped {
			return 0
		}
		stopped = true
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("running the fleet: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the fleet does not end")
		}
		return time.Since(began)
	}
	t.Cleanup(func() { stop() })
	return f, reg, stop
}

func waitUp(t *testing.T, f *node.Fleet, cameras int) {
	t.Helper()
	harness.WaitFor(t, 15*time.Second, "cameras to be up", func() bool { return f.Health().Up == cameras })
}

// storedFrames reads FRAMES from its beginning.
func storedFrames(t *testing.T, js jetstream.JetStream) []*schema.Frame {
	t.Helper()
	var all []*schema.Frame
	readAll(t, js, schema.StreamFrames, func(m jetstream.Msg) {
		f, err := schema.Decode(m.Subject(), m.Headers(), m.Data())
		if err != nil {
			t.Fatalf("frame %d: %v", len(all)+1, err)
		}
		all = append(all, f)
	})
	return all
}

func storedEvents(t *testing.T, js jetstream.JetStream) []schema.Event {
	t.Helper()
	var all []schema.Event
	readAll(t, js, schema.StreamEvents, func(m jetstream.Msg) {
		var e schema.Event
		if err := json.Unmarshal(m.Data(), &e); err != nil {
			t.Fatal(err)
		}
		if got := e.Subject(); got != m.Subject() {
			t.Errorf("event for %s on %s", got, m.Subject())
		}
		all = append(all, e)
	})
	return all
}

func readAll(t *testing.T, js jetstream.JetStream, name string, each func(jetstream.Msg)) {
	t.Helper()
	st, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.OrderedConsumer(t.Context(), name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range st.CachedInfo().State.Msgs {
		m, err := c.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		each(m)
	}
}

func status(t *testing.T, js jetstream.JetStream, id string) (st schema.CameraStatus) {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), schema.BucketCameras)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := kv.Get(t.Context(), schema.StatusKey("test", id))
	if err != nil {
		return st
	}
	if err := json.Unmarshal(entry.Value(), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestFleet_StoresEveryFrameAndStopsClean follows two cameras from their start to the end.
func TestFleet_StoresEveryFrameAndStopsClean(t *testing.T) {
	s, _ := startServer(t, serverConfig(t))
	js := jetStream(t, s)
	status(t, js, "a") // the connection has its goroutines from here on
	before := goleak.IgnoreCurrent()
	f, reg, stop := runFleet(t, s, lavfi("a", testPicture), lavfi("b", testPicture))
	if h := f.Health(); h.Up != 0 || h.Horizon != time.Hour {
		t.Errorf("at the start got %+v, want no camera up and an hour of horizon", h)
	}
	waitUp(t, f, 2)
	if h := f.Health(); len(harness.Faults(h.Degraded)) > 0 {
		t.Errorf("with all cameras up got %+v", h)
	}
	harness.WaitFor(t, 15*time.Second, "the rate in the bucket", func() bool { return status(t, js, "a").FPS > 0 && status(t, js, "b").FPS > 0 })
	for _, id := range []string{"a", "b"} {
		st := status(t, js, id)
		if st.State != schema.CameraUp || st.Epoch == 0 || st.LastSeq == 0 || st.FPS > 15 || st.Error != "" || st.Node != "node-1" ||
			time.Since(st.Since) > time.Minute || st.Mode != "jpeg" || st.Width == 0 || st.Height == 0 {
			t.Errorf("status of %s: %+v", id, st)
		}
		if got := f.Cameras()[id]; got.State != st.State || got.Epoch != st.Epoch || got.LastSeq < st.LastSeq {
			t.Errorf("Cameras has %+v for %s, want %+v or later", got, id, st)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("metric %s: %s", p.Metric, p.Text)
	}
	values := map[string]int{}
	for _, family := range families {
		values[family.GetName()] = len(family.GetMetric())
	}
	for _, metric := range []string{"edge_video_camera_up", "edge_video_ffmpeg_cpu_seconds_total", "edge_video_ffmpeg_resident_memory_bytes",
		"edge_video_frames_processed_total", "edge_video_frames_lost_total", "edge_video_capture_latency_seconds"} {
		if values[metric] != 2 {
			t.Errorf("metric %s has %d values, want one for each camera", metric, values[metric])
		}
	}
	if h := f.Health(); h.Horizon <= 0 || h.Horizon > time.Hour {
		t.Errorf("horizon %v", h.Horizon)
	}

	if took := stop(); took > 5*time.Second {
		t.Errorf("the stop took %v, want at most 5 s", took)
	}
	if err := goleak.Find(before); err != nil {
		t.Errorf("after the stop: %v", err)
	}
	frames := storedFrames(t, js)
	if got, want := sum(t, reg, "edge_video_frames_processed_total"), float64(len(frames)); got != want || want < 40 {
		t.Errorf("%v frames counted as processed, want the %v that are stored", got, want)
	}
	for _, metric := range []string{"edge_video_frames_lost_total", "edge_video_frames_dropped_total", "edge_video_pictures_rejected_total", "edge_video_camera_up"} {
		if got := sum(t, reg, metric); got != 0 {
			t.Errorf("%s is %v after a clean run, want 0", metric, got)
		}
	}
	next := map[string]uint64{}
	for _, fr := range frames {
		if next[fr.Camera]++; fr.Seq != next[fr.Camera] {
			t.Fatalf("%s where frame %d of %s was due", fr.ID(), next[fr.Camera], fr.Camera)
		}
		if fr.Width != 160 || fr.Height != 120 || fr.ContentType != schema.ContentJPEG || time.Since(fr.Captured) > time.Minute {
			t.Errorf("%s: %dx%d, %s, captured %v", fr.ID(), fr.Width, fr.Height, fr.ContentType, fr.Captured)
		}
	}
	for _, id := range []string{"a", "b"} {
		if st := status(t, js, id); st.State != schema.CameraDown || st.LastSeq != next[id] {
			t.Errorf("status of %s after the stop: %+v, want it down and at frame %d", id, st, next[id])
		}
		var states []string
		for _, e := range storedEvents(t, js) {
			if e.Name == id && e.Kind == schema.KindState {
				states = append(states, e.State)
			}
		}
		if want := []string{"up", "down"}; !slices.Equal(states, want) {
			t.Errorf("events of %s tell of the states %v, want %v", id, states, want)
		}
	}
	var counts []int // of active cameras
	for _, e := range storedEvents(t, js) {
		if e.Kind == schema.KindCameras {
			counts = append(counts, e.Active)
			if e.Cameras != 2 || e.Subject() != "events.test.node.node-1.cameras" {
				t.Errorf("%s tells of %d cameras, want 2", e.Subject(), e.Cameras)
			}
		}
	}
	if n := len(counts); n < 3 || counts[n-1] != 0 || slices.Max(counts) != 2 || len(slices.Compact(counts)) != n {
		t.Errorf("events tell of %v active cameras, want each change up to 2 and down to 0", counts)
	}
}

func sum(t *testing.T, reg *prometheus.Registry, name string) (total float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return total
}

// TestFleet_EpochsGrowWhenTheClockWentBack finds epochs of a later time in bucket and stream.
func TestFleet_EpochsGrowWhenTheClockWentBack(t *testing.T) {
	t.Parallel()
	s, _ := startServer(t, serverConfig(t))
	js := jetStream(t, s)
	future := time.Now().Add(10 * 365 * 24 * time.Hour).UnixMilli()
	kv, err := js.KeyValue(t.Context(), schema.BucketCameras)
	if err != nil {
		t.Fatal(err)
	}
	put := func(id string, value any) {
		body, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Put(t.Context(), schema.StatusKey("test", id), body); err != nil {
			t.Fatal(err)
		}
	}
	publish := func(id string, epoch int64) {
		fr := schema.Frame{Site: "test", Camera: id, Node: "node-1", Epoch: epoch, Seq: 1, Captured: time.Now(), ContentType: schema.ContentJPEG, Width: 1, Height: 1}
		if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: fr.Subject(), Header: fr.Header(), Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	put("bucket", schema.CameraStatus{Epoch: future})
	publish("stream", future)
	put("both", schema.CameraStatus{Epoch: future})
	publish("both", future+100)
	put("broken", "no status")
	if _, err := js.Publish(t.Context(), "frames.test.foreign", []byte("no frame")); err != nil {
		t.Fatal(err)
	}
	f, _, _ := runFleet(t, s, lavfi("bucket", testPicture), lavfi("stream", testPicture), lavfi("both", testPicture), lavfi("broken", testPicture), lavfi("foreign", testPicture))
	waitUp(t, f, 5)
	now := time.Now().UnixMilli()
	for id, want := range map[string][2]int64{"bucket": {future + 1, future + 1}, "stream": {future + 1, future + 1}, "both": {future + 101, future + 101},
		"broken": {now - 60_000, now}, "foreign": {now - 60_000, now}} {
		if got := f.Cameras()[id].Epoch; got < want[0] || got > want[1] {
			t.Errorf("epoch of %s: got %d, want %d to %d", id, got, want[0], want[1])
		}
	}
}

// TestFleet_OneBrokenCameraDisturbsNoOther names the broken one with its reason.
func TestFleet_OneBrokenCameraDisturbsNoOther(t *testing.T) {
	t.Parallel()
	s, _ := startServer(t, serverConfig(t))
	js := jetStream(t, s)
	f, reg, stop := runFleet(t, s, lavfi("good", testPicture), lavfi("bad", "nosuchfilter"))
	waitUp(t, f, 1)
	harness.WaitFor(t, 15*time.Second, "the broken camera to be told of", func() bool {
		faults := harness.Faults(f.Health().Degraded)
		return len(faults) == 1 && strings.HasPrefix(faults[0], "camera bad is backoff: ")
	})
	if got := f.Cameras()["bad"]; got.State != schema.CameraBackoff || got.Error == "" || got.LastSeq != 0 {
		t.Errorf("status of the broken camera: %+v", got)
	}
	if got := sum(t, reg, "edge_video_camera_restarts_total"); got < 1 {
		t.Errorf("%v restarts counted", got)
	}
	stop()
	i := slices.IndexFunc(storedEvents(t, js), func(e schema.Event) bool {
		return e.Name == "bad" && e.Kind == schema.KindState && e.State == "backoff" && e.Reason != "" && e.Message != ""
	})
	if i < 0 {
		t.Errorf("no event says why the camera is broken: %+v", storedEvents(t, js))
	}
}

// TestFleet_StopWhileItStarts asks it to end at once.
func TestFleet_StopWhileItStarts(t *testing.T) {
	t.Parallel()
	s, _ := startServer(t, serverConfig(t))
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		f := node.NewFleet(node.FleetConfig{Site: "test", Node: "node-1", Cameras: []node.CameraConfig{lavfi("a", testPicture), lavfi("b", testPicture)},
			StartsPerSecond: 20, QueueBytes: 1 << 30, DataDir: t.TempDir()}, s, ffmpeg(t), slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		began := time.Now()
		err := f.Run(ctx)
		cancel()
		if err != nil && ctx.Err() == nil {
			t.Errorf("stopped after %v: %v", after, err)
		}
		if took := time.Since(began) - after; took > 5*time.Second {
			t.Errorf("stopped after %v: took %v", after, took)
		}
	}
}
