package camera_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// crowd is a camera over HTTP with ten pictures a second, which decides what becomes of a connection beside others.
type crowd struct {
	url     string
	open    atomic.Int32
	refused atomic.Int32
}

func newCrowd(t *testing.T, admit func(c *crowd, w http.ResponseWriter) bool) *crowd {
	t.Helper()
	c := &crowd{}
	picture := harness.GenerateJPEG(t, 160, 120, 60, 1)
	c.url = live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
		if !admit(c, w) {
			c.refused.Add(1)
			return
		}
		c.open.Add(1)
		defer c.open.Add(-1)
		pictures(w, r, func(int) []byte { return picture })
	})
	return c
}

// takeOver waits until another epoch delivers and checks that the two do not overlap in order. It returns that epoch, and how long nothing came
// between them.
func takeOver(t *testing.T, r *running, before int64) (epoch int64, gap time.Duration) {
	t.Helper()
	harness.WaitFor(t, 30*time.Second, "frames of another epoch", func() bool {
		frames := r.framesNow()
		return frames[len(frames)-1].Epoch > before && frames[len(frames)-3].Epoch > before
	})
	frames := r.framesNow()
	for i, f := range frames[1:] {
		if f.Epoch == frames[i].Epoch && f.Seq == frames[i].Seq+1 {
			continue
		}
		if f.Epoch <= frames[i].Epoch || f.Seq != 1 {
			t.Errorf("epoch %d, seq %d follows epoch %d, seq %d", f.Epoch, f.Seq, frames[i].Epoch, frames[i].Seq)
		}
		if frames[i].Epoch == before {
			gap = f.Captured.Sub(frames[i].Captured)
		}
	}
	return frames[len(frames)-1].Epoch, gap
}

// unbroken is one picture of these cameras and a little more. FFmpeg alone takes longer to start.
const unbroken = 100*time.Millisecond + 60*time.Millisecond

func TestTime_ChangeIsMadeBeforeTheOldReaderBreaks(t *testing.T) {
	c := newCrowd(t, func(*crowd, http.ResponseWriter) bool { return true })
	for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeCopy} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			conf := config(c.url, mode)
			r := start(t, conf, "")
			epoch := r.waitFrames(5, 30*time.Second)[0].Epoch
			for range 2 {
				conf.MaxFrame++
				r.change(conf)
				next, gap := takeOver(t, r, epoch)
				if epoch = next; gap > unbroken {
					t.Errorf("%v between the last picture of an old FFmpeg and the first of the new one, want at most %v", gap, unbroken)
				}
			}
			if s := r.all(schema.CameraBackoff); len(s) > 0 {
				t.Errorf("faults %+v", s)
			}
		})
	}
}

func TestReader_CameraOfOneConnectionIsChangedByBreaking(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, func(c *crowd, w http.ResponseWriter) bool {
		if c.open.Load() > 0 {
			http.Error(w, "full", http.StatusForbidden)
			return false
		}
		return true
	})
	conf := config(c.url, camera.ModeCopy)
	r := start(t, conf, "")
	epoch := r.waitFrames(3, 30*time.Second)[0].Epoch
	for change := range 2 {
		conf.MaxFrame++
		r.change(conf)
		next, gap := takeOver(t, r, epoch)
		if epoch = next; gap > 10*time.Second {
			t.Errorf("change %d: %v without a picture", change, gap)
		}
		s := r.waitState(schema.CameraBackoff, change+1, time.Second)[change]
		if s.Fault != camera.FaultReplaced || s.Pause != 0 {
			t.Errorf("change %d: %s, a pause of %v, want %s and none", change, s.Fault, s.Pause, camera.FaultReplaced)
		}
	}
	if n := c.refused.Load(); n != 1 {
		t.Errorf("the camera was asked for a second connection %d times, want once: then it is known", n)
	}
}

func TestReader_CameraThatPrefersTheNewConnectionLosesNothing(t *testing.T) {
	t.Parallel()
	c := &crowd{}
	drop := make(chan chan struct{}, 1)
	drop <- nil
	picture := harness.GenerateJPEG(t, 160, 120, 60, 1)
	c.url = live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
		mine := make(chan struct{})
		if last := <-drop; last != nil {
			close(last)
		}
		drop <- mine
		pictures(w, r, func(int) []byte {
			select {
			case <-mine:
				panic(http.ErrAbortHandler)
			default:
				return picture
			}
		})
	})
	conf := config(c.url, camera.ModeCopy)
	r := start(t, conf, "")
	epoch := r.waitFrames(3, 30*time.Second)[0].Epoch
	conf.MaxFrame++
	r.change(conf)
	if _, gap := takeOver(t, r, epoch); gap > 5*time.Second {
		t.Errorf("%v without a picture", gap)
	}
	if s := r.all(schema.CameraBackoff); len(s) > 0 {
		t.Errorf("faults %+v", s)
	}
}

func TestReader_WrongChangeIsReportedAndTheNextOneTried(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, func(*crowd, http.ResponseWriter) bool { return true })
	conf := config(c.url, camera.ModeCopy)
	r := start(t, conf, "")
	epoch := r.waitFrames(3, 30*time.Second)[0].Epoch
	wrong := conf
	wrong.URL = "http://127.0.0.1:1/none"
	r.change(wrong)
	s := r.waitState(schema.CameraBackoff, 2, 20*time.Second)
	if s[0].Fault != camera.FaultReplaced || s[1].Fault != camera.FaultRefused {
		t.Errorf("faults %s, %s, want %s, %s", s[0].Fault, s[1].Fault, camera.FaultReplaced, camera.FaultRefused)
	}
	r.change(conf) // ends the pause
	takeOver(t, r, epoch)
}

func TestReader_KickEndsThePauseAndTheBreakerIsNamed(t *testing.T) {
	t.Parallel()
	allowed := atomic.Bool{}
	c := newCrowd(t, func(_ *crowd, w http.ResponseWriter) bool {
		if !allowed.Load() {
			w.WriteHeader(http.StatusForbidden)
		}
		return allowed.Load()
	})
	r := start(t, config(c.url, camera.ModeCopy), "")
	kick := func() {
		harness.WaitFor(t, 20*time.Second, "a pause to end", func() bool { return r.Kick() })
	}
	for n := 1; n <= 3; n++ {
		s := r.waitState(schema.CameraBackoff, n, 20*time.Second)[n-1]
		if s.Fault != camera.FaultUnauthorised || s.Pause < 10*time.Second || s.Pause > 20*time.Second {
			t.Errorf("fault %d: %s, a pause of %v, want %s and the first again", n, s.Fault, s.Pause, camera.FaultUnauthorised)
		}
		want := schema.BreakerClosed
		if n == 3 {
			want = schema.BreakerOpen
			allowed.Store(true)
		}
		if s.Breaker != want {
			t.Errorf("fault %d: the breaker is %s, want %s", n, s.Breaker, want)
		}
		kick()
	}
	if up := r.waitState(schema.CameraUp, 1, 20*time.Second)[0]; up.Breaker != schema.BreakerClosed {
		t.Errorf("up with the breaker %s", up.Breaker)
	}
	if s := r.all(schema.CameraStarting); s[3].Breaker != schema.BreakerHalfOpen {
		t.Errorf("the try after the third fault has the breaker %s, want %s", s[3].Breaker, schema.BreakerHalfOpen)
	}
	if r.Kick() {
		t.Error("a camera that delivers had a pause to end")
	}
}
