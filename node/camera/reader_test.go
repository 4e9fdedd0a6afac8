package camera_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func TestReader_MadeUpCameraGivesItsRate(t *testing.T) {
	t.Parallel()
	for _, rate := range []int{10, 30} {
		t.Run(strconv.Itoa(rate), func(t *testing.T) {
			t.Parallel()
			r := start(t, config(fmt.Sprintf("lavfi:testsrc2=size=320x240:rate=%d", rate), camera.ModeJPEG), "")
			frames := r.waitFrames(31, 30*time.Second)[:31]
			checkFrames(t, frames)
			for i, f := range frames {
				if !f.HasPTS {
					t.Errorf("frame %d has no PTS", i)
				}
				if i == 0 {
					continue
				}
				if d := f.Captured.Sub(frames[i-1].Captured); d < 60*time.Millisecond || d > 140*time.Millisecond {
					t.Errorf("frame %d captured %v after the one before, want about 100 ms", i, d)
				}
			}
			if span := frames[30].Captured.Sub(frames[0].Captured); span < 2910*time.Millisecond || span > 3090*time.Millisecond {
				t.Errorf("30 pictures in %v, want 3 s and 3 %%", span)
			}
			// How late FFmpeg is depends on the machine: a picture's time is when it was due.
			if d := time.Since(frames[30].Captured); d < 0 || d > 10*time.Second {
				t.Errorf("the last frame was captured %v ago", d)
			}
			up := r.waitState(schema.CameraUp, 1, time.Second)
			if up[0].Epoch != frames[0].Epoch || len(r.all(schema.CameraStarting)) != 1 {
				t.Errorf("up in epoch %d, want %d, after one start", up[0].Epoch, frames[0].Epoch)
			}
		})
	}
}

func TestReader_FileIsPlayedAtItsPaceOverAndOver(t *testing.T) {
	t.Parallel()
	path := clip(t, "a.mp4", "testsrc2=size=320x240:rate=10:duration=1")
	for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeKeyframes, camera.ModeCopy} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			r := start(t, config("file:"+path, mode), "")
			n := 25
			if mode == camera.ModeKeyframes {
				n = 3
			}
			frames := r.waitFrames(n, 30*time.Second)
			checkFrames(t, frames)
			for i, f := range frames[1:] {
				if f.PTS <= frames[i].PTS {
					t.Errorf("seq %d has PTS %d, not above %d", f.Seq, f.PTS, frames[i].PTS)
				}
			}
			span, want := frames[n-1].Captured.Sub(frames[0].Captured), time.Duration(n-1)*100*time.Millisecond
			if mode == camera.ModeKeyframes {
				want *= 10
			}
			if span < want*8/10 || span > want*12/10 {
				t.Errorf("%d pictures in %v, want %v", n, span, want)
			}
			if mode == camera.ModeCopy {
				if f := frames[0]; f.ContentType != schema.ContentH264 || !f.Keyframe || f.Width != 320 || f.Height != 240 || frames[1].Keyframe {
					t.Errorf("the first frame is %s, key %v, %dx%d, the second key %v", f.ContentType, f.Keyframe, f.Width, f.Height, frames[1].Keyframe)
				}
			}
		})
	}
}

func TestReader_StallIsReportedAndEnded(t *testing.T) {
	t.Parallel()
	c := config("rtsp://127.0.0.1:1/none", camera.ModeJPEG)
	c.StallTimeout = 400 * time.Millisecond
	r := start(t, c, script(t, "cat a.nut; exec sleep 1000", map[string][]byte{"a.nut": recorded(t, 3)}))
	checkStalled(t, r)
	if n := len(r.waitFrames(6, 10*time.Second)); n != 6 {
		t.Errorf("%d frames, want 3 in each epoch", n)
	}
}

func TestReader_StoppedFFmpegIsReplaced(t *testing.T) {
	t.Parallel()
	c := config("lavfi:testsrc2=size=160x120:rate=10", camera.ModeJPEG)
	c.StallTimeout = 500 * time.Millisecond
	r := start(t, c, "")
	r.waitFrames(3, 20*time.Second)
	if err := syscall.Kill(r.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	checkStalled(t, r)
	epoch := r.all(schema.CameraUp)[1].Epoch
	harness.WaitFor(t, 20*time.Second, "frames of the new epoch", func() bool {
		frames := r.framesNow()
		return frames[len(frames)-1].Epoch == epoch
	})
}

// checkStalled holds the course of a stall: up, stalled, backoff, starting with a higher epoch, up.
func checkStalled(t *testing.T, r *running) {
	t.Helper()
	r.waitState(schema.CameraUp, 2, 30*time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	var course []schema.CameraState
	for _, s := range r.states {
		course = append(course, s.State)
	}
	want := []schema.CameraState{schema.CameraStarting, schema.CameraUp, schema.CameraStalled, schema.CameraBackoff, schema.CameraStarting, schema.CameraUp}
	if !slices.Equal(course[:len(want)], want) {
		t.Fatalf("states %v, want %v", course, want)
	}
	for _, s := range r.states[2:4] {
		if s.Fault != camera.FaultStall || s.Err == nil || !strings.Contains(s.Err.Error(), "no picture for") || s.Faults != 1 || s.Epoch != r.states[0].Epoch {
			t.Errorf("%s with %+v", s.State, s)
		}
	}
	if r.states[4].Epoch <= r.states[0].Epoch {
		t.Errorf("epoch %d, not above %d", r.states[4].Epoch, r.states[0].Epoch)
	}
}

func TestReader_FloodOnStderrHoldsNothingUp(t *testing.T) {
	t.Parallel()
	flood := `head -c 5000000 /dev/zero | tr '\0' 'x' >&2; yes "a warning" | head -n 100000 >&2; cat a.nut; head -c 3000000 /dev/zero >&2; echo >&2; echo last words >&2`
	r := start(t, config("rtsp://127.0.0.1:1/none", camera.ModeJPEG), script(t, flood, map[string][]byte{"a.nut": recorded(t, 3)}))
	checkFrames(t, r.waitFrames(3, time.Minute)[:3])
	s := r.waitState(schema.CameraBackoff, 1, time.Minute)[0]
	if text := s.Err.Error(); s.Fault != camera.FaultEnded || len(text) > 8<<10 || !strings.HasSuffix(text, "last words") {
		t.Errorf("%s with an error of %d bytes, %.200s, want the end of it", s.Fault, len(text), text)
	}
}

func TestReader_FFmpegThatWillNotEndIsKilled(t *testing.T) {
	t.Parallel()
	r := start(t, config("rtsp://127.0.0.1:1/none", camera.ModeJPEG),
		script(t, "trap '' TERM; (trap '' TERM; while :; do sleep 0.1; done) & cat a.nut; while :; do sleep 0.1; done", map[string][]byte{"a.nut": recorded(t, 3)}))
	r.waitFrames(3, 20*time.Second)
	began := time.Now()
	r.stop()
	if d := time.Since(began); d < 900*time.Millisecond || d > 2*time.Second {
		t.Errorf("ended after %v, want about a second", d)
	}
}

func TestReader_StopIsPrompt(t *testing.T) {
	t.Parallel()
	r := start(t, config("lavfi:testsrc2=size=160x120:rate=10", camera.ModeJPEG), "")
	r.waitFrames(3, 20*time.Second)
	began := time.Now()
	r.stop()
	if d := time.Since(began); d > 900*time.Millisecond {
		t.Errorf("ended after %v", d)
	}
	if got := r.rejections(); len(got) > 0 {
		t.Errorf("a stop refused pictures: %v", got)
	}
}

func TestReader_FailingStartsBackOff(t *testing.T) {
	t.Parallel()
	r := start(t, config("rtsp://127.0.0.1:1/none", camera.ModeJPEG), script(t, `echo "rtsp://cam: Connection refused" >&2; exit 1`, nil))
	states := r.waitState(schema.CameraBackoff, 2, 20*time.Second)
	for i, s := range states[:2] {
		want := time.Duration(i+1) * time.Second
		if s.Fault != camera.FaultRefused || s.Pause < want*3/4 || s.Pause > want*5/4 || s.Faults != i+1 {
			t.Errorf("fault %d: %+v, want %s and a pause of about %v", i+1, s, camera.FaultRefused, want)
		}
	}
	starts := r.all(schema.CameraStarting)
	if starts[1].Epoch <= starts[0].Epoch {
		t.Errorf("epochs %d, %d do not grow", starts[0].Epoch, starts[1].Epoch)
	}
}

func TestReader_FaultsAreNamed(t *testing.T) {
	t.Parallel()
	refusing := fmt.Sprintf("rtsp://127.0.0.1:%d/stream", harness.FreePort(t))
	sound := filepath.Join(t.TempDir(), "a.wav")
	run(t, "-f", "lavfi", "-i", "sine=duration=0.1", sound)
	mpeg4 := filepath.Join(t.TempDir(), "a.avi")
	run(t, "-f", "lavfi", "-i", "testsrc2=size=64x48:duration=1", "-c:v", "mpeg4", mpeg4)
	text := filepath.Join(t.TempDir(), "a.mp4")
	if err := os.WriteFile(text, []byte("no video\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	killed := script(t, "cat a.nut; kill -9 $$", map[string][]byte{"a.nut": recorded(t, 3)})
	for name, c := range map[string]struct {
		url    string
		mode   camera.Mode
		ffmpeg string
		want   camera.Fault
		text   string
	}{
		"refused":      {refusing, camera.ModeJPEG, "", camera.FaultRefused, "Connection refused"},
		"no file":      {"file:/nowhere/a.mp4", camera.ModeCopy, "", camera.FaultNotFound, "No such file"},
		"no video":     {"file:" + text, camera.ModeJPEG, "", camera.FaultBadData, "Invalid data"},
		"sound alone":  {"file:" + sound, camera.ModeJPEG, "", camera.FaultBadData, "matches no streams"},
		"copy mpeg4":   {"file:" + mpeg4, camera.ModeCopy, "", camera.FaultBadData, `needs H.264, H.265 or MJPEG; the camera sends "FMP4"`},
		"no ffmpeg":    {"file:" + text, camera.ModeJPEG, "/nowhere/ffmpeg", camera.FaultProcess, "/nowhere/ffmpeg"},
		"killed":       {"file:" + text, camera.ModeJPEG, killed, camera.FaultProcess, "killed"},
		"silent exit":  {"file:" + text, camera.ModeJPEG, script(t, "exit 3", nil), camera.FaultProcess, "exit status 3"},
		"silent end":   {"file:" + text, camera.ModeJPEG, script(t, "exit 0", nil), camera.FaultEnded, "ended the stream"},
		"wrong option": {"file:" + text, camera.ModeJPEG, script(t, `exec ffmpeg -nonsense "$@"`, nil), camera.FaultBadData, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, config(c.url, c.mode), c.ffmpeg)
			s := r.waitState(schema.CameraBackoff, 1, 20*time.Second)[0]
			if s.Fault != c.want || !strings.Contains(s.Err.Error(), c.text) {
				t.Errorf("%s: %v, want %s with %q", s.Fault, s.Err, c.want, c.text)
			}
		})
	}
}

func TestReader_ForeignAndTornAreCountedAndSkipped(t *testing.T) {
	t.Parallel()
	wrapped := script(t, `echo "hello from a wrapper"; exec ffmpeg "$@"`, nil)
	r := start(t, config("lavfi:testsrc2=size=160x120:rate=10", camera.ModeJPEG), wrapped)
	checkFrames(t, r.waitFrames(3, 20*time.Second))
	got := r.rejections()
	if len(got) != 1 || got[0].reason != camera.RejectForeign || got[0].seq != 0 || got[0].detail != "21 foreign bytes" {
		t.Errorf("refused %+v, want 21 foreign bytes before the first picture", got)
	}

	whole := recorded(t, 3)
	cut := start(t, config("rtsp://127.0.0.1:1/none", camera.ModeJPEG), script(t, "cat a.nut; exec sleep 1000", map[string][]byte{"a.nut": whole[:len(whole)-100]}))
	cut.waitFrames(2, 20*time.Second)
	if err := syscall.Kill(cut.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	cut.waitState(schema.CameraBackoff, 1, 20*time.Second)
	if got := cut.rejections(); len(got) != 1 || got[0].reason != camera.RejectTorn || got[0].seq != 3 {
		t.Errorf("refused %+v, want picture 3 as torn", got)
	}
}

func TestReader_OverCapUsesUpItsNumber(t *testing.T) {
	t.Parallel()
	c := config("lavfi:testsrc2=size=320x240:rate=10", camera.ModeJPEG)
	c.MaxFrame = 1000
	r := start(t, c, "")
	harness.WaitFor(t, 20*time.Second, "refused pictures", func() bool { return len(r.rejections()) >= 3 })
	for i, got := range r.rejections() {
		if got.reason != camera.RejectOverCap || got.seq != uint64(i+1) || !strings.Contains(got.detail, "where max_frame allows 1000") {
			t.Errorf("refused %+v, want number %d over the cap", got, i+1)
		}
	}
	if n := len(r.framesNow()); n > 0 {
		t.Errorf("%d frames over the cap", n)
	}
}

func TestReader_CredentialsReachTheCameraAndNothingElse(t *testing.T) {
	t.Parallel()
	const user, password = "view er", "p@ss:w/rd#%?&+ é'"
	ts := readFile(t, clip(t, "a.ts", "testsrc2=size=160x120:rate=10:duration=20"))
	url := live(t, user, password, func(w http.ResponseWriter, r *http.Request, _ int) { play(w, r, ts, 20*time.Second) })
	for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeCopy} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			c := config(url, mode)
			c.Username, c.Password = user, password
			r := start(t, c, "")
			frames := r.waitFrames(5, 30*time.Second)
			checkFrames(t, frames)
			for _, f := range frames {
				if d := time.Since(f.Captured); d < 0 || d > 20*time.Second || f.HasPTS != (mode == camera.ModeCopy) {
					t.Errorf("seq %d captured %v ago, PTS %v", f.Seq, d, f.HasPTS)
				}
			}
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", r.PID()))
			if err != nil || bytes.Contains(b, []byte("view")) || bytes.Contains(b, []byte("p@ss")) || bytes.Contains(b, []byte("p%40ss")) {
				t.Errorf("command line %q, %v", b, err)
			}
		})
	}
	c := config(url, camera.ModeJPEG)
	c.Username, c.Password = user, "wr@ng secret"
	s := start(t, c, "").waitState(schema.CameraBackoff, 1, 20*time.Second)[0]
	checkNoSecret(t, s, "wr@ng secret", "wr%40ng%20secret", "view")
	if s.Fault != camera.FaultUnauthorised || s.Pause < 10*time.Second {
		t.Errorf("%s, a pause of %v, %v", s.Fault, s.Pause, s.Err)
	}
}

func checkNoSecret(t *testing.T, s camera.State, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(s.Err.Error(), secret) {
			t.Errorf("%q is in the error %q", secret, s.Err)
		}
	}
}

func TestReader_RTSPCameraSeesUserAndPassword(t *testing.T) {
	t.Parallel()
	const user, password = "viewer", "p@ss:w/rd#%?&+ é'"
	got := make(chan string, 100)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() { challenge(c, got) })
		}
	})
	t.Cleanup(func() { l.Close(); served.Wait() })
	conf := config("rtsp://"+l.Addr().String()+"/stream", camera.ModeJPEG)
	conf.Username, conf.Password = user, password
	r := start(t, conf, "")
	s := r.waitState(schema.CameraBackoff, 1, 20*time.Second)[0]
	if s.Fault != camera.FaultUnauthorised {
		t.Errorf("%s: %v, want %s", s.Fault, s.Err, camera.FaultUnauthorised)
	}
	checkNoSecret(t, s, user, password, "p%40ss")
	select {
	case auth := <-got:
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Basic "))
		if err != nil || string(b) != user+":"+password {
			t.Errorf("the camera was given %q, %v", b, err)
		}
	default:
		t.Error("the camera was given no credentials")
	}
}

func TestReader_NewPictureSizeArrivesAsItIs(t *testing.T) {
	t.Parallel()
	var small, large bytes.Buffer
	for size, b := range map[image.Point]*bytes.Buffer{{X: 160, Y: 120}: &small, {X: 322, Y: 242}: &large} {
		m := image.NewGray(image.Rectangle{Max: size})
		for i := range m.Pix {
			m.Pix[i] = byte(size.X) // tells a picture apart from one that was scaled
		}
		if err := jpeg.Encode(b, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	for mode, epochs := range map[camera.Mode]int{camera.ModeJPEG: 2, camera.ModeKeyframes: 2, camera.ModeCopy: 1} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			url := live(t, "", "", func(w http.ResponseWriter, r *http.Request, connection int) {
				pictures(w, r, func(n int) []byte {
					if connection == 1 && n < 20 {
						return small.Bytes()
					}
					return large.Bytes()
				})
			})
			r := start(t, config(url, mode), "")
			harness.WaitFor(t, 30*time.Second, "frames of both sizes", func() bool {
				frames := r.framesNow()
				return len(frames) > 5 && frames[0].Width == 160 && frames[len(frames)-1].Width == 322
			})
			for _, f := range r.framesNow() {
				want := [2]int{160, 120}
				if shade, _, _, _ := checkJPEG(t, f).At(8, 8).RGBA(); shade>>8 < 120 {
					want = [2]int{322, 242}
				}
				if got := [2]int{f.Width, f.Height}; got != want {
					t.Errorf("epoch %d, seq %d is %v, want %v", f.Epoch, f.Seq, got, want)
				}
			}
			s := r.all(schema.CameraBackoff)
			if len(s) != epochs-1 || epochs == 2 && (s[0].Fault != camera.FaultChanged || s[0].Pause > 200*time.Millisecond) {
				t.Errorf("faults %+v, want %s %d times", s, camera.FaultChanged, epochs-1)
			}
		})
	}
}

func TestReader_PicturesThatComeTogetherAreNoFault(t *testing.T) {
	t.Parallel()
	picture := harness.GenerateJPEG(t, 160, 120, 60, 1)
	url := live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
		pictures(w, r, func(n int) []byte {
			if n%5 != 0 {
				return picture
			}
			return bytes.Join([][]byte{picture, picture}, []byte("\r\n--picture\r\nContent-Type: image/jpeg\r\n\r\n"))
		})
	})
	r := start(t, config(url, camera.ModeKeyframes), "")
	checkFrames(t, r.waitFrames(20, 20*time.Second))
	if s := r.all(schema.CameraBackoff); len(s) > 0 {
		t.Errorf("faults %+v", s)
	}
}

func TestFindFFmpeg_NamesWhatIsMissing(t *testing.T) {
	for name, path := range map[string]string{
		"missing": "/nowhere/ffmpeg",
		"broken":  script(t, "exit 1", nil),
		"no exec": filepath.Join(t.TempDir(), "none"),
	} {
		if _, err := camera.FindFFmpeg(t.Context(), path); !errors.Is(err, camera.ErrNoFFmpeg) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v with %s", name, err, camera.ErrNoFFmpeg, path)
		}
	}
	f, err := camera.FindFFmpeg(t.Context(), "ffmpeg")
	if err != nil || f.Version == "" || !filepath.IsAbs(f.Path) {
		t.Errorf("%+v, %v", f, err)
	}
}
