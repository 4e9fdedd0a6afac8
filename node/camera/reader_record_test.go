package camera_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// record keeps what a reader reports.
type record struct {
	mu       sync.Mutex
	frames   []*schema.Frame
	arrived  []time.Time
	rejected []rejection
	states   []camera.State
	looks    []look
}

type look struct {
	look camera.Look
	seq  uint64
}

type rejection struct {
	seq    uint64
	reason camera.Rejection
	detail string
}

func (r *record) Frame(f *schema.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames, r.arrived = append(r.frames, f), append(r.arrived, time.Now())
}

func (r *record) Rejected(_ int64, seq uint64, reason camera.Rejection, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejected = append(r.rejected, rejection{seq, reason, detail})
}

func (r *record) State(s camera.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, s)
}

func (r *record) Looks(_ int64, seq uint64, l camera.Look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks = append(r.looks, look{l, seq})
}

func (r *record) looksNow() []look {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.looks)
}

func (r *record) framesNow() []*schema.Frame {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.frames)
}

func (r *record) rejections() []rejection {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rejected)
}

// all are the states of one kind.
func (r *record) all(kind schema.CameraState) (all []camera.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.states {
		if s.State == kind {
			all = append(all, s)
		}
	}
	return all
}

// running is a reader at work.
type running struct {
	*record
	*camera.Reader
	t      *testing.T
	ffmpeg camera.FFmpeg
	cancel context.CancelFunc
	done   chan error
}

func config(url string, mode camera.Mode) camera.Config {
	return camera.Config{Site: "test", Node: "node", ID: "cam", URL: url, Mode: mode, FPS: 10, Quality: 5, HWAccel: "none",
		StallTimeout: 15 * time.Second, MaxFrame: 4 << 20}
}

var findOnce = sync.OnceValues(func() (camera.FFmpeg, error) { return camera.FindFFmpeg(context.Background(), "ffmpeg") })

// start runs a reader on a node of its own with the given ffmpeg, "" for the machine's, until the test ends.
func start(t *testing.T, c camera.Config, ffmpeg string) *running {
	t.Helper()
	f, err := findOnce()
	if err != nil {
		t.Fatal(err)
	}
	f = f.Apart()
	if ffmpeg != "" {
		f.Path = ffmpeg
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{record: &record{}, t: t, ffmpeg: f, cancel: cancel, done: make(chan error, 1)}
	r.Reader = camera.NewReader(c, f, 0, func(ctx context.Context) error { return ctx.Err() }, r.record)
	go func() { r.done <- r.Run(ctx) }()
	t.Cleanup(r.stop)
	return r
}

// change gives the reader another configuration.
func (r *running) change(c camera.Config) { r.Change(c, r.ffmpeg) }

// stop ends the reader and holds that it leaves nothing behind.
func (r *running) stop() {
	r.t.Helper()
	if r.done == nil {
		return
	}
	pid := r.PID()
	began := time.Now()
	r.cancel()
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Errorf("Run: %v, want nil", err)
		}
	case <-time.After(10 * time.Second):
		r.t.Fatal("Run does not return")
	}
	if d := time.Since(began); d > 2500*time.Millisecond {
		r.t.Errorf("Run returned after %v", d)
	}
	r.done = nil
	if left := inGroup(r.t, pid); pid > 0 && len(left) > 0 {
		r.t.Errorf("left behind: %v", left)
	}
	if down := r.all(schema.CameraDown); len(down) != 1 {
		r.t.Errorf("reported down %d times, want once", len(down))
	}
}

// inGroup lists the processes of a group that are no zombies of init's.
func inGroup(t *testing.T, group int) (left []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended meanwhile
		}
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if fields[2] == strconv.Itoa(group) && fields[0] != "Z" {
			left = append(left, string(b))
		}
	}
	return left
}

func (r *running) waitFrames(n int, timeout time.Duration) []*schema.Frame {
	r.t.Helper()
	defer func() {
		if r.t.Failed() {
			r.t.Logf("states %+v, rejected %+v", r.states, r.rejections())
		}
	}()
	harness.WaitFor(r.t, timeout, fmt.Sprintf("%d frames", n), func() bool { return len(r.framesNow()) >= n })
	return r.framesNow()
}

func (r *running) waitState(kind schema.CameraState, n int, timeout time.Duration) []camera.State {
	r.t.Helper()
	harness.WaitFor(r.t, timeout, fmt.Sprintf("%d times %s", n, kind), func() bool { return len(r.all(kind)) >= n })
	return r.all(kind)
}

// script is an ffmpeg of a few lines of shell. Its working folder holds the given files.
func script(t *testing.T, lines string, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+dir+"\n"+lines+"\n"), 0o700); err != nil { // it is run
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-y", "-loglevel", "error"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %v: %v\n%s", args, err, out)
	}
}

// recorded is what FFmpeg writes for a made-up camera of n pictures.
func recorded(t *testing.T, n int) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.nut")
	run(t, "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10", "-frames:v", strconv.Itoa(n), "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-write_index", "0", path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func clip(t *testing.T, name, source string, options ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	run(t, append(append([]string{"-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0"}, options...), path)...)
	return path
}

// checkFrames holds what is true of all frames of one epoch without a fault.
func checkFrames(t *testing.T, frames []*schema.Frame) {
	t.Helper()
	for i, f := range frames {
		if err := f.Validate(); err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
		if f.Epoch != frames[0].Epoch || f.Seq != uint64(i+1) {
			t.Errorf("frame %d has epoch %d, seq %d, want %d and %d", i, f.Epoch, f.Seq, frames[0].Epoch, i+1)
		}
		if i > 0 && !f.Captured.After(frames[i-1].Captured) {
			t.Errorf("frame %d captured %v, not after %v", i, f.Captured, frames[i-1].Captured)
		}
		if f.ContentType == schema.ContentJPEG {
			checkJPEG(t, f)
		}
	}
}

func checkJPEG(t *testing.T, f *schema.Frame) image.Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(f.Data))
	if err != nil {
		t.Fatalf("seq %d: %v", f.Seq, err)
	}
	if b := m.Bounds(); b.Dx() != f.Width || b.Dy() != f.Height {
		t.Errorf("seq %d: %dx%d, want %dx%d", f.Seq, f.Width, f.Height, b.Dx(), b.Dy())
	}
	return m
}
