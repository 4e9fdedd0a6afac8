package rabbitmq_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// frameStream is a NATS server in this process with the site's FRAMES.
func frameStream(t *testing.T) (url string, js jetstream.JetStream) {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: harness.FreePort(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second)); err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{schema.StreamFrames: "frames.>", schema.StreamEvents: "events.>"} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	return srv.ClientURL(), js
}

// startBridge runs a worker until the test ends.
func startBridge(t *testing.T, url string, sink bridge.Sink) *bridge.Worker {
	t.Helper()
	site := sinktest.Frame("cut", 1, 10).Site
	w := bridge.NewWorker(bridge.Config{Site: site, Node: "gate-7", Name: "broker", Cameras: []string{"*"}, MaxFrame: 1 << 20, Timeout: 10 * time.Second,
		Breaker: bridge.BreakerConfig{Failures: 5, Open: 100 * time.Millisecond, MaxOpen: 100 * time.Millisecond}}, sink,
		func(name string) (*nats.Conn, error) { return nats.Connect(url, nats.Name(name)) }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return w
}

// cutsBeforeTheConfirm cuts the connection again and again when a frame has reached its queue and the confirm is still on its way: 10 times,
// 100 with EDGE_VIDEO_SOAK.
func cutsBeforeTheConfirm(t *testing.T, r *harness.RabbitMQ) {
	cuts := 10
	if os.Getenv("EDGE_VIDEO_SOAK") != "" {
		cuts = 100
	}
	ch := channel(t, r)
	bind(t, ch, "cut", "cut-queue", nil)
	deliveries, err := ch.Consume("cut-queue", "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	url, js := frameStream(t)
	proxy := harness.StartProxy(t, r.Addr())
	sink := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URLAt(proxy.Addr()), Exchange: "cut", RoutingKey: template(t, "cut.{camera}"),
		Persistent: true})
	w := startBridge(t, url, sink)

	var arrived []amqp.Delivery
	seen := map[string]int{}
	take := func() {
		select {
		case d := <-deliveries:
			arrived = append(arrived, d)
			seen[d.MessageId]++
		case <-time.After(30 * time.Second):
			t.Fatalf("%d frames have arrived, and no more come", len(arrived))
		}
	}
	const row = 5
	last := uint64(0)
	publish := func() {
		for range row {
			last++
			f := sinktest.Frame("cut", last, 2000)
			if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range cuts {
		proxy.Slow(50 * time.Millisecond)
		publish()
		for before := len(seen); len(seen) == before; { // the first of the row, whose confirm has just left the broker
			take()
		}
		proxy.Cut()
		proxy.Restore()
		harness.WaitFor(t, 30*time.Second, "the row", func() bool { return w.Health().Delivered == last })
		for len(seen) < int(last) {
			take()
		}
	}
	for more := true; more; { // what has come again
		select {
		case d := <-deliveries:
			arrived = append(arrived, d)
			seen[d.MessageId]++
		case <-time.After(200 * time.Millisecond):
			more = false
		}
	}
	checkCuts(t, arrived, last)
	t.Logf("%d cuts, %d frames, %d arrived again under the same id", cuts, last, len(arrived)-len(seen))
	if n := len(arrived) - len(seen); n < cuts/2 {
		t.Errorf("%d frames came again: cuts did not fall between the broker's taking a frame and its confirm", n)
	}
}

// checkCuts holds that each of last frames arrived, for the first time in order, and again only with the same picture.
func checkCuts(t *testing.T, arrived []amqp.Delivery, last uint64) {
	t.Helper()
	bodies := map[string]string{}
	next := uint64(1)
	for _, d := range arrived {
		body, again := bodies[d.MessageId]
		if again && body != string(d.Body) {
			t.Errorf("%s came again with another picture", d.MessageId)
		}
		bodies[d.MessageId] = string(d.Body)
		if again {
			continue
		}
		if want := sinktest.Frame("cut", next, 2000); d.MessageId != want.ID() || string(d.Body) != string(want.Data) {
			t.Fatalf("%s arrived where %s was next", d.MessageId, want.ID())
		}
		next++
	}
	if next != last+1 {
		t.Errorf("%d frames arrived of %d", next-1, last)
	}
}
