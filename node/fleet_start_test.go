package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestFleet_StartsAndComesBackStaggered lets a hundred cameras start, fail, and come back all at once. In no second are there more
// starts than allowed.
func TestFleet_StartsAndComesBackStaggered(t *testing.T) {
	t.Parallel()
	const perSecond = 40
	s, _ := startServer(t, serverConfig(t))
	js := jetStream(t, s)
	dir := t.TempDir()
	back := filepath.Join(dir, "back")
	program := filepath.Join(dir, "ffmpeg")
	script := fmt.Sprintf("#!/bin/sh\ntest -e %s && cat %s && exec sleep 1000\necho 'Connection refused' >&2\nexit 1\n", back, recordedNUT(t, dir))
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { // it is run
		t.Fatal(err)
	}
	var cameras []node.CameraConfig
	for i := range 100 {
		c := lavfi(fmt.Sprint("cam-", i), testPicture)
		c.StallTimeout = time.Minute
		cameras = append(cameras, c)
	}
	f := node.NewFleet(node.FleetConfig{Site: "test", Node: "node-1", Cameras: cameras, StartsPerSecond: perSecond, QueueBytes: 1 << 30, DataDir: t.TempDir(),
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1}}, s, camera.FFmpeg{Path: program}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	harness.WaitFor(t, 30*time.Second, "all cameras to have failed", func() bool { return len(harness.Faults(f.Health().Degraded)) == 100 && allFailed(f) })
	if err := os.WriteFile(back, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	waitAllUp(t, f)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	// An epoch is the millisecond of its start, and each leads to a pause or a picture.
	seen := map[string]bool{}
	var starts []int64
	for _, e := range storedEvents(t, js) {
		if id := fmt.Sprint(e.Name, e.Epoch); e.Kind == schema.KindState && e.Epoch > 0 && !seen[id] {
			seen[id] = true
			starts = append(starts, e.Epoch)
		}
	}
	slices.Sort(starts)
	if len(starts) < 200 {
		t.Errorf("%d starts, want two of each camera", len(starts))
	}
	// The clock is read after a start was allowed, a little late on a busy machine.
	const most = perSecond + 2
	for i := most; i < len(starts); i++ {
		if d := starts[i] - starts[i-most]; d < 1000 {
			t.Errorf("%d starts in %d ms, want at most %d in a second", most+1, d, perSecond)
		}
	}
}

func allFailed(f *node.Fleet) bool {
	for _, st := range f.Cameras() {
		if st.State != schema.CameraBackoff {
			return false
		}
	}
	return true
}

func waitAllUp(t *testing.T, f *node.Fleet) {
	t.Helper()
	harness.WaitFor(t, time.Minute, "all cameras to be up", func() bool { return f.Health().Up == 100 })
}

// recordedNUT is a file with what FFmpeg writes for three pictures.
func recordedNUT(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "a.nut")
	runFFmpeg(t, "-f", "lavfi", "-i", testPicture, "-frames:v", "3", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-write_index", "0", path)
	return path
}

func runFFmpeg(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "error"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
}
