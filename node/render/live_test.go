package render_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// screen is what a decoder has shown.
type screen struct {
	mu       sync.Mutex
	pictures []*schema.Frame
}

func (s *screen) show(f *schema.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pictures = append(s.pictures, f)
}

func (s *screen) all() []*schema.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.pictures)
}

// start makes a decoder and runs it.
func start(t *testing.T, r *render.Renderer) (*render.Live, func() error) {
	t.Helper()
	l, err := r.Live()
	if err != nil {
		t.Fatal(err)
	}
	return l, run(t, l)
}

// run runs a decoder until the returned function is called, which returns what came of it, or until the test ends.
func run(t *testing.T, l *render.Live) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	end = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = end() })
	return end
}

// TestLive_ShowsEachFrameAtOnceWithItsOwnTime holds each picture to be that of its frame, which its brightness tells, and to come before the
// next frame is given; across a change of epoch, size, codec and width. Frames ahead of the first keyframe are passed over.
func TestLive_ShowsEachFrameAtOnceWithItsOwnTime(t *testing.T) {
	t.Parallel()
	runs := filepath.Join(t.TempDir(), "runs")
	l, end := start(t, newRenderer(t, script(t, "echo run >>"+runs+"; exec ffmpeg \"$@\"")))
	parts := []struct {
		frames []*schema.Frame
		width  int
		want   int // pixels
	}{
		{footage(t, schema.ContentH264, "320x180", 15, 1)[7:], 0, 320},
		{footage(t, schema.ContentH264, "320x180", 20, 2), 1000, 320},
		{footage(t, schema.ContentH264, "320x180", 20, 2), 160, 160},
		{footage(t, schema.ContentH264, "160x90", 10, 2), 160, 160},
		{footage(t, schema.ContentH265, "320x180", 20, 3), 0, 320},
	}
	for n, p := range parts {
		s, shown0 := &screen{}, 0
		for _, f := range p.frames {
			l.Feed(f, p.width, s.show)
			if f.Seq < 11 && p.frames[0].Seq == 8 {
				continue // ahead of the first keyframe
			}
			shown0++
			harness.WaitFor(t, 10*time.Second, "the picture of a frame", func() bool { return len(s.all()) == shown0 })
			got := s.all()[shown0-1]
			m := shown(t, got.Data)
			want := math.Round(float64(8*(f.Seq-1)) * 255 / 219)
			if y := float64(m.Y[m.YOffset(20, 20)]); math.Abs(y-want) > 4 || m.Rect.Dx() != p.want || got.Width != p.want {
				t.Errorf("part %d, frame %d: brightness %v, want %v; %d pixels wide, want %d", n, f.Seq, y, want, m.Rect.Dx(), p.want)
			}
			if !got.Captured.Equal(f.Captured) || got.ID() != f.ID() || got.ContentType != schema.ContentJPEG {
				t.Errorf("part %d: the picture of frame %s says %s, %s, %s", n, f.ID(), got.ID(), got.Captured, got.ContentType)
			}
		}
	}
	if b, err := os.ReadFile(runs); err != nil || bytes.Count(b, []byte("run")) != len(parts) {
		t.Errorf("runs of FFmpeg, one a line: %q, %v; want %d", b, err, len(parts))
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// TestLive_TellsFramesApartThatAreNotInOrder holds that with B-frames each picture has its own frame's time, and that they come in the order
// in which they are seen.
func TestLive_TellsFramesApartThatAreNotInOrder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "video.h264")
	out, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=black:size=320x180:rate=10", "-frames:v", "24",
		"-vf", "format=yuv420p,geq=lum=16+8*N:cb=128:cr=128",
		"-c:v", "libx264", "-x264-params", "aud=1:keyint=12:scenecut=0:bframes=2:b-adapt=0:b-pyramid=none:open-gop=0",
		"-f", "h264", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	frames := footage(t, schema.ContentH264, "320x180", 24, 1)
	for i, unit := range unitsOf(t, path, schema.ContentH264) {
		frames[i].Data, frames[i].Keyframe = unit, i%12 == 0
	}
	order, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "frame=coded_picture_number", "-of", "csv=p=0", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for seen, word := range strings.FieldsFunc(string(order), func(r rune) bool { return r < '0' || r > '9' }) {
		coded, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		frames[coded].PTS = 5_000_000 + int64(seen)*9000
	}
	l, end := start(t, newRenderer(t, "ffmpeg"))
	s := &screen{}
	for _, f := range frames {
		l.Feed(f, 0, s.show)
	}
	harness.WaitFor(t, 10*time.Second, "pictures", func() bool { return len(s.all()) >= len(frames)-4 })
	if err := end(); err != nil {
		t.Error(err)
	}
	last := int64(-1)
	for _, p := range s.all() {
		m := shown(t, p.Data)
		seen := (p.PTS - 5_000_000) / 9000
		want := math.Round(float64(8*seen) * 255 / 219)
		if y := float64(m.Y[m.YOffset(20, 20)]); math.Abs(y-want) > 4 || p.PTS <= last {
			t.Errorf("the picture at place %d has brightness %v, want %v", seen, y, want)
		}
		last = p.PTS
	}
}

// TestLive_IsBoundedAndEndsWhole holds that no more than a few decoders are at work, that a place is given back, that a decoder which shows
// nothing is ended, and that FFmpeg's end is told.
func TestLive_IsBoundedAndEndsWhole(t *testing.T) {
	t.Parallel()
	runs := filepath.Join(t.TempDir(), "runs")
	hung := newRenderer(t, script(t, "echo $$ >>"+runs+"; exec sleep 60"))
	failing, err := hung.Live()
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() { told <- failing.Run(t.Context()) }()
	var ends []func() error
	for {
		other, err := hung.Live()
		if errors.Is(err, render.ErrBusy) {
			break
		}
		if ends = append(ends, run(t, other)); len(ends) > 100 {
			t.Fatal("there is no bound")
		}
	}
	for _, end := range ends {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
	for range ends {
		again, err := hung.Live()
		if err != nil {
			t.Fatalf("a place is not given back: %v", err)
		}
		run(t, again)
	}

	big := *footage(t, schema.ContentH264, "160x90", 1, 1)[0]
	big.Data = append(slices.Clone(big.Data), make([]byte, 12<<20)...)
	harness.WaitFor(t, 20*time.Second, "the end of a decoder that shows nothing", func() bool {
		failing.Feed(&big, 0, func(*schema.Frame) {})
		return len(told) > 0
	})
	if err := <-told; err == nil {
		t.Error("it is not told that the decoder shows nothing")
	}
	harness.WaitFor(t, 5*time.Second, "no decoder", func() bool { return len(living(pidsIn(runs))) == 0 })
}
