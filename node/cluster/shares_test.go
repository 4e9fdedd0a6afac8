package cluster

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestShares_StartWhileJetStreamHasNoAnswer has a node start its shares ahead of JetStream.
func TestShares_StartWhileJetStreamHasNoAnswer(t *testing.T) {
	t.Parallel()
	srv, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	connect := func(string) (*nats.Conn, error) { return nats.Connect("", nats.InProcessServer(srv)) }
	asked, again := make(chan error, 1), make(chan struct{})
	s := New(Config{Site: "lisbon", Node: "gate-1", Replicas: 1, Peers: func() Peers { return Peers{Nodes: []string{"gate-1"}, Size: 1} }, Connect: connect,
		Patiently: func(ctx context.Context, ask func(context.Context) error) error {
			asked <- ask(ctx)
			<-again
			return ask(ctx)
		}}, nil, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, nil) }()
	select {
	case err := <-asked:
		if err == nil {
			t.Error("there is a bucket without JetStream")
		}
	case err := <-ended:
		t.Fatalf("the shares end with %v", err)
	}
	if err := srv.EnableJetStream(&server.JetStreamConfig{StoreDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	nc, err := connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: schema.BucketLeases}); err != nil {
		t.Fatal(err)
	}
	beats, err := nc.SubscribeSync(schema.BeatSubject("lisbon"))
	if err != nil {
		t.Fatal(err)
	}
	close(again)
	harness.WaitFor(t, 10*time.Second, "a beat", func() bool { m, err := beats.NextMsg(time.Second); return err == nil && len(m.Data) > 0 })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
