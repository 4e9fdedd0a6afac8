// Package bench_test measures the program and, in the same run, the bare tools it is made of.
package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/edge-video/edge-video/test/harness"
)

const (
	fps = 10
	// settle is left out of every measurement: processes start and caches fill.
	settle = 5 * time.Second
	window = 30 * time.Second
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "edge-video-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	if program, err = harness.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// program is edge-video, built without the race detector.
var program string

// BenchmarkSingleCamera is one camera with the reference clip, 720p30 to JPEG at 10 fps, beside one bare FFmpeg.
func BenchmarkSingleCamera(b *testing.B) { benchmarkCameras(b, 1) }

// BenchmarkMultipleCamera is the same with four.
func BenchmarkMultipleCamera(b *testing.B) { benchmarkCameras(b, 4) }

func benchmarkCameras(b *testing.B, cameras int) {
	clip := harness.MakeClip(b, time.Minute)
	for b.Loop() {
		bare := measureBare(b, clip, cameras)
		ours := measureNode(b, clip, cameras)
		b.ReportMetric(ours.rate, "frames/s")
		b.ReportMetric(ours.cpu, "cpu-ms/frame")
		b.ReportMetric(bare.rate, "bare-frames/s")
		b.ReportMetric(bare.cpu, "bare-cpu-ms/frame")
		b.ReportMetric(ours.cpu/bare.cpu, "cpu-ratio")
		b.ReportMetric(ours.resident/(1<<20), "node-MiB")
		b.ReportMetric(0, "ns/op")
	}
}

// figures are what a measurement gives.
type figures struct {
	rate, cpu float64 // frames a second; CPU milliseconds a frame
	resident  float64 // bytes, of the node alone
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
		defer func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}()
		pids = append(pids, cmd.Process.Pid)
	}
	count := func() (n float64) {
		for _, p := range progress {
			n += lastFrame(b, p)
		}
		return n
	}
	return measure(b, func() []int { return pids }, count)
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

// measureNode runs a node with as many cameras.
func measureNode(b *testing.B, clip string, cameras int) figures {
	b.Helper()
	var list strings.Builder
	for i := range cameras {
		fmt.Fprintf(&list, "  - {id: cam-%d, url: 'file:%s', fps: %d}\n", i, clip, fps)
	}
	n := harness.StartNode(b, harness.NodeOptions{Program: program, Cameras: strings.TrimRight(list.String(), "\n")})
	defer n.Stop()
	harness.WaitFor(b, 30*time.Second, "frames", func() bool { return n.Metric("edge_video_frames_processed_total") > float64(cameras) })
	f := measure(b, func() []int { return append(n.Children(), n.PID()) }, func() float64 { return n.Metric("edge_video_frames_processed_total") })
	f.resident = float64(stat(b, n.PID()).ResidentMemory())
	return f
}

// measure counts frames and CPU time over the window.
func measure(b *testing.B, pids func() []int, count func() float64) figures {
	b.Helper()
	pause(b, settle)
	began, frames, cpu := time.Now(), count(), cpuSeconds(b, pids())
	pause(b, window)
	frames, cpu = count()-frames, cpuSeconds(b, pids())-cpu
	return figures{rate: frames / time.Since(began).Seconds(), cpu: cpu / frames * 1000}
}

// pause lets time pass while others work.
func pause(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-b.Context().Done():
	case <-time.After(d):
	}
}

func cpuSeconds(b *testing.B, pids []int) (sum float64) {
	b.Helper()
	for _, pid := range pids {
		st := stat(b, pid)
		sum += st.CPUTime()
	}
	return sum
}

func stat(b *testing.B, pid int) procfs.ProcStat {
	b.Helper()
	p, err := procfs.NewProc(pid)
	if err != nil {
		b.Fatal(err)
	}
	st, err := p.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// BenchmarkMemory is four cameras for five minutes: the node's memory a minute after the start and at the end.
func BenchmarkMemory(b *testing.B) {
	clip := harness.MakeClip(b, time.Minute)
	for b.Loop() {
		n := harness.StartNode(b, harness.NodeOptions{Program: program, Cameras: fmt.Sprintf(
			"  - {id: a, url: 'file:%[1]s'}\n  - {id: b, url: 'file:%[1]s'}\n  - {id: c, url: 'file:%[1]s'}\n  - {id: d, url: 'file:%[1]s'}", clip)})
		pause(b, time.Minute)
		early := stat(b, n.PID()).ResidentMemory()
		goroutines := n.Metric("go_goroutines")
		pause(b, 4*time.Minute)
		b.ReportMetric(float64(early)/(1<<20), "MiB-after-1min")
		b.ReportMetric(float64(stat(b, n.PID()).ResidentMemory())/(1<<20), "MiB-after-5min")
		b.ReportMetric(goroutines, "goroutines-after-1min")
		b.ReportMetric(n.Metric("go_goroutines"), "goroutines-after-5min")
		b.ReportMetric(0, "ns/op")
		n.Stop()
	}
}
