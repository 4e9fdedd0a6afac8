package camera_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
)

func TestReader_HardwareThatFailsIsLeftForSoftware(t *testing.T) {
	t.Parallel()
	path := clip(t, "a.mp4", "testsrc2=size=320x240:rate=10:duration=1")
	files := map[string][]byte{"a.nut": recorded(t, 3)}
	deliver := "; exit 3;; esac; cat a.nut; exec sleep 1000"
	for name, c := range map[string]struct {
		ffmpeg string
		reason string
	}{
		"this machine has none": {"", "device type vaapi needed"},
		"it says so":            {`case "$*" in *-hwaccel*) echo "Device creation failed: -22." >&2` + deliver, "Device creation failed: -22."},
		"it just dies":          {`case "$*" in *-hwaccel*) kill -9 $$` + deliver, "no picture came from vaapi, and software delivers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config("file:"+path, camera.ModeJPEG)
			cfg.HWAccel = "vaapi"
			if c.ffmpeg != "" {
				c.ffmpeg = script(t, c.ffmpeg, files)
			}
			r := start(t, cfg, c.ffmpeg)
			up := r.waitState(schema.CameraUp, 1, 30*time.Second)[0]
			if up.Decoder == "vaapi" {
				t.Skip("vaapi works here")
			}
			if up.Decoder != "software" || !strings.Contains(up.DecoderReason, c.reason) {
				t.Errorf("up with decoder %s: %s", up.Decoder, up.DecoderReason)
			}
			if first := r.all(schema.CameraStarting)[0]; first.Decoder != "vaapi" || first.DecoderReason != "" {
				t.Errorf("first start with decoder %s: %s", first.Decoder, first.DecoderReason)
			}
			if n := len(r.all(schema.CameraBackoff)); n != 1 {
				t.Errorf("%d faults, want 1", n)
			}
		})
	}
}

func TestReader_SaysWhatItDecodesWith(t *testing.T) {
	t.Parallel()
	path := clip(t, "a.mp4", "testsrc2=size=320x240:rate=10:duration=1")
	for mode, want := range map[camera.Mode]string{camera.ModeJPEG: "software", camera.ModeKeyframes: "software", camera.ModeCopy: "none"} {
		c := config("file:"+path, mode)
		c.HWAccel = "auto"
		r := start(t, c, "")
		if got := r.waitState(schema.CameraUp, 1, 20*time.Second)[0].Decoder; got != want {
			t.Errorf("%s: decoder %s, want %s", mode, got, want)
		}
	}
}
