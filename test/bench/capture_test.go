// Package bench_test measures the program and, in the same run, the bare tools it is made of.
package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

const (
	fps = 10
	// settle is left out of every measurement: processes start and caches fill.
	settle = 5 * time.Second
	window = 20 * time.Second
)

func TestMain(m *testing.M) {
	if what := os.Getenv(siteEnv); what != "" {
		if err := runSite(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(harness.WithProgram(func(path string) int {
		program = path
		return m.Run()
	}))
}

// program is edge-video, built without the race detector.
var program string

// BenchmarkSingleCamera is one camera with the reference clip, 720p30 to JPEG at 10 fps, beside one bare FFmpeg.
func BenchmarkSingleCamera(b *testing.B) { benchmarkCameras(b, 1) }

// BenchmarkMultipleCamera is the same with more. Four read the clip as the bare commands do. From ten on they read it over RTSP, which
// does not wait for a machine that is full, and the bare commands are left out: what counts is what is stored.
func BenchmarkMultipleCamera(b *testing.B) {
	b.Run("4", func(b *testing.B) { benchmarkCameras(b, 4) })
	for _, cameras := range []int{10, 15, 20, 30} {
		b.Run(fmt.Sprint(cameras), func(b *testing.B) {
			p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
			for b.Loop() {
				f := startFleet(b, cameras, func(n int) string { return fmt.Sprintf("url: '%s', fps: %d", p.URL(n), fps) })
				m := f.measure(window)
				f.node.Stop()
				m.report(b)
				b.ReportMetric(m.rate/float64(cameras), "fps/camera")
				b.ReportMetric(float64(p.Late()), "sent-late")
			}
		})
	}
}

func benchmarkCameras(b *testing.B, cameras int) {
	clip := harness.MakeClip(b, time.Minute)
	for b.Loop() {
		bare := measureBare(b, clip, cameras)
		f := startFleet(b, cameras, func(int) string { return fmt.Sprintf("url: 'file:%s', fps: %d", clip, fps) })
		ours := f.measure(window)
		f.node.Stop()
		ours.report(b)
		b.ReportMetric(ours.perFrame(), "cpu-ms/frame")
		b.ReportMetric(bare.rate, "bare-frames/s")
		b.ReportMetric(bare.perFrame(), "bare-cpu-ms/frame")
		b.ReportMetric(ours.perFrame()/bare.perFrame(), "cpu-ratio")
	}
}

// measureBare runs the best bare command as often as there are cameras.
func measureBare(b *testing.B, clip string, cameras int) figures {
	b.Helper()
	var pids []int
	progress := make([]string, cameras)
	for i := range cameras {
		progress[i] = b.TempDir() + "/progress"
		cmd := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1", "-re", "-stream_loop", "-1", "-i", clip,
			"-an", "-vf", fmt.Sprintf("fps=%d,zscale=range=full,format=yuvj420p", fps), "-c:v", "mjpeg", "-threads", "1", "-q:v", "5",
			"-stats_period", "0.1", "-progress", progress[i], "-f", "mjpeg", "-y", "/dev/null")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		defer end(cmd)
		pids = append(pids, cmd.Process.Pid)
	}
	count := func() (n float64) {
		for _, p := range progress {
			n += lastFrame(b, p)
		}
		return n
	}
	pause(b, settle)
	began, frames, cpu := time.Now(), count(), cpuSeconds(pids)
	pause(b, window)
	took := time.Since(began).Seconds()
	return figures{rate: (count() - frames) / took, cores: (cpuSeconds(pids) - cpu) / took}
}

// end ends a bare tool.
func end(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

// lastFrame reads the newest count of frames from FFmpeg's progress file.
func lastFrame(b *testing.B, path string) float64 {
	b.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	var n float64
	at := strings.LastIndex(string(text), "frame=")
	if at < 0 {
		return 0
	}
	if _, err := fmt.Sscanf(string(text[at:]), "frame=%f", &n); err != nil {
		b.Fatal(err)
	}
	return n
}

// BenchmarkMemory is four cameras for five minutes: the node's memory a minute after the start and at the end.
func BenchmarkMemory(b *testing.B) {
	clip := harness.MakeClip(b, time.Minute)
	for b.Loop() {
		n := harness.StartNode(b, harness.NodeOptions{Program: program, Cameras: fmt.Sprintf(
			"  - {id: a, url: 'file:%[1]s'}\n  - {id: b, url: 'file:%[1]s'}\n  - {id: c, url: 'file:%[1]s'}\n  - {id: d, url: 'file:%[1]s'}", clip)})
		pause(b, time.Minute)
		early := resident(n.PID())
		goroutines := n.Metric("go_goroutines")
		pause(b, 4*time.Minute)
		b.ReportMetric(early/mib, "MiB-after-1min")
		b.ReportMetric(resident(n.PID())/mib, "MiB-after-5min")
		b.ReportMetric(goroutines, "goroutines-after-1min")
		b.ReportMetric(n.Metric("go_goroutines"), "goroutines-after-5min")
		b.ReportMetric(0, "ns/op")
		n.Stop()
	}
}
