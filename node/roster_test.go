package node_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestFleet_UpdateTouchesWhatChangedAlone adds a camera, removes one, changes one and leaves one as it is.
func TestFleet_UpdateTouchesWhatChangedAlone(t *testing.T) {
	s, _ := startServer(t, serverConfig(t))
	js := jetStream(t, s)
	f, reg, stop := runFleet(t, s, lavfi("kept", testPicture), lavfi("changed", testPicture), lavfi("removed", testPicture))
	waitUp(t, f, 3)
	before := f.Cameras()
	changed := lavfi("changed", testPicture)
	changed.Width = 80
	kept := lavfi("kept", testPicture)
	kept.QueueBytes *= 2 // is no reason to start FFmpeg again
	next := node.FleetConfig{StartsPerSecond: 20, Cameras: []node.CameraConfig{kept, changed, lavfi("added", testPicture)}}
	if err := f.Update(t.Context(), next, ffmpeg(t)); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 30*time.Second, "the new cameras", func() bool {
		now := f.Cameras()
		return len(now) == 3 && now["added"].State == schema.CameraUp && now["changed"].Epoch > before["changed"].Epoch
	})
	if st := status(t, js, "removed"); st.State != schema.CameraDown {
		t.Errorf("the removed camera is %s in the bucket, want down", st.State)
	}
	if n := withLabel(t, reg, "camera_id", "removed"); n > 0 {
		t.Errorf("%d metrics are left of the removed camera", n)
	}
	if got, want := f.Cameras()["kept"].Epoch, before["kept"].Epoch; got != want {
		t.Errorf("the camera that is the same was started again: epoch %d, was %d", got, want)
	}
	harness.WaitFor(t, 15*time.Second, "smaller pictures", func() bool {
		frames := storedFrames(t, js)
		return frames[len(frames)-1].Camera != "changed" || frames[len(frames)-1].Width == 80
	})
	stop()
	seqs := map[int64]uint64{}
	var last time.Time
	for _, fr := range storedFrames(t, js) {
		if fr.Camera != "changed" {
			continue
		}
		if seqs[fr.Epoch]++; fr.Seq != seqs[fr.Epoch] {
			t.Fatalf("%s where frame %d was due", fr.ID(), seqs[fr.Epoch])
		}
		if gap := fr.Captured.Sub(last); !last.IsZero() && gap > 250*time.Millisecond {
			t.Errorf("%v without a frame before %s", gap, fr.ID())
		}
		last = fr.Captured
	}
}

func withLabel(t *testing.T, reg *prometheus.Registry, name, value string) (n int) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == name && l.GetValue() == value {
					n++
				}
			}
		}
	}
	return n
}

func TestFleet_UpdateThatCannotBeTakenChangesNothing(t *testing.T) {
	t.Parallel()
	s, _ := startServer(t, serverConfig(t))
	f, _, _ := runFleet(t, s, lavfi("a", testPicture))
	waitUp(t, f, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Whether the fleet takes the request or sees first that nobody waits, it reads the one or the other camera, never both.
	err := f.Update(ctx, node.FleetConfig{StartsPerSecond: 20, Cameras: []node.CameraConfig{lavfi("b", testPicture)}}, ffmpeg(t))
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want nil or %v", err, context.Canceled)
	}
	want := map[bool]string{true: "b", false: "a"}[err == nil]
	if now := f.Cameras(); len(now) != 1 || now[want].Epoch == 0 && err != nil {
		t.Errorf("cameras %v after %v, want %s", now, err, want)
	}
}

func TestFleet_KickNamesTheCameraItDoesNotHave(t *testing.T) {
	t.Parallel()
	s, _ := startServer(t, serverConfig(t))
	f, _, _ := runFleet(t, s, lavfi("good", testPicture), lavfi("bad", "nosuchfilter"))
	waitUp(t, f, 1)
	if _, err := f.Kick("nobody"); !errors.Is(err, node.ErrNoCamera) {
		t.Errorf("got %v, want %v", err, node.ErrNoCamera)
	}
	if waited, err := f.Kick("good"); waited || err != nil {
		t.Errorf("a camera that delivers: waited %v, %v", waited, err)
	}
	harness.WaitFor(t, 15*time.Second, "the broken camera to wait", func() bool {
		waited, err := f.Kick("bad")
		return waited && err == nil
	})
	harness.WaitFor(t, 15*time.Second, "the breaker to open", func() bool {
		_, _ = f.Kick("bad") // hastens it
		return f.Cameras()["bad"].Breaker == schema.BreakerOpen
	})
}
