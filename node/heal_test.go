package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// newServer makes a server with a directory of its own.
func newServer(t *testing.T) *Server {
	t.Helper()
	s, err := NewServer(ServerConfig{Site: "test", Node: "node-1", DataDir: filepath.Join(t.TempDir(), "data"), MaxFrame: 1 << 20,
		Stream: StreamConfig{MaxAge: time.Hour, MaxBytes: 256 << 20, Replicas: 1, Sync: Sync{Interval: 2 * time.Second}}}, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runServer runs one until the test ends, and returns when it is ready.
func runServer(t *testing.T) *Server {
	t.Helper()
	s := newServer(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("running the server: %v", err)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not get ready")
	}
	return s
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func stream(t *testing.T, s *Server) jetstream.JetStream {
	t.Helper()
	nc, err := s.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// TestServer_RestartsInPlaceWhenItIsDown takes the server away: Run brings it back, and connections made before work again.
func TestServer_RestartsInPlaceWhenItIsDown(t *testing.T) {
	s := runServer(t)
	js := stream(t, s)
	if _, err := js.Publish(t.Context(), "frames.test.cam", []byte("before")); err != nil {
		t.Fatal(err)
	}
	s.stop()
	harness.WaitFor(t, 5*time.Second, "the fault to be noticed", func() bool { return s.Err() != nil })
	if _, err := js.Publish(t.Context(), "frames.test.cam", []byte("meanwhile")); err == nil {
		t.Error("published while the server was down")
	}
	harness.WaitFor(t, 10*time.Second, "the server to be healthy", func() bool { return s.Err() == nil })
	harness.WaitFor(t, 5*time.Second, "the connection of before to publish", func() bool {
		_, err := js.Publish(t.Context(), "frames.test.cam", []byte("after"))
		return err == nil
	})
	last, err := js.Stream(t.Context(), schema.StreamFrames)
	if err != nil {
		t.Fatal(err)
	}
	if got := last.CachedInfo().State.Msgs; got != 2 {
		t.Errorf("%d messages stored, want the one before and the one after", got)
	}
}

// TestServer_ComesBackFromAStorageFault makes writes of files beyond a size fail. JetStream freezes the stream at the first; the node
// restarts the server until they work again, and no frame is missing or there twice.
func TestServer_ComesBackFromAStorageFault(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ) // the kernel sends it beside the error
	defer signal.Reset(syscall.SIGXFSZ)
	var free syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		t.Fatal(err)
	}
	lift := sync.OnceFunc(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
			t.Error(err)
		}
	})
	defer lift()

	s := runServer(t)
	p, err := newPublisher(s, 1<<40, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	r := newLedger()
	l := p.newLane("cam", 64<<20, r)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	var done sync.WaitGroup
	done.Go(func() { l.run(ctx) })

	limited := free
	limited.Cur = 2 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	const frames = 60
	for seq := range frames {
		l.push(testFrame("cam", 1, seq+1, 100_000))
	}
	harness.WaitFor(t, 10*time.Second, "the server to see the fault", func() bool { return s.Err() != nil })
	if err := s.Err(); !strings.Contains(fmt.Sprint(err), "cannot be written") {
		t.Errorf("got error %v, want it to say that the stream cannot be written", err)
	}
	if n := r.count(); n >= frames {
		t.Errorf("%d of %d frames acknowledged in spite of the fault", n, frames)
	}
	lift()
	harness.WaitFor(t, 30*time.Second, "every frame to be acknowledged", func() bool { return r.count() == frames })
	harness.WaitFor(t, 10*time.Second, "the server to be healthy", func() bool { return s.Err() == nil })
	l.close()
	done.Wait()
	r.wantStored(t, s, map[string]int{"cam": frames}, func(*schema.Frame) bool { return true })
}

// TestFleet_StopWhileTheServerIsDown ends in time, and counts what cannot be stored any more.
func TestFleet_StopWhileTheServerIsDown(t *testing.T) {
	s := newServer(t)
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	ffmpeg, err := camera.FindFFmpeg(t.Context(), "ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	f := NewFleet(FleetConfig{Site: "test", Node: "node-1", StartsPerSecond: 10, QueueBytes: 1 << 30, DataDir: t.TempDir(), Stream: StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20},
		Cameras: []CameraConfig{{QueueBytes: 64 << 10, Config: camera.Config{Site: "test", Node: "node-1", ID: "cam", URL: "lavfi:testsrc2=size=160x120:rate=25",
			Mode: camera.ModeJPEG, FPS: 25, Quality: 5, HWAccel: "none", StallTimeout: 10 * time.Second, MaxFrame: 1 << 20}}}}, s, ffmpeg, testLog(t), reg)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	count := func(name, reason string) float64 {
		labels := map[string]string{"camera_id": "cam"}
		if reason != "" {
			labels["reason"] = reason
		}
		return metricValue(t, reg, name, labels)
	}
	harness.WaitFor(t, 10*time.Second, "frames", func() bool { return count("edge_video_frames_processed_total", "") > 5 })
	s.stop()
	harness.WaitFor(t, 10*time.Second, "the queue to overflow", func() bool { return count("edge_video_frames_dropped_total", dropQueueFull) > 0 })
	began := time.Now()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("running the fleet: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v, want at most 5 s", took)
	}
	if count("edge_video_frames_dropped_total", dropShutdown) == 0 {
		t.Error("no frame counted as dropped by the stop")
	}
	if count("edge_video_frames_lost_total", "") == 0 {
		t.Error("no frame counted as lost")
	}
}

// TestServer_WhoConnectsWhileItRestartsIsServedOnceItIsBack holds a restart at its middle.
func TestServer_WhoConnectsWhileItRestartsIsServedOnceItIsBack(t *testing.T) {
	s := newServer(t)
	if _, err := s.Connect("early"); !errors.Is(err, ErrServerDown) {
		t.Errorf("before the first start Connect says %v, want %v", err, ErrServerDown)
	}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	close(s.ready)
	s.stop()
	nc, err := s.Connect("late")
	if err != nil {
		t.Fatalf("between two servers: %v", err)
	}
	defer nc.Close()
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 10*time.Second, "the connection to find the next server", nc.IsConnected)
}
