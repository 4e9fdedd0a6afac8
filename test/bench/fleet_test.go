package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

const latencyWindow = 5 * time.Second

// bareSettle is what a hundred bare FFmpegs take to settle: while they start they hold one another up, and then they catch up.
const bareSettle = 40 * time.Second

// BenchmarkCopy100 is 100 cameras 720p30 in mode copy over RTSP, beside as many bare FFmpegs that copy to nowhere. The cameras are in
// the benchmark's own process and not counted.
func BenchmarkCopy100(b *testing.B) {
	for b.Loop() {
		bare := measureBareCopy(b, 100)
		m, p99, late := measureCopy(b, 100, window)
		m.report(b)
		b.ReportMetric(bare, "bare-cores")
		b.ReportMetric(float64(p99.Milliseconds()), "p99-ms")
		b.ReportMetric(float64(late), "sent-late")
	}
}

// BenchmarkCopyMax is how many of these cameras a machine bears: it adds more until frames are missing or the 99th percentile of the
// time to the stream is above 100 ms.
func BenchmarkCopyMax(b *testing.B) {
	for b.Loop() {
		best, frames := 0, 0.0
		for n := 100; n <= 300; n += 50 {
			m, p99, late := measureCopy(b, n, 10*time.Second)
			b.Logf("%d cameras: %.0f frames/s, %.2f cores, %.0f dropped, p99 %v, %d sent late", n, m.rate, m.cores, m.dropped+m.lost, p99, late)
			if m.dropped+m.rejected+m.lost > 0 || late > 0 || m.rate < 0.99*30*float64(n) || p99 > 100*time.Millisecond {
				break
			}
			best, frames = n, m.rate
		}
		b.ReportMetric(float64(best), "cameras")
		b.ReportMetric(frames, "frames/s")
		b.ReportMetric(0, "ns/op")
	}
}

// measureCopy also tells how many pictures the cameras could not get rid of in time while it measured.
func measureCopy(b *testing.B, cameras int, window time.Duration) (m figures, p99 time.Duration, late int64) {
	b.Helper()
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	f := startFleet(b, cameras, func(n int) string { return fmt.Sprintf("url: '%s', mode: copy", p.URL(n)) })
	defer f.node.Stop()
	f.catchUp(30 * float64(cameras))
	before := p.Late()
	m = f.measure(window)
	late = p.Late() - before
	return m, f.latency(latencyWindow), late
}

// measureBareCopy is the CPU time a second of as many FFmpegs.
func measureBareCopy(b *testing.B, cameras int) (cores float64) {
	b.Helper()
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	var pids []int
	for i := range cameras {
		cmd := exec.Command("ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-fpsprobesize", "0",
			"-allowed_media_types", "video", "-rtsp_transport", "tcp", "-i", p.URL(i),
			"-map", "0:v:0", "-c:v", "copy", "-flush_packets", "1", "-f", "nut", "-y", "/dev/null")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		defer end(cmd)
		pids = append(pids, cmd.Process.Pid)
		pause(b, time.Second/20)
	}
	pause(b, bareSettle)
	began, before := time.Now(), cpuSeconds(pids)
	pause(b, window/2)
	return (cpuSeconds(pids) - before) / time.Since(began).Seconds()
}

// BenchmarkSubstream60 is 60 cameras 640x360 at 10 fps over RTSP to JPEG at 2 fps.
func BenchmarkSubstream60(b *testing.B) {
	p := harness.StartPlayer(b, substream(b), 10)
	for b.Loop() {
		f := startFleet(b, 60, func(n int) string { return fmt.Sprintf("url: '%s', fps: 2", p.URL(n)) })
		m := f.measure(window)
		f.node.Stop()
		m.report(b)
		b.ReportMetric(float64(p.Late()), "sent-late")
	}
}

// substream is the reference clip as a camera's second stream.
func substream(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "substream.mp4")
	out, err := exec.CommandContext(b.Context(), "ffmpeg", "-v", "error", "-i", harness.MakeClip(b, time.Minute), "-vf", "scale=640:360,fps=10",
		"-c:v", "libx264", "-profile:v", "main", "-bf", "0", "-g", "20", "-b:v", "500k", path).CombinedOutput()
	if err != nil {
		b.Fatalf("making a sub-stream: %v\n%s", err, out)
	}
	return path
}

// BenchmarkKeyframes is four cameras 720p30 over RTSP in mode keyframes, beside the same in mode jpeg at 10 fps.
func BenchmarkKeyframes(b *testing.B) {
	const cameras = 4
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	for b.Loop() {
		cores := map[string]float64{}
		for _, mode := range []string{"jpeg", "keyframes"} {
			f := startFleet(b, cameras, func(n int) string { return fmt.Sprintf("url: '%s', mode: %s, fps: %d", p.URL(n), mode, fps) })
			m := f.measure(window)
			f.node.Stop()
			m.report(b)
			cores[mode] = m.cores / cameras
		}
		b.ReportMetric(cores["jpeg"], "jpeg-cores/camera")
		b.ReportMetric(cores["keyframes"], "cores/camera")
		b.ReportMetric(cores["keyframes"]/cores["jpeg"], "cpu-ratio")
	}
}

// BenchmarkNode100 is the node's own process with 100 cameras in mode copy: its memory over time, and what a frame allocates. It takes
// two minutes, ten with EDGE_VIDEO_SOAK=1.
func BenchmarkNode100(b *testing.B) {
	length := 2 * time.Minute
	if os.Getenv("EDGE_VIDEO_SOAK") != "" {
		length = 10 * time.Minute
	}
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	for b.Loop() {
		f := startFleet(b, 100, func(n int) string { return fmt.Sprintf("url: '%s', mode: copy", p.URL(n)) })
		pause(b, time.Minute)
		frames, mallocs, bytes := f.stored(), f.node.Metric("go_memstats_mallocs_total"), f.node.Metric("go_memstats_alloc_bytes_total")
		b.ReportMetric(resident(f.node.PID())/mib, "MiB-after-1min")
		pause(b, length-time.Minute)
		frames = f.stored() - frames
		b.ReportMetric(resident(f.node.PID())/mib, "MiB-at-end")
		b.ReportMetric(f.node.Metric("go_goroutines"), "goroutines")
		b.ReportMetric((f.node.Metric("go_memstats_mallocs_total")-mallocs)/frames, "allocs/frame")
		b.ReportMetric((f.node.Metric("go_memstats_alloc_bytes_total")-bytes)/frames, "alloc-B/frame")
		b.ReportMetric(frames/(length-time.Minute).Seconds(), "frames/s")
		b.ReportMetric(0, "ns/op")
		f.node.Stop()
	}
}

// BenchmarkFirstFrame is the time from FFmpeg's start to the first stored frame, over RTSP. The camera is joined just behind a keyframe,
// two seconds before the next.
func BenchmarkFirstFrame(b *testing.B) {
	const rounds = 5
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	for _, mode := range []string{"jpeg", "keyframes", "copy"} {
		b.Run(mode, func(b *testing.B) {
			for b.Loop() {
				var took []time.Duration
				for range rounds {
					f := startFleet(b, 1, func(n int) string { return fmt.Sprintf("url: '%s', mode: %s", p.URL(n), mode) })
					took = append(took, f.firstFrame())
					f.node.Stop()
				}
				slices.Sort(took)
				b.ReportMetric(took[rounds/2].Seconds(), "median-s")
				b.ReportMetric(took[rounds-1].Seconds(), "worst-s")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}
