package render_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// standby makes a renderer whose decoders stand by until the test ends, and tells how often FFmpeg has been started, and which are at work.
func standby(t *testing.T) (r *render.Renderer, runs func() int, children func() []int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runs")
	r = newRenderer(t, script(t, "echo $$ >>"+path+"; exec ffmpeg \"$@\""))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	harness.WaitFor(t, 10*time.Second, "decoders that may begin", func() bool { return render.Stands(r) })
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if left := children(); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
	})
	children = func() []int { return living(pidsIn(path)) }
	return r, func() int { return len(pidsIn(path)) }, children
}

// pidsIn are the processes that a script has written down.
func pidsIn(path string) (all []int) {
	b, _ := os.ReadFile(path)
	for line := range bytes.Lines(b) {
		var pid int
		if _, err := fmt.Sscan(string(line), &pid); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

func living(pids []int) []int {
	return slices.DeleteFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) != nil })
}

// keyframesOf are the keyframes of a footage, as one camera's.
func keyframesOf(t *testing.T, camera, contentType, size string, epoch int64) (all []*archive.Frame) {
	t.Helper()
	for _, f := range footage(t, contentType, size, footageMost, epoch) {
		if f.Keyframe {
			f.Camera = camera
			all = append(all, &archive.Frame{Frame: f, Stream: f.Seq})
		}
	}
	return all
}

// newest asks for a camera's newest picture, and checks that it is that of the frame which it says it is.
func newest(t *testing.T, r *render.Renderer, f *archive.Frame, width int) *archive.Frame {
	t.Helper()
	latest, err := r.Newest(t.Context(), f, width)
	if err != nil {
		t.Fatal(err)
	}
	shownFrame := latest.Frame
	m := shown(t, latest.JPEG)
	if isNewest := shownFrame.ID() == f.ID(); (latest.Debt == 0) != isNewest {
		t.Errorf("the picture of %s while %s is the newest is said to leave %v to do", shownFrame.ID(), f.ID(), latest.Debt)
	}
	want := math.Round(float64(8*(shownFrame.Seq-1)) * 255 / 219)
	if y := float64(m.Y[m.YOffset(m.Rect.Dx()/2, m.Rect.Dy()/2)]); math.Abs(y-want) > 3 || shownFrame.Camera != f.Camera ||
		shownFrame.Stream != shownFrame.Seq {
		t.Errorf("the picture said to be that of %s has brightness %v, want %v", shownFrame.ID(), y, want)
	}
	if width == 0 {
		width = shownFrame.Width
	}
	if m.Rect.Dx() != width {
		t.Errorf("the picture of %s is %d pixels wide, want %d", shownFrame.ID(), m.Rect.Dx(), width)
	}
	return shownFrame
}

// TestNewest_IsAnsweredFromMemoryWhileANewerOneIsMade holds that nobody waits for the next picture of a camera that is asked for, that the
// answer says which frame it shows, and that the newer one follows.
func TestNewest_IsAnsweredFromMemoryWhileANewerOneIsMade(t *testing.T) {
	t.Parallel()
	r, runs, _ := standby(t)
	keys := keyframesOf(t, "cam-1", schema.ContentH264, "320x180", 1)
	for i, f := range keys {
		got := newest(t, r, f, 0)
		if i > 0 && got.Seq != keys[i-1].Seq {
			t.Errorf("while frame %d is made, %d is shown, want %d", f.Seq, got.Seq, keys[i-1].Seq)
		}
		harness.WaitFor(t, 10*time.Second, "the newest picture", func() bool { return newest(t, r, f, 0).Seq == f.Seq })
	}
	if n := runs(); n != 1 {
		t.Errorf("%d runs of FFmpeg for %d pictures, want 1", n, len(keys))
	}
}

// TestNewest_IsNeverOneThatHasLongBeenReplaced stops a decoder that stands by: what it has shown last is answered for a second and no
// longer, and then the real picture is, made without it.
func TestNewest_IsNeverOneThatHasLongBeenReplaced(t *testing.T) {
	t.Parallel()
	r, runs, children := standby(t)
	keys := keyframesOf(t, "cam-1", schema.ContentH264, "320x180", 1)
	newest(t, r, keys[0], 0)
	for _, pid := range children() {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	newest(t, r, keys[0], 0)
	seen := time.Now() // it was the newest until here at most
	harness.WaitFor(t, 20*time.Second, "the real picture", func() bool {
		asked := time.Now()
		got := newest(t, r, keys[1], 0)
		if late := asked.Sub(seen); got.Seq != keys[1].Seq && late > time.Second {
			t.Fatalf("%s after frame %d was the newest it is shown as such", late, got.Seq)
		}
		return got.Seq == keys[1].Seq
	})
	if got := newest(t, r, keys[2], 0); got.Seq == keys[0].Seq {
		t.Errorf("frame %d is shown, two behind the newest", got.Seq)
	}
	if n := runs(); n < 2 {
		t.Errorf("%d runs of FFmpeg", n)
	}
}

// TestNewest_DecodersAreSharedAndSeeEachKeyframeAlone holds that cameras of one kind share an FFmpeg, which shows each keyframe at once,
// also those of streams that are shown in another order than they are sent in. A change of the camera's codec or size, and another width,
// is another decoder's.
func TestNewest_DecodersAreSharedAndSeeEachKeyframeAlone(t *testing.T) {
	t.Parallel()
	r, runs, children := standby(t)
	kinds := 0
	for _, contentType := range []string{schema.ContentH264, schema.ContentH265} {
		for _, c := range []struct {
			size  string
			width int
		}{{"320x180", 0}, {"160x90", 0}, {"320x180", 64}} {
			kinds++
			for _, camera := range []string{"cam-1", "cam-2"} {
				for _, f := range keyframesOf(t, camera, contentType, c.size, int64(kinds)) {
					harness.WaitFor(t, 10*time.Second, "the newest picture", func() bool { return newest(t, r, f, c.width).ID() == f.ID() })
				}
			}
		}
		if n := runs(); n != kinds {
			t.Errorf("%d runs of FFmpeg, want %d", n, kinds)
		}
		for _, f := range reordered(t, contentType) {
			if _, err := r.Still(t.Context(), []*schema.Frame{f}, 0); err != nil {
				t.Error(err)
			}
		}
		if n := runs(); n != kinds {
			t.Errorf("with B-frames there are %d runs of FFmpeg, want %d", n, kinds)
		}
	}
	if n := len(children()); n == 0 || n > kinds {
		t.Errorf("%d decoders stand by, want up to %d", n, kinds)
	}
	for i, size := range []string{"64x36", "80x44", "96x54"} { // more than may stand by
		newest(t, r, keyframesOf(t, "cam-4", schema.ContentH264, size, int64(100+i))[0], 0)
	}
	if n := len(children()); n > 8 {
		t.Errorf("%d decoders stand by; that is no bound", n)
	}
	harness.WaitFor(t, 30*time.Second, "decoders that nobody asks to end", func() bool { return len(children()) == 0 })
}

// reordered are keyframes of a stream whose decoder has to wait for later pictures.
func reordered(t *testing.T, contentType string) (keys []*schema.Frame) {
	t.Helper()
	for i, unit := range encoded(t, contentType, "keyint=4:scenecut=0:bframes=2:b-adapt=0", "testsrc=size=320x180:rate=10", "-frames:v", "16",
		"-pix_fmt", "yuv420p") {
		if i%4 == 0 {
			f := *footage(t, contentType, "320x180", 1, 1)[0]
			f.Camera, f.Seq, f.Data = "cam-9", uint64(i+1), unit
			keys = append(keys, &f)
		}
	}
	return keys
}

// TestNewest_NothingOfACameraIsSeenInAnothers damages the keyframes of a dark camera that shares its decoder with a white one: what is
// shown of them is to the last byte what an FFmpeg shows that has never seen the other.
func TestNewest_NothingOfACameraIsSeenInAnothers(t *testing.T) {
	t.Parallel()
	r, runs, _ := standby(t)
	seen := 0
	for epoch, contentType := range []string{schema.ContentH264, schema.ContentH265} {
		white, dark := still(t, contentType, "255"), still(t, contentType, "16+mod(X*X+Y*Y*7+X*Y\\,50)")
		for n := range 4 {
			f := *white
			f.Camera, f.Epoch, f.Seq = "white", int64(epoch), uint64(n+1)
			if _, err := r.Still(t.Context(), []*schema.Frame{&f}, 0); err != nil {
				t.Fatal(err)
			}
			damaged := *dark
			damaged.Camera, damaged.Epoch, damaged.Seq, damaged.Data = fmt.Sprint("dark-", n), int64(epoch), uint64(n+1), slices.Clone(dark.Data)
			at := len(damaged.Data) * (n + 1) / 5
			if n%2 == 0 {
				damaged.Data = damaged.Data[:at]
			} else {
				copy(damaged.Data[at:], make([]byte, 100))
			}
			data, err := r.Still(t.Context(), []*schema.Frame{&damaged}, 0)
			if err != nil {
				continue // nothing can be seen
			}
			alone, err := newRenderer(t, "ffmpeg").Still(t.Context(), []*schema.Frame{&damaged}, 0)
			if err != nil || !bytes.Equal(data, alone) {
				t.Errorf("%s, damage %d: the picture has %d bytes, and %d when FFmpeg has seen nothing else: %v", contentType, n, len(data),
					len(alone), err)
			}
			seen++
		}
	}
	if seen < 4 {
		t.Errorf("of 8 damaged keyframes %d are shown; that proves little", seen)
	}
	t.Logf("%d runs of FFmpeg", runs())
}

// still is a keyframe of one picture, whose brightness is a formula of FFmpeg's.
func still(t *testing.T, contentType, brightness string) *schema.Frame {
	t.Helper()
	f := *footage(t, contentType, "320x180", 1, 1)[0]
	f.Data = encoded(t, contentType, "keyint=250", "color=black:size=320x180:rate=10", "-frames:v", "1",
		"-vf", "format=yuv420p,geq=lum='"+brightness+"':cb=128:cr=128")[0]
	return &f
}
