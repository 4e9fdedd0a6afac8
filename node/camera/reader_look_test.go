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

// noticed is within what time pictures that show nothing are noticed, and lateness the keyframe that a machine skips which runs many
// tests at once.
const noticed, lateness = 10 * time.Second, 2 * time.Second

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

func long(source string) string { return source + ",trim=duration=14" }

func TestReader_OneColourIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url  func(t *testing.T) string
		mode camera.Mode
		want camera.Look
	}{
		"black, jpeg":             {madeUp("color=black:size=320x240:rate=10"), camera.ModeJPEG, camera.LookBlack},
		"green, jpeg":             {madeUp("color=0x008000:size=320x240:rate=10"), camera.ModeJPEG, camera.LookGreen},
		"grey, jpeg":              {madeUp("color=gray:size=320x240:rate=10"), camera.ModeJPEG, camera.LookGrey},
		"white, jpeg":             {madeUp("color=white:size=320x240:rate=10"), camera.ModeJPEG, camera.LookFlat},
		"a decoder's green, copy": {file("color=0x008700:size=320x240:rate=10:duration=4", "-g", "20"), camera.ModeCopy, camera.LookGreen},
		"black, copy of H.265":    {file("color=black:size=320x240:rate=10:duration=4", hevc...), camera.ModeCopy, camera.LookBlack},
		"grey, keyframes":         {file("color=gray:size=320x240:rate=10:duration=4", "-g", "20"), camera.ModeKeyframes, camera.LookGrey},
		"a covered lens, keyframes": {file(long("color=0x080808:size=320x240:rate=10,noise=alls=6:allf=t"), constantRate...),
			camera.ModeKeyframes, camera.LookBlack},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start(t, config(c.url(t), c.mode), "").wantLook(c.want)
		})
	}
}

func madeUp(source string) func(*testing.T) string {
	return func(*testing.T) string { return "lavfi:" + source }
}

// settled is the same of a camera that has been at it for a while: encoders need a few keyframes to make the same picture the same.
func settled(source string, options ...string) func(*testing.T) string {
	return func(t *testing.T) string { return "file:" + settledClip(t, source, options...) }
}

func settledClip(t *testing.T, source string, options ...string) string {
	path := filepath.Join(t.TempDir(), "settled.mp4")
	run(t, "-ss", "10", "-i", clip(t, "clip.mp4", source+",trim=duration=22", options...), "-c", "copy", path)
	return path
}

// file is an encoded clip that is played over and over.
func file(source string, options ...string) func(*testing.T) string {
	return func(t *testing.T) string { return "file:" + clip(t, "clip.mp4", source, options...) }
}

func TestReader_FrozenIsNoticed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url  func(t *testing.T) string
		mode camera.Mode
		fps  float64
	}{
		"jpeg":                            {settled(still, "-g", "20"), camera.ModeJPEG, 10},
		"jpeg of a constant rate":         {settled(still, constantRate...), camera.ModeJPEG, 10},
		"jpeg, one a second":              {settled(still, "-g", "20"), camera.ModeJPEG, 1},
		"keyframes":                       {settled(still, "-g", "20"), camera.ModeKeyframes, 0},
		"copy":                            {settled(still, "-g", "20"), camera.ModeCopy, 0},
		"copy of a constant rate, padded": {settled(still, padded...), camera.ModeCopy, 0},
		"copy of H.265":                   {settled(still, hevc...), camera.ModeCopy, 0},
		"copy of H.264 over RTSP":         {overRTSP, camera.ModeCopy, 0},
		"copy of MJPEG over HTTP":         {onePicture, camera.ModeCopy, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := config(c.url(t), c.mode)
			conf.FPS = c.fps
			start(t, conf, "").wantLook(camera.LookFrozen)
		})
	}
}

func overRTSP(t *testing.T) string {
	return harness.StartRTSP(t, harness.RTSPOptions{Clip: settledClip(t, still, "-g", "20"), FPS: 10}).URL()
}

func onePicture(t *testing.T) string {
	b := harness.GenerateJPEG(t, 160, 120, 60, 1)
	return live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) { pictures(w, r, func(int) []byte { return b }) })
}

// TestReader_LivePicturesLookFine holds that there is no false alarm, for as long as a verdict takes.
func TestReader_LivePicturesLookFine(t *testing.T) {
	t.Parallel()
	const noise = ",noise=alls=8:allf=t"
	dark := long("color=0x060606:size=320x240:rate=10,drawbox=x=100:y=90:w=20:h=100:color=0x181818:t=fill" + noise)
	bars := "smptebars=size=320x240:rate=10,scroll=h=0.003"
	for name, c := range map[string]struct {
		url  func(t *testing.T) string
		mode camera.Mode
	}{
		"a test picture":                    {madeUp("testsrc2=size=320x240:rate=10"), camera.ModeJPEG},
		"a counter of seconds":              {madeUp("testsrc=size=320x240:rate=10"), camera.ModeJPEG},
		"bars that move":                    {madeUp(bars), camera.ModeJPEG},
		"bars that move, copy":              {file(long(bars), "-g", "20"), camera.ModeCopy},
		"a still scene at a low rate":       {file(long(still+noise), lowRate...), camera.ModeJPEG},
		"a still scene, keyframes":          {file(long(still+noise), lowRate...), camera.ModeKeyframes},
		"a still scene, copy":               {file(long(still+noise), lowRate...), camera.ModeCopy},
		"a dark scene":                      {file(dark, lowRate...), camera.ModeJPEG},
		"a dark scene, copy":                {file(dark, lowRate...), camera.ModeCopy},
		"a clip of three seconds in a loop": {file("testsrc2=size=320x240:rate=10:duration=3", "-g", "10"), camera.ModeJPEG},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, config(c.url(t), c.mode), "")
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
