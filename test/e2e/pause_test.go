package e2e_test

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// order runs one of the program's commands against a node and returns what it prints.
func order(t *testing.T, n *harness.Node, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, append(args, "--server", n.NATSURL())...).CombinedOutput()
	return string(out), err
}

// TestPause_HoldsOverARestartUntilResume pauses one of two cameras: it is left alone, and that is no fault, until it is resumed.
func TestPause_HoldsOverARestartUntilResume(t *testing.T) {
	t.Parallel()
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("kept"), madeUp("paused"))})
	js := n.JetStream()
	up := func(id string) func() bool {
		return func() bool { return cameraState(t, js, id).State == schema.CameraUp }
	}
	harness.WaitFor(t, 30*time.Second, "both cameras", func() bool { return up("kept")() && up("paused")() })
	if out, err := order(t, n, "pause", "paused"); err != nil || !strings.Contains(out, "camera paused is paused") {
		t.Fatalf("%v: %s", err, out)
	}
	left := func() bool {
		st := cameraState(t, js, "paused")
		return st.Paused && st.State == schema.CameraDown && len(n.Children()) == 1 && up("kept")()
	}
	harness.WaitFor(t, 10*time.Second, "the camera to be left alone", left)
	stored, epoch := storedCount(t, js, "paused"), cameraState(t, js, "paused").Epoch
	if out, err := order(t, n, "cameras", "--once"); err != nil || !strings.Contains(out, "1 of 2 cameras up, 1 paused") {
		t.Errorf("%v: %s", err, out)
	}

	n.Stop()
	n.Start()
	harness.WaitFor(t, 30*time.Second, "the other camera after the restart", func() bool { return storedCount(t, js, "kept") > 0 && left() })
	harness.WaitFor(t, 10*time.Second, "readiness without a word of it", func() bool {
		r := n.Readyz()
		return r.Status == 200 && len(r.Degraded) == 0
	})
	if got := storedCount(t, js, "paused"); got != stored {
		t.Errorf("%d frames of the paused camera after the restart, %d before", got, stored)
	}
	var status struct{ Cameras, Up, Paused int }
	if err := json.Unmarshal((shell(t, n, "nats req node.status.test.node-1 '' --raw")), &status); err != nil || status.Cameras != 2 || status.Paused != 1 {
		t.Errorf("node.status: %+v, %v", status, err)
	}

	if out, err := order(t, n, "resume", "test.paused"); err != nil || !strings.Contains(out, "is read again") {
		t.Fatalf("%v: %s", err, out)
	}
	harness.WaitFor(t, 20*time.Second, "the resumed camera", func() bool {
		st := cameraState(t, js, "paused")
		return !st.Paused && st.State == schema.CameraUp && st.Epoch > epoch && storedCount(t, js, "paused") > stored
	})
	var told []string
	for _, e := range events(t, js, schema.ClassCamera, "paused", schema.KindControl) {
		told = append(told, e.Reason+" "+e.State)
	}
	if got := strings.Join(told, ", "); got != "pause paused, pause resumed" {
		t.Errorf("events of the pause: %q", got)
	}
	if out, err := order(t, n, "pause", "nobody"); err == nil || !strings.Contains(out, "nats kv ls cameras") {
		t.Errorf("a camera that there is not: %v: %s", err, out)
	}
}

// TestSnapshot_OfASiteIsHadAtItsHub asks a hub whose site is gone.
func TestSnapshot_OfASiteIsHadAtItsHub(t *testing.T) {
	t.Parallel()
	hub, door := bridgingHub(t, "")
	site := harness.StartNode(t, under(door, "porto", ""))
	far := hub.JetStream()
	harness.WaitFor(t, time.Minute, "frames and the camera's state at the hub", func() bool {
		kv, err := far.KeyValue(t.Context(), schema.BucketCameras)
		if err != nil {
			return false
		}
		_, err = kv.Get(t.Context(), schema.StatusKey("porto", "cam-1"))
		mirror, missing := far.Stream(t.Context(), schema.MirrorStream(schema.StreamFrames, "porto"))
		return err == nil && missing == nil && mirror.CachedInfo().State.Msgs > 5
	})
	site.Stop()
	frames := framesOf(t, far, schema.MirrorStream(schema.StreamFrames, "porto"))
	if data := shell(t, hub, "nats req camera.snapshot.porto.cam-1 '' --raw"); !bytes.HasPrefix(data, frames[len(frames)-1].Data) {
		t.Errorf("%d bytes, which are not the newest frame", len(data))
	}
	var cameras []struct{ Site, Camera string }
	if err := json.Unmarshal(shell(t, hub, "nats req camera.list.porto '' --raw"), &cameras); err != nil || len(cameras) != 1 || cameras[0].Site != "porto" {
		t.Errorf("camera.list: %+v, %v", cameras, err)
	}
	if out, err := order(t, hub, "snapshot", "lisbon.cam-1", "-o", filepath.Join(t.TempDir(), "x.jpg")); err == nil || !strings.Contains(out, "no frames of that site") {
		t.Errorf("a site that the hub does not know: %v: %s", err, out)
	}
}

// TestSnapshot_IsAStoredPicture asks for pictures with the nats CLI and with the program, of a JPEG camera and of copied video, now and then.
func TestSnapshot_IsAStoredPicture(t *testing.T) {
	t.Parallel()
	live := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 240, FPS: 10, GOP: 5})
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("photo"), "  - {id: film, mode: copy, url: '"+live.URL()+"'}\n")})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames", func() bool { return storedCount(t, js, "photo") > 20 && storedCount(t, js, "film") > 20 })
	all := stored(t, js)

	for _, camera := range []string{"photo", "film"} {
		data := shell(t, n, "nats req camera.snapshot.test."+camera+" '' --raw")
		if m, err := jpeg.Decode(bytes.NewReader(data)); err != nil || m.Bounds().Dx() != 320 {
			t.Errorf("%s: %v", camera, err)
		}
		small := shell(t, n, `nats req camera.snapshot.test.`+camera+` '{"width": 80}' --raw`)
		if m, err := jpeg.Decode(bytes.NewReader(small)); err != nil || m.Bounds().Dx() != 80 || m.Bounds().Dy() != 60 {
			t.Errorf("%s: %v", camera, err)
		}
		path := filepath.Join(t.TempDir(), "x.jpg")
		then := ofCamera(all, camera)[12]
		if out, err := order(t, n, "snapshot", camera, "--at", then.Captured.Add(time.Microsecond).Format(time.RFC3339Nano), "-o", path); err != nil ||
			!strings.Contains(out, then.Captured.Format(schema.CapturedLayout)) {
			t.Errorf("%s: %v: %s; want it captured %s", camera, err, out, then.Captured.Format(schema.CapturedLayout))
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if camera == "photo" && !bytes.Equal(got, then.Data) {
			t.Errorf("%d bytes, not the %d of the frame", len(got), len(then.Data))
		}
		if _, err := jpeg.Decode(bytes.NewReader(got)); err != nil {
			t.Errorf("%s: %v", camera, err)
		}
	}
	for _, args := range [][]string{{"nobody"}, {"photo", "--at", "2020-01-01T00:00:00Z"}, {"photo", "--at", "2100-01-01T00:00:00Z"}, {"photo", "--width", "3"}} {
		if out, err := order(t, n, append([]string{"snapshot", "-o", filepath.Join(t.TempDir(), "x.jpg")}, args...)...); err == nil || len(out) < 20 {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	var cameras []struct{ Site, Camera, State string }
	if err := json.Unmarshal((shell(t, n, "nats req camera.list.test '' --raw")), &cameras); err != nil || len(cameras) != 2 || cameras[0].State != "up" {
		t.Errorf("camera.list: %+v, %v", cameras, err)
	}
	info := string(shell(t, n, "nats req '$SRV.INFO.edge-video' '' --raw"))
	for _, want := range []string{"camera.pause.test.*", "camera.snapshot.test.*", "node.status.test.node-1", `{\"properties\":{\"at\":{\"format\":\"date-time\"`} {
		if !strings.Contains(info, want) {
			t.Errorf("the service does not tell of %s: %s", want, info)
		}
	}
}
