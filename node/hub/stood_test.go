package hub_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node/hub"
)

// TestHub_LooksAtNoSiteBeforeItKnowsHowFarTheMirrorsGo has JetStream, which a hub that starts asks for its mirrors, fail at first.
func TestHub_LooksAtNoSiteBeforeItKnowsHowFarTheMirrorsGo(t *testing.T) {
	t.Parallel()
	srv, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	connect := func(string) (*nats.Conn, error) { return nats.Connect("", nats.InProcessServer(srv)) }
	nc, err := connect("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	asked := make(chan string, 64)
	failed := false
	if _, err := nc.Subscribe("$JS.API.STREAM.*", func(m *nats.Msg) {
		answer := `{"total":0,"limit":256}`
		if !failed {
			failed, answer = true, `{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`
		}
		asked <- m.Subject
		_ = m.Respond([]byte(answer)) // the hub asks again
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	h := hub.New(hub.Config{Site: "hub", Node: "n1", MaxAge: time.Hour, MaxBytes: 1 << 20, Replicas: 1}, connect, func() []string { return nil }, logger(t),
		prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	for _, want := range []string{"LIST", "LIST", "NAMES"} {
		select {
		case got := <-asked:
			if got != "$JS.API.STREAM."+want {
				t.Errorf("the hub asked %s, want %s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("the hub did not ask for %s", want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
