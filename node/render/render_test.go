package render_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"iter"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// interval is how far apart the frames of these tests are.
const interval = 100 * time.Millisecond

var began = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// footageMost is the most pictures of a footage.
const footageMost = 25

// footage is copied video of n pictures, a keyframe each ten, whose picture i is grey of the brightness 16+8i.
func footage(t *testing.T, contentType string, size string, n int, epoch int64) []*schema.Frame {
	t.Helper()
	var w, h int
	if _, err := fmt.Sscanf(size, "%dx%d", &w, &h); err != nil {
		t.Fatal(err)
	}
	var frames []*schema.Frame
	for i, unit := range shot(t, contentType, size)[:n] {
		at := began.Add(time.Duration(i) * interval)
		frames = append(frames, &schema.Frame{Site: "test", Camera: "cam-1", Node: "node-1", Epoch: epoch, Seq: uint64(i + 1), Captured: at,
			ContentType: contentType, Width: w, Height: h, Keyframe: i%10 == 0, Data: unit, HasPTS: true, PTS: 5_000_000 + int64(i)*9000})
	}
	return frames
}

// shots are the access units that FFmpeg has made for some test, by content type and size: to make them takes longer than most tests.
var shots struct {
	sync.Mutex
	made map[string][][]byte
}

// shot is the access units of the longest footage.
func shot(t *testing.T, contentType, size string) [][]byte {
	t.Helper()
	shots.Lock()
	defer shots.Unlock()
	key := contentType + " " + size
	if units := shots.made[key]; units != nil {
		return units
	}
	units := encoded(t, contentType, "keyint=10:scenecut=0:bframes=0", "color=black:size="+size+":rate=10", "-frames:v", strconv.Itoa(footageMost),
		"-vf", "format=yuv420p,geq=lum=16+8*N:cb=128:cr=128")
	if len(units) != footageMost {
		t.Fatalf("%d pictures are %d access units", footageMost, len(units))
	}
	if shots.made == nil {
		shots.made = map[string][][]byte{}
	}
	shots.made[key] = units
	return units
}

// encoded are the access units that FFmpeg makes of a source of its own, by an encoder with the given parameters.
func encoded(t *testing.T, contentType, params, source string, args ...string) [][]byte {
	t.Helper()
	params = "aud=1:" + params
	codec := []string{"-c:v", "libx264", "-x264-params", params, "-f", "h264"}
	if contentType == schema.ContentH265 {
		codec = []string{"-c:v", "libx265", "-x265-params", params + ":log-level=none", "-f", "hevc"}
	}
	path := filepath.Join(t.TempDir(), "video")
	args = slices.Concat([]string{"-v", "error", "-f", "lavfi", "-i", source}, args, codec, []string{path})
	if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return unitsOf(t, path, contentType)
}

// unitsOf are the access units of a file in which each begins with its delimiter.
func unitsOf(t *testing.T, path, contentType string) (units [][]byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	aud := []byte{0, 0, 0, 1, 9}
	if contentType == schema.ContentH265 {
		aud = []byte{0, 0, 0, 1, 0x46}
	}
	for _, rest := range bytes.Split(data, aud)[1:] {
		units = append(units, append(slices.Clone(aud), rest...))
	}
	return units
}

// photos are n JPEG frames at uneven times.
func photos(t *testing.T, w, h, n int, epoch int64) []*schema.Frame {
	t.Helper()
	var frames []*schema.Frame
	for i := range n {
		at := began.Add(time.Duration(i)*interval + time.Duration(i*i%7)*time.Millisecond)
		frames = append(frames, &schema.Frame{Site: "test", Camera: "cam-2", Node: "node-1", Epoch: epoch, Seq: uint64(i + 1), Captured: at,
			ContentType: schema.ContentJPEG, Width: w, Height: h, Data: harness.GenerateJPEG(t, w, h, 80, i)})
	}
	return frames
}

func shown(t *testing.T, data []byte) *image.YCbCr {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*image.YCbCr)
}

func TestStill_IsThePictureOfItsFrame(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, "ffmpeg")
	for _, contentType := range []string{schema.ContentH264, schema.ContentH265} {
		frames := footage(t, contentType, "320x180", 20, 1)
		for _, c := range []struct{ first, last, width, wantWidth int }{{0, 0, 0, 320}, {10, 10, 160, 160}, {10, 17, 0, 320}, {0, 9, 64, 64}, {10, 19, 1000, 320}} {
			var group []*schema.Frame
			group = append(group, frames[c.first:c.last+1]...)
			data, err := r.Still(t.Context(), group, c.width)
			if err != nil {
				t.Fatal(err)
			}
			m := shown(t, data)
			want := math.Round(float64(8*c.last) * 255 / 219)
			if got := float64(m.Y[m.YOffset(20, 20)]); math.Abs(got-want) > 3 || m.Rect.Dx() != c.wantWidth {
				t.Errorf("%s, frame %d: brightness %v, want %v; %d pixels wide, want %d", contentType, c.last, got, want, m.Rect.Dx(), c.wantWidth)
			}
		}
	}
}

func TestStill_OfJPEGIsTheFrameOrASmallerOne(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, "/nowhere/ffmpeg")
	f := photos(t, 641, 359, 1, 1)
	same, err := r.Still(t.Context(), f, 0)
	if err != nil || &same[0] != &f[0].Data[0] {
		t.Errorf("it is not the frame's own: %v", err)
	}
	whole := shown(t, same)
	for _, width := range []int{16, 100, 320, 333, 640} {
		small, err := r.Still(t.Context(), f, width)
		if err != nil {
			t.Fatal(err)
		}
		m := shown(t, small)
		if height := (359*width + 320) / 641; m.Rect.Dx() != width || m.Rect.Dy() != height {
			t.Errorf("%v, want %dx%d", m.Rect, width, height)
		}
		for _, p := range []image.Point{{1, 9}, {5, 5}, {9, 2}} {
			at := image.Pt(m.Rect.Dx()*p.X/10, m.Rect.Dy()*p.Y/10)
			from := image.Pt((2*at.X+1)*641/(2*m.Rect.Dx()), (2*at.Y+1)*359/(2*m.Rect.Dy()))
			if got, want := int(m.Y[m.YOffset(at.X, at.Y)]), int(whole.Y[whole.YOffset(from.X, from.Y)]); max(got-want, want-got) > 8 {
				t.Errorf("width %d at %v: %d, want %d", width, p, got, want)
			}
			if got := int(m.Cr[m.COffset(at.X, at.Y)]); max(got-140, 140-got) > 3 {
				t.Errorf("width %d at %v: red %d, want 140", width, p, got)
			}
		}
	}
}

func TestStill_BadInputGetsAnErrorAndNothingElse(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, "ffmpeg")
	video := footage(t, schema.ContentH264, "160x90", 3, 1)
	torn := *video[0]
	torn.Data = bytes.Repeat([]byte{0, 0, 0, 1, 0x65, 0xff}, 50)
	broken := *photos(t, 64, 64, 1, 1)[0]
	broken.Data = broken.Data[:100]
	for name, c := range map[string]struct {
		frames []*schema.Frame
		width  int
		want   error
	}{
		"no frames":         {nil, 0, render.ErrNoPicture},
		"no keyframe":       {video[1:], 0, render.ErrNoPicture},
		"torn video":        {[]*schema.Frame{&torn}, 0, render.ErrNoPicture},
		"torn JPEG":         {[]*schema.Frame{&broken}, 32, render.ErrNoPicture},
		"too narrow":        {video[:1], 3, render.ErrWidth},
		"too wide":          {video[:1], 100_000, render.ErrWidth},
		"a negative width":  {video[:1], -1, render.ErrWidth},
		"one more of these": {[]*schema.Frame{&broken}, 33, render.ErrNoPicture},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.Still(t.Context(), c.frames, c.width); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	if _, err := newRenderer(t, "/nowhere/ffmpeg").Still(t.Context(), video[:1], 0); err == nil {
		t.Error("a picture without FFmpeg")
	}
}

// TestStill_IsMadeOnceForAllWhoAsk counts the runs of FFmpeg, while whoever asked first goes away.
func TestStill_IsMadeOnceForAllWhoAsk(t *testing.T) {
	t.Parallel()
	runs := filepath.Join(t.TempDir(), "runs")
	r := newRenderer(t, script(t, "echo run >>"+runs+"; sleep 0.3; exec ffmpeg \"$@\""))
	frames := footage(t, schema.ContentH264, "160x90", 1, 1)
	first, leave := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := r.Still(first, frames, 0)
		gone <- err
	}()
	count := func() int {
		b, _ := os.ReadFile(runs)
		return bytes.Count(b, []byte("run"))
	}
	harness.WaitFor(t, 10*time.Second, "a run", func() bool { return count() == 1 })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := r.Still(t.Context(), frames, 0); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	all.Wait()
	if n := count(); n != 2 {
		t.Errorf("%d runs, want 2: the one that was given up and one for all others", n)
	}
}

func TestStill_TellsThatTooMuchIsAsked(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, script(t, "exec sleep 60"))
	frame := footage(t, schema.ContentH264, "160x90", 1, 1)[0]
	ctx, stop := context.WithCancel(t.Context())
	const asked = 100
	errs := make(chan error, asked)
	for i := range asked {
		f := *frame
		f.Seq = uint64(i + 1)
		go func() {
			_, err := r.Still(ctx, []*schema.Frame{&f}, 0)
			errs <- err
		}()
	}
	if err := <-errs; !errors.Is(err, render.ErrBusy) {
		t.Errorf("got %v", err)
	}
	stop()
	for range asked - 1 {
		<-errs
	}
}

// script is a program in place of ffmpeg.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// newRenderer makes one whose decoders do not stand by.
func newRenderer(t *testing.T, ffmpeg string) *render.Renderer {
	t.Helper()
	return render.New(ffmpeg, slog.New(slog.NewTextHandler(t.Output(), nil)))
}

func sequence(frames []*schema.Frame) iter.Seq2[*schema.Frame, error] {
	return func(yield func(*schema.Frame, error) bool) {
		for _, f := range frames {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// clipInfo is what ffprobe says of a clip, all of whose pictures it decodes.
type clipInfo struct {
	codec string
	times []float64
	sizes []string
}

func inspect(t *testing.T, data []byte) clipInfo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name:frame=pts_time,width,height", "-of", "json", path)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("ffprobe: %v: %s", err, complaints.Bytes())
	}
	var said struct {
		Streams []struct {
			Codec string `json:"codec_name"`
		}
		Frames []struct {
			Time          string `json:"pts_time"`
			Width, Height int
		}
	}
	if err := json.Unmarshal(out, &said); err != nil || len(said.Streams) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	info := clipInfo{codec: said.Streams[0].Codec}
	for _, f := range said.Frames {
		at, err := strconv.ParseFloat(f.Time, 64)
		if err != nil {
			t.Fatal(err)
		}
		info.times = append(info.times, at)
		info.sizes = append(info.sizes, fmt.Sprintf("%dx%d", f.Width, f.Height))
	}
	return info
}

// TestClip_KeepsEveryPictureAndItsTime holds that for every encoding and format, across a restart of the camera, and where pictures change size.
func TestClip_KeepsEveryPictureAndItsTime(t *testing.T) {
	t.Parallel()
	after := func(frames []*schema.Frame, pause time.Duration) []*schema.Frame {
		for _, f := range frames {
			f.Captured, f.PTS = f.Captured.Add(pause), f.PTS-4_000_000
		}
		return frames
	}
	restarted := func(contentType string) []*schema.Frame {
		return append(footage(t, contentType, "320x180", 25, 1), after(footage(t, contentType, "320x180", 12, 2), 7*time.Second)...)
	}
	resized := append(footage(t, schema.ContentH264, "320x180", 20, 1), after(footage(t, schema.ContentH264, "160x90", 10, 2), 4*time.Second)...)
	for name, c := range map[string]struct {
		frames []*schema.Frame
		codec  string
		size   string // of the last picture
	}{
		"jpeg":                {photos(t, 321, 181, 12, 1), "h264", "320x180"},
		"jpeg, restarted":     {append(photos(t, 320, 180, 8, 1), after(photos(t, 320, 180, 8, 2), 5*time.Second)...), "h264", "320x180"},
		"jpeg, another size":  {append(photos(t, 320, 180, 8, 1), after(photos(t, 200, 200, 8, 2), 5*time.Second)...), "h264", "320x180"},
		"h264, restarted":     {restarted(schema.ContentH264), "h264", "320x180"},
		"h265, restarted":     {restarted(schema.ContentH265), "hevc", "320x180"},
		"h264, another size":  {resized, "h264", "160x90"},
		"h264, one picture":   {footage(t, schema.ContentH264, "320x180", 1, 1), "h264", "320x180"},
		"h264, one GOP early": {footage(t, schema.ContentH264, "320x180", 25, 1)[5:], "h264", "320x180"},
	} {
		for _, format := range []render.Format{render.MP4, render.Matroska} {
			t.Run(name+", "+string(format), func(t *testing.T) {
				t.Parallel()
				var out bytes.Buffer
				if err := newRenderer(t, "ffmpeg").Clip(t.Context(), &out, format, sequence(c.frames)); err != nil {
					t.Fatal(err)
				}
				frames := c.frames
				for frames[0].ContentType != schema.ContentJPEG && !frames[0].Keyframe {
					frames = frames[1:]
				}
				got := inspect(t, out.Bytes())
				if got.codec != c.codec || len(got.times) != len(frames) || got.sizes[len(got.sizes)-1] != c.size {
					t.Fatalf("%d pictures of %s, the last %s; want %d of %s, the last %s", len(got.times), got.codec, got.sizes[len(got.sizes)-1], len(frames), c.codec, c.size)
				}
				for i, f := range frames {
					if want := f.Captured.Sub(frames[0].Captured).Seconds(); math.Abs(got.times[i]-got.times[0]-want) > .001 {
						t.Errorf("picture %d at %v, want %v", i, got.times[i]-got.times[0], want)
					}
				}
			})
		}
	}
}

func TestClip_EndsWholeWhereItCannotGoOn(t *testing.T) {
	t.Parallel()
	jpegs, video := photos(t, 320, 180, 10, 1), footage(t, schema.ContentH264, "320x180", 10, 2)
	late := *jpegs[9]
	late.Captured = began.Add(render.LongestClip + time.Minute)
	fault := errors.New("the stream is gone")
	failing := func(yield func(*schema.Frame, error) bool) {
		for _, f := range jpegs {
			if !yield(f, nil) {
				return
			}
		}
		yield(nil, fault)
	}
	for name, c := range map[string]struct {
		frames iter.Seq2[*schema.Frame, error]
		want   error
		n      int
	}{
		"another encoding": {sequence(append(slices.Clone(jpegs), video...)), render.ErrCut, 10},
		"too long":         {sequence(append(slices.Clone(jpegs[:9]), &late)), render.ErrCut, 9},
		"a fault":          {failing, fault, 10},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := newRenderer(t, "ffmpeg").Clip(t.Context(), &out, render.MP4, c.frames); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if got := inspect(t, out.Bytes()); len(got.times) != c.n {
				t.Errorf("%d pictures, want %d", len(got.times), c.n)
			}
		})
	}
	for name, frames := range map[string][]*schema.Frame{"nothing": nil, "no keyframe": video[1:]} {
		var out bytes.Buffer
		if err := newRenderer(t, "ffmpeg").Clip(t.Context(), &out, render.MP4, sequence(frames)); !errors.Is(err, render.ErrEmpty) || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
	if err := newRenderer(t, "ffmpeg").Clip(t.Context(), io.Discard, "avi", sequence(jpegs)); err == nil {
		t.Error("a clip in a format that there is not")
	}
}

// TestClip_LeavesNothingWhenTheViewerGoes holds that FFmpeg ends with the context and with the connection, however many frames there are.
func TestClip_LeavesNothingWhenTheViewerGoes(t *testing.T) {
	t.Parallel()
	frame := photos(t, 320, 180, 1, 1)[0]
	endless := func(yield func(*schema.Frame, error) bool) {
		for i := 0; ; i++ {
			f := *frame
			f.Captured = f.Captured.Add(time.Duration(i) * time.Millisecond)
			if !yield(&f, nil) {
				return
			}
		}
	}
	gone := errors.New("the viewer is gone")
	if err := newRenderer(t, "ffmpeg").Clip(t.Context(), &viewer{left: 10_000, err: gone}, render.MP4, endless); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := newRenderer(t, "ffmpeg").Clip(ctx, &viewer{left: 10_000, full: func() { cancel(gone) }}, render.MP4, endless); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	harness.WaitFor(t, 5*time.Second, "no child", func() bool { return !slices.ContainsFunc(harness.ChildrenOf(t, os.Getpid()), zombie) })
}

// zombie reports whether a process has ended and was not waited for.
func zombie(pid int) bool { return !harness.Alive(pid) }

// viewer takes so many bytes.
type viewer struct {
	left int
	err  error
	full func()
}

func (v *viewer) Write(b []byte) (int, error) {
	if v.left -= len(b); v.left < 0 {
		if v.full != nil {
			v.full()
		}
		return len(b), v.err
	}
	return len(b), nil
}
