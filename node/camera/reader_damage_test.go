package camera_test

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const (
	seconds       = 8
	width, height = 320, 192
	block         = 16
	datagram      = 7 * 188 // what is lost at once where MPEG-TS is sent by UDP
)

// TestReader_DamagedPicturesAreNotStored sends streams that lost or changed bytes on the way. Every picture that is stored is one of the
// undamaged stream; the others are refused as corrupt, up to a keyframe, after which it goes on.
func TestReader_DamagedPicturesAreNotStored(t *testing.T) {
	t.Parallel()
	h264 := []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "10", "-sc_threshold", "0"}
	h265 := []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=10:scenecut=0:open-gop=0"}
	all := []camera.Mode{camera.ModeJPEG, camera.ModeKeyframes, camera.ModeCopy}
	for name, c := range map[string]struct {
		options []string
		damage  func(b []byte) []byte
		url     func(t *testing.T, path string) string
		modes   []camera.Mode
	}{
		"h264 lost":           {slices.Concat(h264, []string{"-bf", "0"}), lose, served, all},
		"h264 reordered lost": {slices.Concat(h264, []string{"-bf", "2"}), lose, served, all[:1]},
		"h264 changed":        {slices.Concat(h264, []string{"-bf", "0"}), change, served, all[:1]}, // a decoder alone can see it
		"h264 file lost":      {slices.Concat(h264, []string{"-bf", "0"}), lose, func(_ *testing.T, path string) string { return "file:" + path }, all[:1]},
		"h265 reordered lost": {h265, lose, served, []camera.Mode{camera.ModeJPEG, camera.ModeCopy}},
	} {
		for _, mode := range c.modes {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "a.ts")
				run(t, slices.Concat([]string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=10:duration=%d,noise=alls=8:allf=t", width, height, seconds)},
					c.options, []string{"-pix_fmt", "yuv420p", "-pes_payload_size", "0", path})...)
				whole := pixels(t, "mpegts", readFile(t, path))
				damaged := filepath.Join(t.TempDir(), "d.ts")
				if err := os.WriteFile(damaged, c.damage(readFile(t, path)), 0o600); err != nil {
					t.Fatal(err)
				}
				conf := config(c.url(t, damaged), mode)
				conf.FPS, conf.Quality = 100, 2
				r := start(t, conf, "")
				harness.WaitFor(t, time.Minute, "the end", func() bool {
					frames := r.framesNow()
					return len(r.all(schema.CameraBackoff)) > 0 || len(frames) > 0 && frames[len(frames)-1].PTS-frames[0].PTS > (seconds-1)*schema.PTSRate
				})
				checkUndamaged(t, r, whole)
			})
		}
	}
}

// lose leaves out three datagrams behind the first second.
func lose(b []byte) (out []byte) {
	random := rand.New(rand.NewPCG(1, 1))
	n := len(b) / datagram
	lost := map[int]bool{}
	for len(lost) < 3 {
		lost[n/10+random.IntN(n*3/10)] = true
	}
	for i := 0; i*datagram < len(b); i++ {
		if !lost[i] {
			out = append(out, b[i*datagram:min(len(b), (i+1)*datagram)]...)
		}
	}
	return out
}

// change flips three bits behind the first second.
func change(b []byte) []byte {
	random := rand.New(rand.NewPCG(2, 2))
	for range 3 {
		b[len(b)/10+random.IntN(len(b)*3/10)] ^= 1 << random.IntN(8)
	}
	return b
}

// served plays a file once.
func served(t *testing.T, path string) string {
	b := readFile(t, path)
	return live(t, "", "", func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 1 {
			play(w, r, b, seconds*time.Second)
		}
	})
}

// checkUndamaged holds that what a run stored is part of the undamaged stream, that it refused pictures, and that it went on to the end.
func checkUndamaged(t *testing.T, r *running, whole [][]byte) {
	t.Helper()
	corrupt := 0
	for _, got := range r.rejections() {
		if got.reason == camera.RejectCorrupt {
			corrupt++
		}
	}
	frames := r.framesNow()
	var pictures [][]byte
	if frames[0].ContentType == schema.ContentJPEG {
		for _, f := range frames {
			pictures = append(pictures, grey(t, f.Data))
		}
	} else {
		var all []byte
		for _, f := range frames {
			all = append(all, f.Data...)
		}
		pictures = pixels(t, map[string]string{schema.ContentH264: "h264", schema.ContentH265: "hevc"}[frames[0].ContentType], all)
		if len(pictures) != len(frames) {
			t.Errorf("%d pictures decoded of %d frames", len(pictures), len(frames))
		}
	}
	at := 0
	for i, p := range pictures {
		j := at
		for j < len(whole) && !alike(p, whole[j]) {
			j++
		}
		if j == len(whole) {
			t.Errorf("picture %d of %d is none of the undamaged stream", i+1, len(pictures))
			continue
		}
		at = j
	}
	t.Logf("%d frames stored, %d refused", len(frames), corrupt)
	if corrupt == 0 || at < len(whole)*8/10 {
		t.Errorf("%d refused as corrupt, the last stored is number %d of %d", corrupt, at+1, len(whole))
	}
}

// alike reports whether no block of two pictures differs by more than what encoding does to it.
func alike(a, b []byte) bool {
	const most = 30 // levels, on average
	for y := 0; y < height; y += block {
		for x := 0; x < width; x += block {
			sum := 0
			for r := range block {
				at := (y+r)*width + x
				for i, v := range a[at : at+block] {
					d := int(v) - int(b[at+i])
					sum += max(d, -d)
				}
			}
			if sum > most*block*block {
				return false
			}
		}
	}
	return true
}

func grey(t *testing.T, b []byte) []byte {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*image.YCbCr).Y[:width*height]
}

// pixels decodes a stream to grey pictures of full range. Whatever the decoder has to say is an error.
func pixels(t *testing.T, format string, b []byte) (all [][]byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-f", format, "-i", "-",
		"-fps_mode", "passthrough", "-vf", "scale=out_range=full,format=gray", "-f", "rawvideo", "-")
	cmd.Stdin = bytes.NewReader(b)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Errorf("decoding: %v\n%s", err, errs.String())
	}
	for ; len(out) >= width*height; out = out[width*height:] {
		all = append(all, out[:width*height])
	}
	return all
}
