package camera

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

func TestSurvey_MeasuresWhatACameraSends(t *testing.T) {
	f := testFFmpeg(t)
	for _, o := range []harness.RTSPOptions{
		{Codec: harness.CodecH264, Width: 320, Height: 240, FPS: 10, GOP: 10},
		{Codec: harness.CodecMJPEG, Width: 160, Height: 120, FPS: 5},
	} {
		t.Run(o.Codec, func(t *testing.T) {
			t.Parallel()
			camera := harness.StartRTSP(t, o)
			v, err := f.Survey(t.Context(), Config{URL: camera.URL(), Mode: ModeJPEG, FPS: 1, MaxFrame: 1 << 20}, 2*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if v.Codec != o.Codec || v.Width != o.Width || v.Height != o.Height || !v.Stored {
				t.Errorf("%+v, want %s of %dx%d", v, o.Codec, o.Width, o.Height)
			}
			interval := time.Second
			if o.Codec == harness.CodecMJPEG {
				interval = time.Second / 5
			}
			if math.Abs(v.FPS-float64(o.FPS)) > 2 || (v.KeyInterval-interval).Abs() > interval/4 || v.Bytes <= 0 {
				t.Errorf("%+v, want %d fps and a keyframe every %s", v, o.FPS, interval)
			}
		})
	}
}

func TestSurvey_SaysWhyThereIsNothingAndShowsNoSecret(t *testing.T) {
	f := testFFmpeg(t)
	for url, want := range map[string]Fault{
		"rtsp://127.0.0.1:1/stream": FaultRefused,
		"file:/nowhere/clip.mp4":    FaultNotFound,
	} {
		_, err := f.Survey(t.Context(), Config{URL: url, Username: "viewer", Password: "hunter2", MaxFrame: 1 << 20}, time.Second)
		if why := new(SurveyError); !errors.As(err, &why) || why.Fault != want || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want fault %s", url, err, want)
		}
	}
}
