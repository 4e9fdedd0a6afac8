package camera_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// noticed is within what time pictures that show nothing are noticed, which TestWatch holds to the point. lateness is for keyframes that
// a machine skips which runs many tests at once.
const noticed, lateness = 10 * time.Second, 10 * time.Second

// wantLook waits for the first verdict and holds how long after the first picture the one came that it was drawn from.
func (r *running) wantLook(want camera.Look) {
	r.t.Helper()
	r.waitFrames(1, 20*time.Second)
	harness.WaitFor(r.t, 40*time.Second, "pictures to look "+string(want), func() bool { return len(r.looksNow()) > 0 })
	got, frames := r.looksNow()[0], r.framesNow()
	i := slices.IndexFunc(frames, func(f *schema.Frame) bool { return f.Seq == got.seq })
	if i < 0 || got.look != want || frames[i].Captured.Sub(frames[0].Captured) > noticed+lateness {
		r.t.Errorf("%q from frame %d of %d on, want %q; captured %v and %v", got.look, i, len(frames), want, frames[0].Captured, frames[max(i, 0)].Captured)
	}
}

func (r *running) arrivedFirst() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.arrived[0]
}

// still is one picture full of detail for ever.
const still = "mandelbrot=size=320x240:rate=10,trim=end_frame=1,noise=alls=20:allf=t,loop=loop=-1:size=1"

var (
	constantRate = []string{"-coder", "1", "-tune", "zerolatency", "-g", "20", "-b:v", "400k", "-maxrate", "400k", "-bufsize", "400k"}
	padded       = append([]string{"-qmin", "24", "-x264-params", "nal-hrd=cbr"}, constantRate...)
	lowRate      = []string{"-coder", "1", "-g", "20", "-b:v", "100k", "-maxrate", "100k", "-bufsize", "100k"}
	hevc         = []string{"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none:keyint=20:bframes=0:open-gop=0"}
)

func TestReader_OneColourIsNoticed(t *testing.T) {
	t.Parallel()
	file := func(name, source string, options ...string) string {
		return "file:" + clip(t, name, source, options...)
	}
	const size = ":size=320x240:rate=10"
	for name, c := range map[string]struct {
		url  string
		mode camera.Mode
		want camera.Look
	}{
		"black, jpeg":             {"lavfi:color=black" + size, camera.ModeJPEG, camera.LookBlack},
		"green, jpeg":             {"lavfi:color=0x008000" + size, camera.ModeJPEG, camera.LookGreen},
		"grey, jpeg":              {"lavfi:color=gray" + size, camera.ModeJPEG, camera.LookGrey},
		"white, jpeg":             {"lavfi:color=white" + size, camera.ModeJPEG, camera.LookFlat},
		"a decoder's green, copy": {file("green.mp4", "color=0x008700:duration=4"+size, "-g", "20"), camera.ModeCopy, camera.LookGreen},
		"black, copy of H.265":    {file("black.mp4", "color=black:duration=4"+size, hevc...), camera.ModeCopy, camera.LookBlack},
		"a covered lens, keyframes": {file("lens.mp4", "color=0x080808:duration=14"+size+",noise=alls=6:allf=t", constantRate...),
			camera.ModeKeyframes, camera.LookBlack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start(t, config(c.url, c.mode), "").wantLook(c.want)
		})
	}
}

// settled is a clip of a camera that has been at it for a while: encoders need a few keyframes to make the same picture the same.
func settled(t *testing.T, options ...string) string {
	path := filepath.Join(t.TempDir(), "settled.mp4")
	run(t, "-ss", "10", "-i", clip(t, "clip.mp4", still+",trim=duration=22", options...), "-c", "copy", path)
	return path
}

func TestReader_FrozenIsNoticed(t *testing.T) {
	t.Parallel()
	plain := settled(t, "-g", "20")
	for name, c := range map[string]struct {
		url  string
		mode camera.Mode
		fps  float64
	}{
		"jpeg":                            {"file:" + plain, camera.ModeJPEG, 10},
		"jpeg of a constant rate":         {"file:" + settled(t, constantRate...), camera.ModeJPEG, 10},
		"jpeg, one a second":              {"file:" + plain, camera.ModeJPEG, 1},
		"keyframes":                       {"file:" + plain, camera.ModeKeyframes, 0},
		"copy":                            {"file:" + plain, camera.ModeCopy, 0},
		"copy of a constant rate, padded": {"file:" + settled(t, padded...), camera.ModeCopy, 0},
		"copy of H.265":                   {"file:" + settled(t, hevc...), camera.ModeCopy, 0},
		"copy of H.264 over RTSP":         {harness.StartRTSP(t, harness.RTSPOptions{Clip: plain}).URL(), camera.ModeCopy, 0},
		"copy of MJPEG over HTTP":         {onePicture(t), camera.ModeCopy, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := config(c.url, c.mode)
			conf.FPS = c.fps
			start(t, conf, "").wantLook(camera.LookFrozen)
		})
	}
}

func onePicture(t *testing.T) string {
	b := harness.GenerateJPEG(t, 160, 120, 60, 1)
	return live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) { pictures(w, r, func(int) []byte { return b }) })
}

// TestReader_LivePicturesLookFine holds that there is no false alarm, for as long as a verdict takes.
func TestReader_LivePicturesLookFine(t *testing.T) {
	t.Parallel()
	file := func(name, source string, options ...string) string {
		return "file:" + clip(t, name, source+",trim=duration=14", options...)
	}
	const size, noise, bars = ":size=320x240:rate=10", ",noise=alls=8:allf=t", "smptebars=size=320x240:rate=10,scroll=h=0.003"
	dark := file("dark.mp4", "color=0x060606"+size+",drawbox=x=100:y=90:w=20:h=100:color=0x181818:t=fill"+noise, lowRate...)
	low := file("still.mp4", still+noise, lowRate...)
	for name, c := range map[string]struct {
		url  string
		mode camera.Mode
	}{
		"a test picture":                    {"lavfi:testsrc2=" + size[1:], camera.ModeJPEG},
		"a counter of seconds":              {"lavfi:testsrc=" + size[1:], camera.ModeJPEG},
		"bars that move":                    {"lavfi:" + bars, camera.ModeJPEG},
		"bars that move, copy":              {file("bars.mp4", bars, "-g", "20"), camera.ModeCopy},
		"a still scene at a low rate":       {low, camera.ModeJPEG},
		"a still scene, keyframes":          {low, camera.ModeKeyframes},
		"a still scene, copy":               {low, camera.ModeCopy},
		"a dark scene":                      {dark, camera.ModeJPEG},
		"a dark scene, copy":                {dark, camera.ModeCopy},
		"a clip of three seconds in a loop": {file("short.mp4", "testsrc2="+size[1:]+":duration=3", "-g", "10"), camera.ModeJPEG},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, config(c.url, c.mode), "")
			r.waitFrames(1, 20*time.Second)
			began := r.arrivedFirst()
			harness.WaitFor(t, 20*time.Second, "twelve seconds of pictures", func() bool { return time.Since(began) > 12*time.Second })
			if got := r.looksNow(); len(got) > 0 {
				t.Errorf("looks %+v, want none", got)
			}
		})
	}
}

func TestReader_RecoveryIsNoticed(t *testing.T) {
	t.Parallel()
	for want, nothing := range map[camera.Look][]byte{
		camera.LookFrozen: harness.GenerateJPEG(t, 160, 120, 60, 1),
		camera.LookBlack:  encode(t, image.NewGray(image.Rect(0, 0, 160, 120))),
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			var repaired atomic.Bool
			url := live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
				pictures(w, r, func(n int) []byte {
					if repaired.Load() {
						return harness.GenerateJPEG(t, 160, 120, 60, n)
					}
					return nothing
				})
			})
			r := start(t, config(url, camera.ModeCopy), "")
			r.wantLook(want)
			repaired.Store(true)
			harness.WaitFor(t, noticed+lateness, "recovery", func() bool { return len(r.looksNow()) > 1 })
			if got := r.looksNow(); len(got) != 2 || got[1].look != camera.LookFine {
				t.Errorf("looks %+v, want %s, then fine", got, want)
			}
		})
	}
}

func encode(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
