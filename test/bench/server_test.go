package bench_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node"
)

// benchServer is a server in a folder of its own, with room for the frames of a benchmark.
func benchServer(b *testing.B, site string) node.ServerConfig {
	b.Helper()
	return node.ServerConfig{Site: site, Node: "node-1", DataDir: b.TempDir(), MaxFrame: 4 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 8 << 30, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}}}
}

// startServer runs a server until stop, which removes its folder: what was written would else hold memory, and the next measurement be one
// of how fast the system finds more.
func startServer(b *testing.B, c node.ServerConfig) (s *node.Server, stop func()) {
	b.Helper()
	s, err := node.NewServer(c, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	end := background(b, s.Run)
	stop = func() {
		end()
		remove(b, c.DataDir)
	}
	select {
	case <-s.Ready():
	case <-time.After(time.Minute):
		stop()
		b.Fatalf("the server of %s is not ready: %v", c.Site, s.Err())
	}
	return s, stop
}

func remove(b *testing.B, dir string) {
	b.Helper()
	if err := os.RemoveAll(dir); err != nil {
		b.Error(err)
	}
}

// background runs what has a Run until stop, which waits for its end.
func background(b *testing.B, run func(context.Context) error) (stop func()) {
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
