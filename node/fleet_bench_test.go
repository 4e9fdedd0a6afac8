package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/test/harness"
)

// BenchmarkFleet is the node's work within this process, to be profiled: 100 cameras 720p30 over RTSP, in mode copy, into the stream, and what
// showing their metrics takes meanwhile.
// The cameras are in this process too, as [harness.Player].
func BenchmarkFleet(b *testing.B) {
	const cameras, length = 100, 20 * time.Second
	ffmpeg, err := camera.FindFFmpeg(b.Context(), "ffmpeg")
	if err != nil {
		b.Fatal(err)
	}
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	server := benchConfig(b)
	s, err := node.NewServer(server, discard)
	if err != nil {
		b.Fatal(err)
	}
	config := node.FleetConfig{Site: "bench", Node: "node-1", StartsPerSecond: 20, QueueBytes: 1 << 30, DataDir: server.DataDir, Stream: server.Stream}
	for i := range cameras {
		config.Cameras = append(config.Cameras, node.CameraConfig{QueueBytes: 16 << 20, Config: camera.Config{Site: "bench", Node: "node-1",
			ID: fmt.Sprintf("cam-%d", i), URL: p.URL(i), Mode: camera.ModeCopy, HWAccel: "none", StallTimeout: 15 * time.Second, MaxFrame: 4 << 20}})
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Figures())
	f := node.NewFleet(config, s, ffmpeg, discard, reg)
	serving := running(b, s.Run)
	<-s.Ready()
	capturing := running(b, f.Run)
	harness.WaitFor(b, time.Minute, "all cameras to deliver", func() bool { return f.Health().Up == cameras })
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		frames := stored(b, s)
		<-time.After(length)
		runtime.ReadMemStats(&after)
		frames = stored(b, s) - frames
		b.ReportMetric(float64(frames)/length.Seconds(), "frames/s")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(frames), "allocs/frame")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(frames), "alloc-B/frame")
		b.ReportMetric(0, "ns/op")
		scrape(b, reg)
	}
	capturing()
	serving()
}

// scrape measures how long it takes to show the metrics of a registry, as Prometheus asks for them.
func scrape(b *testing.B, reg *prometheus.Registry) {
	b.Helper()
	const times = 10
	handler := promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	var took []time.Duration
	size := 0
	for range times {
		<-time.After(time.Second) // the figures of the server are kept for one
		w := httptest.NewRecorder()
		began := time.Now()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		took = append(took, time.Since(began))
		size = w.Body.Len()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[times/2].Microseconds())/1e3, "scrape-ms")
	b.ReportMetric(float64(size)/1024, "scrape-KiB")
}

var discard = slog.New(slog.DiscardHandler)

// benchConfig is a server's for benchmarks.
func benchConfig(b *testing.B) node.ServerConfig {
	b.Helper()
	return node.ServerConfig{Site: "bench", Node: "node-1", DataDir: b.TempDir(), MaxFrame: 4 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 4 << 30, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}}}
}

// running runs a part until the returned function is called, which waits for its end.
func running(b *testing.B, run func(context.Context) error) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// stored is the last sequence number of the frames' stream.
func stored(b *testing.B, s *node.Server) uint64 {
	b.Helper()
	nc, err := s.Connect("bench")
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	frames, err := js.Stream(b.Context(), "FRAMES")
	if err != nil {
		b.Fatal(err)
	}
	return frames.CachedInfo().State.LastSeq
}
