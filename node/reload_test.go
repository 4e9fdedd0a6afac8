package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestServer_WhoStartsWhileItTakesUpOptionsIsServed has what a node does at its start meet the options changing all the time.
func TestServer_WhoStartsWhileItTakesUpOptionsIsServed(t *testing.T) {
	t.Parallel()
	s, err := NewServer(ServerConfig{Site: "test", Node: "node-1", DataDir: t.TempDir(), MaxFrame: 1 << 20,
		Leaf:   LeafConfig{Remotes: []LeafRemote{{URL: "nats-leaf://127.0.0.1:1"}}},
		Stream: StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1, Sync: Sync{Interval: 2 * time.Second}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	starting, started := context.WithCancel(ctx)
	changed := make(chan error, 1)
	go func() {
		var err error
		for i := 0; starting.Err() == nil; i++ {
			err = errors.Join(err, s.HoldLink(0, i%2 == 0))
		}
		changed <- err
	}()
	for range 50 {
		if err := begin(ctx, s); err != nil {
			t.Error(err)
			break
		}
	}
	started()
	if err := <-changed; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func begin(ctx context.Context, s *Server) error {
	nc, err := s.Connect("test")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	p, err := openPast(ctx, js, "test", s.steady)
	if err != nil {
		return err
	}
	cameras := make([]CameraConfig, 1)
	cameras[0].ID = "cam"
	_, err = p.lastEpochs(ctx, cameras)
	return err
}
