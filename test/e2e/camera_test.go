package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// cameraState reads a camera's state from the bucket.
func cameraState(t *testing.T, js jetstream.JetStream, id string) schema.CameraStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var st schema.CameraStatus
	kv, err := js.KeyValue(ctx, schema.BucketCameras)
	if err != nil {
		return st // not there yet
	}
	e, err := kv.Get(ctx, schema.StatusKey("test", id))
	if err != nil {
		return st
	}
	if err := json.Unmarshal(e.Value(), &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestCameraFaults_LeaveTheOthersAlone has cameras that stall, die, come back, never existed and change their size, beside a healthy
// one that keeps its rate through all of it.
func TestCameraFaults_LeaveTheOthersAlone(t *testing.T) {
	stalls := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 240, GOP: 10})
	addr := harness.UDPAddr(t)
	small, large := harness.NewSource(t, addr, 320, 240), harness.NewSource(t, addr, 640, 360)
	dies := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 240, GOP: 10})
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("healthy"),
		"  - {id: stalls, stall_timeout: 2s, url: '"+stalls.URL()+"'}\n",
		"  - {id: dies, url: '"+dies.URL()+"'}\n",
		fmt.Sprintf("  - {id: absent, url: 'rtsp://127.0.0.1:%d/none'}\n", harness.FreePort(t)),
		"  - {id: changes, stall_timeout: 5s, url: 'udp://"+addr+"'}\n")})
	js := n.JetStream()
	small.Start()
	for _, id := range []string{"healthy", "stalls", "dies", "changes"} {
		harness.WaitFor(t, 30*time.Second, "frames of "+id, func() bool { return storedCount(t, js, id) > 5 })
	}
	if r := n.Readyz(); r.Status != 200 || !strings.Contains(strings.Join(r.Degraded, "\n"), "absent") {
		t.Errorf("with one camera absent readiness is %+v", r)
	}

	stalls.Pause()
	harness.WaitFor(t, 40*time.Second, "the stall to be noticed", func() bool {
		return len(events(t, js, schema.ClassCamera, "stalls", schema.KindState)) > 0 && n.Metric("edge_video_camera_restarts_total", `camera_id="stalls"`, `reason="stall"`) > 0
	})
	stalls.Resume()
	epoch := cameraState(t, js, "stalls").Epoch
	harness.WaitFor(t, 40*time.Second, "the stalled camera to be back", func() bool {
		st := cameraState(t, js, "stalls")
		return st.State == schema.CameraUp && st.Epoch >= epoch
	})

	dies.Stop()
	harness.WaitFor(t, 20*time.Second, "the dead camera to be noticed", func() bool { return cameraState(t, js, "dies").State == schema.CameraBackoff })
	before := storedCount(t, js, "dies")
	dies.Start()
	harness.WaitFor(t, 60*time.Second, "the dead camera to be back", func() bool { return storedCount(t, js, "dies") > before+5 })

	small.Stop()
	large.Start()
	harness.WaitFor(t, 40*time.Second, "the event of the changed size", func() bool {
		e := events(t, js, schema.ClassCamera, "changes", schema.KindSize)
		return len(e) > 0 && e[0].Width == 640 && e[0].Height == 360
	})

	st := cameraState(t, js, "absent")
	if st.State != schema.CameraBackoff && st.State != schema.CameraStarting || !strings.Contains(st.Error, "Connection refused") {
		t.Errorf("the absent camera's state is %+v", st)
	}
	frames := stored(t, js)
	sizes := map[string]bool{}
	for _, f := range ofCamera(frames, "changes") {
		sizes[fmt.Sprintf("%dx%d", f.Width, f.Height)] = true
	}
	if !sizes["320x240"] || !sizes["640x360"] {
		t.Errorf("the changing camera's pictures are %v, want 320x240 and 640x360", sizes)
	}
	checkPictures(t, frames)
	healthy := ofCamera(frames, "healthy")
	checkNoGap(t, healthy)
	if r := rate(healthy); math.Abs(r-10) > 0.3 {
		t.Errorf("the healthy camera gave %.2f frames a second, want 10 within 3 %%", r)
	}
}

// ffmpeg runs FFmpeg to its end.
func ffmpeg(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
}

// TestFrameSizes_StoredWholeAndTooLargeRefused sends pictures of eight sizes from 2 KB to 1.5 MB through a camera whose encoding is
// copied, and one of 20 MB, which is refused with an event.
func TestFrameSizes_StoredWholeAndTooLargeRefused(t *testing.T) {
	cache := harness.StartRedis(t, harness.RedisOptions{})
	sizes := []int{2_000, 5_000, 20_000, 65_536, 100_000, 300_000, 800_000, 1_500_000}
	dir := t.TempDir()
	want := map[int][]byte{}
	for i, n := range append(sizes, 20_000_000) {
		b := harness.JPEGOfSize(t, 64, 48, n, i)
		want[n] = b
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.jpg", i)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clip := filepath.Join(dir, "sizes.mkv")
	ffmpeg(t, "-framerate", "5", "-i", filepath.Join(dir, "%02d.jpg"), "-c", "copy", clip)
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines("  - {id: sizes, mode: copy, url: 'file:" + clip + "'}\n"),
		Bridges: lines(cacheBridge(cache.URL()))})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "two rounds of pictures", func() bool { return storedCount(t, js, "sizes") >= 2*len(sizes) })
	harness.WaitFor(t, 10*time.Second, "the event of the refused picture", func() bool {
		e := events(t, js, schema.ClassCamera, "sizes", schema.KindRejected)
		return len(e) > 0 && e[0].Reason == "over_cap" && strings.Contains(e[0].Message, "20000000")
	})
	n.Stop()
	n.Start()
	frames := stored(t, js)
	waitPassed(t, js, 20*time.Second, "cache")
	seen := map[int]bool{}
	for _, f := range frames {
		if !bytes.Equal(f.Data, want[len(f.Data)]) || f.Width != 64 || f.Height != 48 || f.ContentType != schema.ContentJPEG {
			t.Errorf("frame %s of %d bytes, %dx%d %s is not a picture that was sent", f.ID(), len(f.Data), f.Width, f.Height, f.ContentType)
		}
		seen[len(f.Data)] = true
	}
	if len(seen) != len(sizes) {
		t.Errorf("%d of %d sizes are in the stream", len(seen), len(sizes))
	}
	checkArrivals(t, "Redis", frames, inRedis(t, cache.Client()))
}
