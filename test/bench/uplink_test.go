package bench_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const (
	// uplinkRounds is odd: each side's median counts.
	uplinkRounds = 5
	// uplinkFrames is few enough for what is written to stay in memory: the disk's own speed varies more than what is compared.
	uplinkFrames = 8000
	// underWay is the frame from which a mirror is timed: it has found its pace by then.
	underWay = uplinkFrames / 10
)

// BenchmarkUplink is how many frames of 64 KiB a second go from a site's backlog to its hub over loopback, beside a bare mirror between two
// plain servers with a leaf node link. The two take turns.
func BenchmarkUplink(b *testing.B) {
	body := randomBody(b)
	for b.Loop() {
		var theirs, ours, ratios []float64
		for range uplinkRounds {
			bare, own := bareUplink(b, body), uplink(b, body)
			theirs, ours, ratios = append(theirs, bare), append(ours, own), append(ratios, own/bare)
		}
		for _, all := range [][]float64{theirs, ours, ratios} {
			slices.Sort(all)
		}
		middle := uplinkRounds / 2
		b.ReportMetric(ours[middle], "frames/s")
		b.ReportMetric(ours[middle]*bridgeBytes/1e6, "MB/s")
		b.ReportMetric(theirs[middle], "bare-frames/s")
		b.ReportMetric(ratios[middle], "ratio")
		b.ReportMetric(0, "ns/op")
		b.Logf("ratios of the pairs: %.2f", ratios)
	}
}

// uplink is the rate of a site and a hub as edge-video runs them, with credentials.
func uplink(b *testing.B, body []byte) float64 {
	b.Helper()
	far, near := benchServer(b, "hub"), benchServer(b, "bench")
	far.Hub, far.Leaf.Listen = true, fmt.Sprintf("127.0.0.1:%d", harness.FreePort(b))
	credentials, err := node.AddSite(far.DataDir, "bench", false)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(near.DataDir, "bench.creds")
	if err := os.WriteFile(file, credentials, 0o600); err != nil {
		b.Fatal(err)
	}
	near.Leaf.Remotes = []node.LeafRemote{{URL: "nats-leaf://" + far.Leaf.Listen, Credentials: file}}
	site, stopSite := startServer(b, near)
	defer stopSite()
	nc, err := site.Connect("fill")
	if err != nil {
		b.Fatal(err)
	}
	fillStream(b, nc, uplinkFrames, body)
	nc.Close()
	syscall.Sync()
	at, stopHub := startServer(b, far)
	defer stopHub()
	h := hub.New(hub.Config{Site: "hub", Node: "node-1", MaxAge: time.Hour, MaxBytes: 8 << 30, Replicas: 1}, at.Connect, at.Sites,
		slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	defer background(b, h.Run)()
	if nc, err = at.Connect("watch"); err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	return timeMirror(b, nc, schema.MirrorStream(schema.StreamFrames, "bench"))
}

// bareUplink is the rate of two servers of the same stream and mirror, and nothing else.
func bareUplink(b *testing.B, body []byte) float64 {
	b.Helper()
	port := harness.FreePort(b)
	near, stopNear := bareServer(b, &server.Options{ServerName: "near", JetStreamDomain: "bench", LeafNode: server.LeafNodeOpts{
		ReconnectInterval: time.Second, Remotes: []*server.RemoteLeafOpts{{URLs: []*url.URL{{Scheme: "nats-leaf", Host: fmt.Sprintf("127.0.0.1:%d", port)}},
			DenyExports: []string{"frames.>"}, Compression: server.CompressionOpts{Mode: server.CompressionOff}}}}})
	defer stopNear()
	js := bareStream(b, near, jetstream.StreamConfig{Name: schema.StreamFrames, Subjects: []string{"frames.bench.>"}})
	fillStream(b, js.Conn(), uplinkFrames, body)
	syscall.Sync()
	far, stopFar := bareServer(b, &server.Options{ServerName: "far", JetStreamDomain: "hub", LeafNode: server.LeafNodeOpts{Host: "127.0.0.1", Port: port}})
	defer stopFar()
	harness.WaitFor(b, time.Minute, "the link of the bare servers", func() bool { return far.NumLeafNodes() == 1 })
	js = bareStream(b, far, jetstream.StreamConfig{Name: "MIRROR", Mirror: &jetstream.StreamSource{Name: schema.StreamFrames, Domain: "bench"}})
	return timeMirror(b, js.Conn(), "MIRROR")
}

func bareServer(b *testing.B, o *server.Options) (s *server.Server, stop func()) {
	b.Helper()
	o.StoreDir, o.JetStream, o.DontListen, o.NoSigs, o.NoLog, o.MaxPayload = b.TempDir(), true, true, true, true, 4<<20
	o.JetStreamMaxStore, o.JetStreamMaxMemory = 16<<30, 64<<20
	s, err := server.NewServer(o)
	if err != nil {
		b.Fatal(err)
	}
	go s.Start()
	stop = func() {
		s.Shutdown()
		s.WaitForShutdown()
		remove(b, o.StoreDir)
	}
	if !s.ReadyForConnections(10 * time.Second) {
		stop()
		b.Fatalf("server %s does not start", o.ServerName)
	}
	return s, stop
}

// bareStream makes a stream with the limits that a site's has; its connection is closed when the benchmark ends.
func bareStream(b *testing.B, s *server.Server, c jetstream.StreamConfig) jetstream.JetStream {
	b.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	c.MaxBytes, c.MaxAge, c.Storage, c.AllowDirect = 8<<30, time.Hour, jetstream.FileStorage, true
	if _, err := js.CreateStream(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	return js
}

// timeMirror is the rate at which a mirror takes what it is behind.
func timeMirror(b *testing.B, nc *nats.Conn, name string) float64 {
	b.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	var first, last uint64
	var began, ended time.Time
	harness.WaitFor(b, 5*time.Minute, "the mirror to have the backlog", func() bool {
		s, err := js.Stream(b.Context(), name)
		if err != nil {
			return false
		}
		if last, ended = s.CachedInfo().State.LastSeq, time.Now(); first == 0 && last >= underWay {
			first, began = last, ended
		}
		return last >= uplinkFrames
	})
	return float64(last-first) / ended.Sub(began).Seconds()
}
