package uplink_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/uplink"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const maxPayload = 4 << 20

// site is a site's server, with UPLINK as a node makes it.
type site struct {
	srv    *server.Server
	stream jetstream.Stream
	reg    *prometheus.Registry // of the last sink
}

func startSite(t *testing.T) *site {
	t.Helper()
	srv, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		MaxPayload: maxPayload})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: schema.StreamUplink, Subjects: []string{"uplink.lisbon.>"}, MaxMsgSize: 1 << 20,
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "uplink.lisbon.>", Destination: "frames.lisbon.>"}})
	if err != nil {
		t.Fatal(err)
	}
	return &site{srv: srv, stream: stream}
}

// sink is one that is connected until the test ends.
func (s *site) sink(t *testing.T, c uplink.Config) bridge.Sink {
	t.Helper()
	c.Timeout = 2 * time.Second
	s.reg = prometheus.NewRegistry()
	sink := uplink.New(c, func(name string) (*nats.Conn, error) { return nats.Connect(s.srv.ClientURL(), nats.Name(name)) }, s.reg)
	sinktest.Connect(t, sink)
	return sink
}

// count is how many frames the stream holds.
func (s *site) count(t *testing.T) int {
	t.Helper()
	info, err := s.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int(info.State.Msgs)
}

func (s *site) skipped(t *testing.T) int {
	t.Helper()
	families, err := s.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return int(families[0].GetMetric()[0].GetCounter().GetValue())
}

func TestSink_StoresFramesAsTheyAreUnderTheSubjectsOfFrames(t *testing.T) {
	s := startSite(t)
	frames := []*schema.Frame{sinktest.Frame("dock-1", 1, 100_000), sinktest.Frame("dock-2", 7, 10)}
	for i, err := range sinktest.Send(t, s.sink(t, uplink.Config{}), frames...) {
		if err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
	}
	for i, f := range frames {
		m, err := s.stream.GetMsg(t.Context(), uint64(i+1))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{f.Subject(), nats.Header(f.Header())}, []any{m.Subject, nats.Header(m.Header)}); diff != "" || !bytes.Equal(m.Data, f.Data) {
			t.Errorf("frame %d (-want +got), and %d bytes of %d:\n%s", i, len(m.Data), len(f.Data), diff)
		}
	}
}

func TestSink_WhatDoesNotFitTheRateIsLeftOutAndCounted(t *testing.T) {
	const size, rate, n = 10_000, 200_000, 200
	s := startSite(t)
	var frames []*schema.Frame
	for seq := range uint64(n) {
		frames = append(frames, sinktest.Frame("dock-1", seq+1, size))
	}
	began := time.Now()
	for i, err := range sinktest.Send(t, s.sink(t, uplink.Config{Rate: rate, MaxFrame: size}), frames...) {
		if err != nil {
			t.Errorf("frame %d: %v", i, err)
		}
	}
	got, most := s.count(t), rate/size+int(time.Since(began).Seconds()*rate/size)+1
	if got < rate/size || got > most {
		t.Errorf("%d frames were let through, want those of a second and what came meanwhile, %d to %d", got, rate/size, most)
	}
	if skipped := s.skipped(t); skipped != n-got {
		t.Errorf("%d frames are counted as left out, want %d", skipped, n-got)
	}
}

// A frame that is larger than what the rate lets through in a second passes all the same, once as much has not been used.
func TestSink_TheLargestFramePassesAnyRate(t *testing.T) {
	s := startSite(t)
	if err := sinktest.Send(t, s.sink(t, uplink.Config{Rate: 1000, MaxFrame: 500_000}), sinktest.Frame("dock-1", 1, 500_000))[0]; err != nil {
		t.Fatal(err)
	}
	if n := s.count(t); n != 1 {
		t.Errorf("%d frames are stored, want one", n)
	}
}

func TestSink_FrameAboveTheLimitsOfStreamOrServerIsRejectedAlone(t *testing.T) {
	s := startSite(t)
	for _, size := range []int{1 << 20, maxPayload} {
		errs := sinktest.Send(t, s.sink(t, uplink.Config{}), sinktest.Frame("dock-1", 1, 10), sinktest.Frame("dock-1", 2, size), sinktest.Frame("dock-1", 3, 10))
		if errs[0] != nil || !errors.Is(errs[1], bridge.ErrRejected) || errs[2] != nil {
			t.Errorf("%d bytes: got %v", size, errs)
		}
	}
}

func TestSink_StreamThatIsGoneIsNotConnected(t *testing.T) {
	s := startSite(t)
	sink := s.sink(t, uplink.Config{})
	s.srv.Shutdown()
	errs := sinktest.Send(t, sink, sinktest.Frame("dock-1", 1, 10), sinktest.Frame("dock-1", 2, 10))
	if slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, bridge.ErrNotConnected) }) {
		t.Errorf("got %v", errs)
	}
}
