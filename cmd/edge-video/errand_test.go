package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// deafSink takes connections and no frames.
type deafSink struct{ bridge.Sink }

func (deafSink) Connect(context.Context) error { return nil }
func (deafSink) Close() error                  { return nil }

// startErrands runs those of a bridge whose stream is not there, so that none ever ends by itself.
func startErrands(t *testing.T) *errands {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	worker := bridge.NewWorker(bridge.Config{Site: "lisbon", Node: "gate-7", Name: "broker", Cameras: []string{"*"}, Timeout: time.Second,
		Breaker: bridge.BreakerConfig{Failures: 3, Open: time.Second, MaxOpen: time.Second}}, deafSink{},
		func(name string) (*nats.Conn, error) { return nats.Connect(srv.ClientURL(), nats.Name(name)) }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	e := newErrands("gate-7", worker, func() (bridge.Sink, error) { return deafSink{}, nil })
	ctx, cancel := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() {
		if err := e.run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); g.Wait() })
	return e
}

func TestErrand_EndsWhenNobodyAsksForItAnyMore(t *testing.T) {
	e := startErrands(t)
	e.lease = 500 * time.Millisecond
	first := &errandRequest{Worker: e.id, ID: "first"}
	began := time.Now()
	harness.WaitFor(t, 20*time.Second, "three leases to pass", func() bool {
		if a, err := e.ask(first); err != nil || a.Ended { // asked for again and again it stays
			t.Fatalf("%+v, %v, want one at work", a, err)
		}
		return time.Since(began) > 3*e.lease
	})
	if _, err := e.ask(&errandRequest{Worker: e.id, ID: "second"}); !errors.Is(err, errBusy) {
		t.Errorf("a second one beside it: %v, want %v", err, errBusy)
	}
	harness.WaitFor(t, 20*time.Second, "the end of the first", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.last.over()
	})
	if a, err := e.ask(first); err != nil || !a.Ended || a.Err != errAbandoned.Error() {
		t.Errorf("%+v, %v, want one that was abandoned", a, err)
	}
	if a, err := e.ask(&errandRequest{Worker: e.id, ID: "second"}); err != nil || a.Ended {
		t.Errorf("%+v, %v, want the second at work", a, err)
	}
}

func TestErrand_StopsByRequest(t *testing.T) {
	e := startErrands(t)
	if a, err := e.ask(&errandRequest{}); err != nil || a.Worker != e.id || a.Node != "gate-7" || a.ID != "" {
		t.Errorf("whoever asks who is there gets %+v, %v", a, err)
	}
	r := &errandRequest{Worker: e.id, ID: "first", Stop: true}
	harness.WaitFor(t, 20*time.Second, "the end", func() bool {
		a, err := e.ask(r)
		return err == nil && a.Ended && a.Err == errStopped.Error() && !a.Done
	})
	_, err := e.ask(&errandRequest{Worker: e.id, ID: "second", RedeliveryConfig: bridge.RedeliveryConfig{Cameras: []string{"porto.a"}}})
	if !errors.Is(err, bridge.ErrNotTaken) || !strings.Contains(err.Error(), "porto.a") {
		t.Errorf("a camera of another site: %v", err)
	}
}

func TestMoment_TakesTimesAndHowLongAgo(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-11-24T08:00:00Z":             time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
		"2026-11-24T09:00:00.25+01:00":     time.Date(2026, 11, 24, 8, 0, 0, 250_000_000, time.UTC),
		"-2h30m":                           time.Now().Add(-150 * time.Minute),
		"0s":                               time.Now(),
		"2h":                               {},
		"yesterday":                        {},
		"2026-11-24 08:00:00":              {},
		strings.Repeat("-", 10):            {},
		schema.CapturedLayout:              time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC),
		"-99999999999999999999999999999h1": {},
	} {
		var m moment
		err := m.UnmarshalText([]byte(text))
		if want.IsZero() != (err != nil) || err != nil && !strings.Contains(err.Error(), "as in -2h") {
			t.Errorf("%s: %v", text, err)
		}
		if d := m.Sub(want).Abs(); err == nil && d > 10*time.Second {
			t.Errorf("%s: got %v, want %v", text, m, want)
		}
	}
}
