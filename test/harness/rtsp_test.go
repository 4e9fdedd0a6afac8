package harness_test

import (
	"encoding/json"
	"os/exec"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

func TestRTSP_ServesWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	cameras := map[string]harness.RTSPOptions{
		"h264":  {Width: 320, Height: 240},
		"h265":  {Width: 320, Height: 240, Codec: harness.CodecH265},
		"mjpeg": {Width: 320, Height: 240, Codec: harness.CodecMJPEG},
		"clip":  {Width: 1280, Height: 720, FPS: 30, Clip: harness.MakeClip(t, time.Second)},
	}
	for name, o := range cameras {
		t.Run(name, func(t *testing.T) {
			r := harness.StartRTSP(t, o)
			check(t, r.URL(), name, o)
			r.Stop()
			r.Start()
			check(t, r.URL(), name, o)
		})
	}
}

func check(t *testing.T, url, name string, o harness.RTSPOptions) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-read_intervals", "%+#5", "-show_streams",
		"-show_frames", "-of", "json", url).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	var got struct {
		Streams []struct {
			Codec         string `json:"codec_name"`
			Width, Height int
		}
		Frames []struct{}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg", "clip": "h264"}[name]
	if len(got.Streams) != 1 || got.Streams[0].Codec != want || got.Streams[0].Width != o.Width || got.Streams[0].Height != o.Height {
		t.Errorf("got %+v, want %s %dx%d", got.Streams, want, o.Width, o.Height)
	}
	if len(got.Frames) == 0 {
		t.Error("no frame decoded")
	}
}
