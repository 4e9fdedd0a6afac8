package camera_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// smallClip is a cheap clip of 30 fps with a keyframe in every gop pictures.
func smallClip(t *testing.T, gop int) string {
	t.Helper()
	return clip(t, fmt.Sprintf("gop%d.mp4", gop), "testsrc2=size=320x240:rate=30:duration=4", "-g", fmt.Sprint(gop))
}

// Each rate reads the same camera. The first picture is left out: what counts is how often the next ones come.
func TestTime_TheRateOfACameraIsHeld(t *testing.T) {
	length := 10 * time.Second
	if soak {
		length = time.Minute
	}
	p := harness.StartPlayer(t, smallClip(t, 30), 30)
	for i, fps := range []float64{0.2, 1, 7, 10, 15, 25} {
		t.Run(fmt.Sprint(fps), func(t *testing.T) {
			t.Parallel()
			c := config(p.URL(i), camera.ModeJPEG)
			c.FPS = fps
			r := start(t, c, "")
			want := fps * length.Seconds()
			first := r.waitFrames(1, 30*time.Second)[0].Captured
			within := func() (n int) {
				for _, f := range r.framesNow()[1:] {
					if f.Captured.Sub(first) <= length {
						n++
					}
				}
				return n
			}
			harness.WaitFor(t, length+30*time.Second, "pictures beyond the time", func() bool {
				frames := r.framesNow()
				return frames[len(frames)-1].Captured.Sub(first) > length
			})
			if n := within(); math.Abs(float64(n)-want) > max(1, want/100) {
				t.Errorf("%d pictures in %v, want %v", n, length, want)
			}
		})
	}
}

// A camera's pictures can begin with a wait for its next keyframe. A second more is what connecting and looking at the stream may take.
func TestTime_FirstFrameComesWithinTheKeyframeIntervalAndASecond(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 2 * time.Second} {
		p := harness.StartPlayer(t, smallClip(t, int(interval.Seconds()*30)), 30)
		for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeKeyframes, camera.ModeCopy} {
			t.Run(fmt.Sprintf("%s, %v", mode, interval), func(t *testing.T) {
				t.Parallel()
				r := start(t, config(p.URL(0), mode), "")
				began := r.waitState(schema.CameraStarting, 1, time.Second)[0].Epoch
				r.waitFrames(1, 30*time.Second)
				took := time.Duration(time.Now().UnixMilli()-began) * time.Millisecond
				if t.Logf("first frame after %v", took); took > interval+time.Second {
					t.Errorf("the first frame came after %v, want within %v and a second", took, interval)
				}
			})
		}
	}
}
