package camera

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ffmpegRun runs ffmpeg to its end and returns what it wrote to stdout.
func ffmpegRun(t testing.TB, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-y", "-loglevel", "error"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, errs.Bytes())
	}
	return out.Bytes()
}

// encoded makes a file of two seconds of test picture by ffmpeg's options.
func encoded(t testing.TB, name, source string, options ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args := append([]string{"-f", "lavfi", "-i", source}, options...)
	ffmpegRun(t, append(args, path)...)
	return path
}

var (
	x264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-bf", "0"}
	x265 = []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=5:bframes=0:open-gop=0"}
)

// testFFmpeg is the machine's own.
func testFFmpeg(t testing.TB) FFmpeg {
	t.Helper()
	f, err := findOnce()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var findOnce = sync.OnceValues(func() (FFmpeg, error) { return FindFFmpeg(context.Background(), "ffmpeg") })

// offline is the command line of a camera without what paces it and plays it for ever.
func offline(t testing.TB, c Config) []string {
	t.Helper()
	args, stdin := Args(c, testFFmpeg(t))
	if stdin != "" {
		t.Fatal("a playlist cannot be read offline")
	}
	args = slices.DeleteFunc(args, func(a string) bool { return a == "-re" })
	if i := slices.Index(args, "-stream_loop"); i >= 0 {
		args = slices.Delete(args, i, i+2)
	}
	return args
}

// nutOf is what FFmpeg writes for a camera, all at once.
func nutOf(t testing.TB, c Config) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", offline(t, c)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errs.Bytes())
	}
	return out
}

// testConfig is a camera with defaults.
func testConfig(url string, mode Mode) Config {
	return Config{Site: "test", Node: "node", ID: "cam", URL: url, Mode: mode, FPS: 10, Quality: 5, HWAccel: "none",
		StallTimeout: 15 * time.Second, MaxFrame: 4 << 20}
}

// probe asks ffprobe for entries of a file.
func probe(t testing.TB, path string, into any, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", append(append([]string{"-v", "error", "-of", "json"}, args...), path)...).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
