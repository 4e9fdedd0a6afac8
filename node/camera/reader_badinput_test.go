package camera_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestReader_BadInputIsNamedAndDisturbsNobody connects readers to what is no camera, or a broken one. Each ends in its class of fault
// with a pause, in bounded memory, and a camera beside them loses nothing.
func TestReader_BadInputIsNamedAndDisturbsNobody(t *testing.T) {
	healthy := start(t, config("lavfi:testsrc2=size=160x120:rate=10", camera.ModeJPEG), "")
	healthy.waitFrames(3, 30*time.Second)
	t.Run("sources", func(t *testing.T) {
		for name, c := range badInput(t) {
			for _, mode := range c.modes {
				t.Run(name+" "+string(mode), func(t *testing.T) {
					t.Parallel()
					conf := config(c.url, mode)
					conf.StallTimeout = 2 * time.Second
					r := start(t, conf, "")
					var most int
					harness.WaitFor(t, 40*time.Second, "a pause", func() bool {
						most = max(most, residentKB(t, r.PID()))
						return len(r.all(schema.CameraBackoff)) > 0
					})
					s := r.all(schema.CameraBackoff)[0]
					if s.Fault != c.want || !strings.Contains(s.Err.Error(), c.text) || s.Pause < 50*time.Millisecond {
						t.Errorf("%s, a pause of %v, %v; want %s with %q", s.Fault, s.Pause, s.Err, c.want, c.text)
					}
					if most > 200<<10 {
						t.Errorf("FFmpeg took %d KiB", most)
					}
					if n := len(r.framesNow()); n > c.frames {
						t.Errorf("%d frames, want at most %d", n, c.frames)
					}
				})
			}
		}
	})
	checkFrames(t, healthy.framesNow())
	if s := healthy.all(schema.CameraBackoff); len(s) > 0 {
		t.Errorf("the camera beside them: %+v", s)
	}
}

type badSource struct {
	url    string
	modes  []camera.Mode
	want   camera.Fault
	text   string
	frames int // at most
}

func badInput(t *testing.T) map[string]badSource {
	both := []camera.Mode{camera.ModeJPEG, camera.ModeCopy}
	sound := filepath.Join(t.TempDir(), "a.ts")
	run(t, "-f", "lavfi", "-i", "sine=duration=60", "-c:a", "mp2", sound)
	huge := hugeJPEG(t)
	hugeVideo := hugeH264(t)
	large := harness.JPEGOfSize(t, 160, 120, 20<<10, 1)
	http200 := "HTTP/1.1 200 OK\r\n"
	multipart := http200 + "Content-Type: multipart/x-mixed-replace; boundary=picture\r\n\r\n--picture\r\n"
	return map[string]badSource{
		"web page": {live(t, "", "", func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>"+strings.Repeat("<p>Please log in.</p>", 500)+"</body></html>")
		}), both, camera.FaultBadData, "", 0},
		"nothing": {live(t, "", "", func(http.ResponseWriter, *http.Request, int) {}), both[:1], camera.FaultBadData, "", 0},
		"busy":    {live(t, "", "", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(503) }), both[:1], camera.FaultRefused, "5XX", 0},
		"sound alone": {live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
			play(w, r, readFile(t, sound), 20*time.Second)
		}), both, camera.FaultBadData, "matches no streams", 0},
		"endless header":     {talk(t, "http", http200, "X-Filler: more and more\r\n"), both[:1], camera.FaultStall, "no picture", 0},
		"endless part":       {talk(t, "http", multipart, "X-Filler: more and more\r\n"), both[:1], camera.FaultStall, "no picture", 0},
		"endless reply":      {talk(t, "rtsp", "RTSP/1.0 200 OK\r\nCSeq: 1\r\n", "X-Filler: more and more\r\n"), both[:1], camera.FaultStall, "no picture", 0},
		"endless line":       {talk(t, "rtsp", "RTSP/1.0 200 OK\r\nX-Filler: ", "more and more "), both[:1], camera.FaultStall, "no picture", 0},
		"tls to a plain one": {strings.Replace(talk(t, "http", "hello\r\n", ""), "http:", "https:", 1), both[:1], camera.FaultBadData, "", 0},
		"trickle":            {trickle(t, large), both, camera.FaultStall, "no picture for 2s", 4},
		"huge jpeg":          {live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) { pictures(w, r, func(int) []byte { return huge }) }), both, camera.FaultBadData, "", 0},
		"huge h264": {live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
			play(w, r, bytes.Repeat(hugeVideo, 100), 20*time.Second)
		}), both, camera.FaultBadData, "", 0},
		"huge later": {live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
			pictures(w, r, func(n int) []byte {
				if n < 10 {
					return large
				}
				return huge
			})
		}), both, camera.FaultBadData, "", 10},
	}
}

// talk answers whoever connects with a beginning and then endlessly with more, some 20 KB/s of it.
func talk(t *testing.T, scheme, beginning, more string) string {
	t.Helper()
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
			served.Go(func() {
				defer c.Close()
				if _, err := io.ReadAtLeast(c, make([]byte, 1024), 16); err != nil {
					return
				}
				_, err := io.WriteString(c, beginning)
				for chunk := []byte(strings.Repeat(more, 20)); err == nil && len(chunk) > 0; _, err = c.Write(chunk) {
					if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
						return
					}
					if _, err := c.Read(make([]byte, 1024)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); served.Wait() })
	return scheme + "://" + l.Addr().String() + "/stream"
}

// trickle sends pictures at 4 KB/s.
func trickle(t *testing.T, picture []byte) string {
	var b []byte
	for range 20 {
		b = fmt.Appendf(b, "--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n", len(picture), picture)
	}
	return live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
		w.Header().Set("Content-Type", "multipart/x-mixed-replace; boundary=picture")
		play(w, r, b, time.Duration(len(b)/4096)*time.Second)
	})
}

// hugeJPEG is a picture that claims 65500x65500.
func hugeJPEG(t *testing.T) []byte {
	b := harness.GenerateJPEG(t, 160, 120, 60, 1)
	at := bytes.Index(b, []byte{0xFF, 0xC0})
	binary.BigEndian.PutUint16(b[at+5:], 65500)
	binary.BigEndian.PutUint16(b[at+7:], 65500)
	return b
}

// hugeH264 is a keyframe whose parameter set claims 65488x65488.
func hugeH264(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.h264")
	run(t, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10", "-frames:v", "1", "-c:v", "libx264", "-profile:v", "baseline", "-bsf:v", "h264_metadata=aud=insert", path)
	start := []byte{0, 0, 1}
	set := append([]byte{0x67, 66, 0, 51}, bits("1"+"1"+golomb(2)+golomb(1)+"0"+golomb(65488/16-1)+golomb(65488/16-1)+"1"+"1"+"0"+"0"+"1")...)
	var out []byte
	for _, unit := range bytes.Split(readFile(t, path), start)[1:] {
		if unit[0]&0x1F == 7 {
			unit = set
		}
		out = append(append(out, start...), unit...)
	}
	return out
}

// golomb writes an unsigned Exp-Golomb code.
func golomb(n int) string {
	s := strconv.FormatInt(int64(n+1), 2)
	return strings.Repeat("0", len(s)-1) + s
}

func bits(s string) (b []byte) {
	s += strings.Repeat("0", (8-len(s)%8)%8)
	for ; s != ""; s = s[8:] {
		n, _ := strconv.ParseUint(s[:8], 2, 8)
		b = append(b, byte(n))
	}
	return b
}

// residentKB is the memory a process holds, 0 when there is none.
func residentKB(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReader_FreezesShorterThanTheStallTimeoutAreBorne holds that a camera that pauses now and then is left alone.
func TestReader_FreezesShorterThanTheStallTimeoutAreBorne(t *testing.T) {
	t.Parallel()
	picture := harness.GenerateJPEG(t, 160, 120, 60, 1)
	url := live(t, "", "", func(w http.ResponseWriter, r *http.Request, _ int) {
		pictures(w, r, func(n int) []byte {
			if n%10 == 9 {
				select {
				case <-r.Context().Done():
				case <-time.After(2 * time.Second):
				}
			}
			return picture
		})
	})
	for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeCopy} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			c := config(url, mode)
			c.StallTimeout = 4 * time.Second
			r := start(t, c, "")
			checkFrames(t, r.waitFrames(35, 30*time.Second))
			if s := r.all(schema.CameraBackoff); len(s) > 0 {
				t.Errorf("faults %+v", s)
			}
		})
	}
}

// TestReader_NewCodecIsTakenUp changes the codec within a stream, under the same stream number: what comes then is not stored under
// the old codec's name, and a new FFmpeg takes it up.
func TestReader_NewCodecIsTakenUp(t *testing.T) {
	t.Parallel()
	h264 := readFile(t, clip(t, "a.ts", "testsrc2=size=160x120:rate=10:duration=4"))
	h265 := readFile(t, clip(t, "b.ts", "testsrc2=size=160x120:rate=10:duration=60", "-c:v", "libx265", "-x265-params", "log-level=none:keyint=10:bframes=0"))
	mjpeg := harness.GenerateJPEG(t, 160, 120, 60, 1)
	for name, c := range map[string]struct {
		first  func(w http.ResponseWriter, r *http.Request)
		before string
	}{
		"h264 to h265": {func(w http.ResponseWriter, r *http.Request) { play(w, r, h264, 4*time.Second) }, schema.ContentH264},
		"mjpeg to h265": {func(w http.ResponseWriter, r *http.Request) {
			n := 0
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			pictures(w, r.WithContext(ctx), func(int) []byte {
				if n++; n == 20 {
					cancel()
				}
				return mjpeg
			})
		}, schema.ContentJPEG},
	} {
		for _, mode := range []camera.Mode{camera.ModeJPEG, camera.ModeCopy} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				url := live(t, "", "", func(w http.ResponseWriter, r *http.Request, connection int) {
					if connection == 1 {
						c.first(w, r)
					}
					play(w, r, h265, 60*time.Second)
				})
				conf := config(url, mode)
				conf.StallTimeout = 2 * time.Second
				r := start(t, conf, "")
				harness.WaitFor(t, 60*time.Second, "frames of a new epoch", func() bool {
					frames := r.framesNow()
					return len(frames) > 0 && frames[len(frames)-1].Epoch > frames[0].Epoch
				})
				frames := r.framesNow()
				for _, f := range frames {
					want := schema.ContentJPEG
					if mode == camera.ModeCopy {
						want = c.before
						if f.Epoch > frames[0].Epoch {
							want = schema.ContentH265
						}
					}
					if f.ContentType != want {
						t.Errorf("epoch %d, seq %d is %s, want %s", f.Epoch, f.Seq, f.ContentType, want)
					}
				}
				s := r.all(schema.CameraBackoff)[0]
				if s.Fault != camera.FaultBadData && s.Fault != camera.FaultChanged {
					t.Errorf("%s: %v", s.Fault, s.Err)
				}
			})
		}
	}
}
