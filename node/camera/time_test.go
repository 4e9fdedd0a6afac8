package camera_test

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// soak says that tests take their full length.
var soak = os.Getenv("EDGE_VIDEO_SOAK") != ""

const interval = time.Second / 30 // of the cameras below

// timed is a way to read a camera whose pictures show their time.
type timed struct {
	codec string // of the camera
	mode  camera.Mode
	fps   float64
	rate  float64 // what comes of it
	user  string
}

// Decoders and encoders are late here: a process beside them takes a whole core.
func TestTime_CapturedIsTheTimeInThePicture(t *testing.T) {
	burn(t)
	checkCaptured(t, map[string]timed{
		"jpeg at 10 fps": {harness.CodecH264, camera.ModeJPEG, 10, 10, ""},
		"jpeg at 30 fps": {harness.CodecH264, camera.ModeJPEG, 30, 30, ""},
		"keyframes":      {harness.CodecH264, camera.ModeKeyframes, 0, 30, ""},
		"copy":           {harness.CodecH264, camera.ModeCopy, 0, 30, ""},
	})
}

// Through a playlist, and from other codecs, times are the same.
func TestTime_CapturedIsTheTimeHoweverTheCameraIsRead(t *testing.T) {
	checkCaptured(t, map[string]timed{
		"jpeg, credentials":      {harness.CodecH264, camera.ModeJPEG, 10, 10, "viewer"},
		"keyframes, credentials": {harness.CodecH264, camera.ModeKeyframes, 0, 30, "viewer"},
		"copy, credentials":      {harness.CodecH264, camera.ModeCopy, 0, 30, "viewer"},
		"copy of H.265":          {harness.CodecH265, camera.ModeCopy, 0, 30, ""},
		"copy of MJPEG":          {harness.CodecMJPEG, camera.ModeCopy, 0, 30, ""},
	})
}

// checkCaptured has the readers at work one by one: what it holds is a time.
func checkCaptured(t *testing.T, readers map[string]timed) {
	t.Helper()
	length := 5 * time.Second
	if soak {
		length = 5 * time.Minute
	}
	// The first picture is read while FFmpeg is still setting itself up, so it takes a hundred to speak of the 99th percentile: the
	// camera whose keyframes are read has nothing else.
	type kind struct {
		codec string
		gop   int
	}
	kindOf := func(c timed) kind {
		if c.mode == camera.ModeKeyframes {
			return kind{c.codec, 1}
		}
		return kind{c.codec, 5}
	}
	cameras := map[kind]*harness.TimedCamera{}
	for _, c := range readers {
		if k := kindOf(c); cameras[k] == nil {
			cameras[k] = harness.StartTimed(t, harness.RTSPOptions{Width: 320, Height: 240, FPS: 30, GOP: k.gop, Codec: k.codec})
		}
	}
	for name, c := range readers {
		t.Run(name, func(t *testing.T) {
			conf := config(cameras[kindOf(c)].URL(), c.mode)
			conf.FPS, conf.Username = c.fps, c.user
			var held []time.Duration
			for range tries {
				r := start(t, conf, "")
				frames := r.waitFrames(int(length.Seconds()*c.rate), length+30*time.Second)
				r.stop()
				p99, ok := errorOf(t, cameras[kindOf(c)], frames)
				if ok && p99 < interval {
					return
				}
				held = append(held, p99)
			}
			t.Errorf("99 %% of errors are up to %v in %d runs, want under %v in one", held, tries, interval)
		})
	}
}

// prompt is within what a picture must have left the camera to count: one that a busy machine held up there tells nothing.
const prompt = 10 * time.Millisecond

// tries is how often a reader may show that it keeps the time. What else a machine does costs some pictures in a hundred their time.
const tries = 3

// errorOf is the 99th percentile of what lies between the times that frames were captured at and those which their pictures say. It is not
// ok where the camera itself was held up: then it says nothing.
func errorOf(t *testing.T, cam *harness.TimedCamera, frames []*schema.Frame) (p99 time.Duration, ok bool) {
	t.Helper()
	var errs []time.Duration
	readable := 0
	for i, m := range decoded(t, frames) {
		at, ok := harness.TimeIn(m)
		if !ok {
			if readable > 0 || i > 15 {
				t.Fatalf("picture %d shows no time", i)
			}
			continue // decoded from the middle of a sequence
		}
		if readable++; cam.Delay(at) < prompt {
			errs = append(errs, frames[i].Captured.Sub(at))
		}
	}
	if len(errs) < len(frames)/2 {
		t.Logf("only %d of %d pictures left the camera promptly", len(errs), len(frames))
		return 0, false
	}
	slices.SortFunc(errs, func(a, b time.Duration) int { return int(a.Abs() - b.Abs()) })
	p99 = errs[(len(errs)*99+99)/100-1].Abs()
	t.Logf("%d pictures: median error %v, 99 %% under %v, worst %v", len(errs), errs[len(errs)/2], p99, errs[len(errs)-1])
	return p99, true
}

// decoded are the pictures of frames, one each.
func decoded(t *testing.T, frames []*schema.Frame) (pictures []image.Image) {
	t.Helper()
	if frames[0].ContentType == schema.ContentJPEG {
		for _, f := range frames {
			m, err := jpeg.Decode(bytes.NewReader(f.Data))
			if err != nil {
				t.Fatalf("seq %d: %v", f.Seq, err)
			}
			pictures = append(pictures, m)
		}
		return pictures
	}
	var stream bytes.Buffer
	for _, f := range frames {
		stream.Write(f.Data)
	}
	format := map[string]string{schema.ContentH264: "h264", schema.ContentH265: "hevc"}[frames[0].ContentType]
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", format, "-i", "-", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
	cmd.Stdin = &stream
	raw, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	w, h := frames[0].Width, frames[0].Height
	if len(raw) != len(frames)*w*h {
		t.Fatalf("%d pictures decoded of %d frames", len(raw)/(w*h), len(frames))
	}
	for picture := range slices.Chunk(raw, w*h) {
		pictures = append(pictures, &image.Gray{Pix: picture, Stride: w, Rect: image.Rect(0, 0, w, h)})
	}
	return pictures
}

// burn takes a core until the test ends.
func burn(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
		}
	}()
	t.Cleanup(func() { stop(); <-ended })
}
