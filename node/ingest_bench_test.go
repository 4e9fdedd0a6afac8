package node

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	ingestFrames = 20_000
	ingestRounds = 5 // each side's median counts
	ingestBytes  = 64 << 10
	ingestWindow = 256
)

// BenchmarkIngest is how many frames of 64 KiB a second lanes and publisher bring into the stream, beside a bare loop that publishes
// the same asynchronously on one in-process connection.
func BenchmarkIngest(b *testing.B) {
	body := make([]byte, ingestBytes)
	if _, err := rand.Read(body); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		var bare, ours []float64
		for range ingestRounds {
			bare = append(bare, ingestRate(b, func(s *Server) { bareLoop(b, s, body) }))
			ours = append(ours, ingestRate(b, func(s *Server) { throughLanes(b, s, body) }))
		}
		slices.Sort(bare)
		slices.Sort(ours)
		mine, theirs := ours[ingestRounds/2], bare[ingestRounds/2]
		b.ReportMetric(mine, "frames/s")
		b.ReportMetric(theirs, "bare-frames/s")
		b.ReportMetric(mine/theirs, "ratio")
		b.ReportMetric(0, "ns/op")
	}
}

// ingestRate runs ingest against a server of its own.
func ingestRate(b *testing.B, ingest func(*Server)) float64 {
	b.Helper()
	s, err := NewServer(ServerConfig{Site: "bench", Node: "node-1", DataDir: b.TempDir(), MaxFrame: 4 << 20,
		Stream: StreamConfig{MaxAge: time.Hour, MaxBytes: 8 << 30, Replicas: 1, Sync: Sync{Interval: 2 * time.Second}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	select {
	case <-s.Ready():
	case err := <-ended:
		b.Fatal(err)
	}
	syscall.Sync() // what the run before left to be written would slow this one down
	began := time.Now()
	ingest(s)
	return ingestFrames / time.Since(began).Seconds()
}

func benchFrame(camera string, seq int, body []byte) *schema.Frame {
	return &schema.Frame{Site: "bench", Camera: camera, Node: "node-1", Epoch: 1, Seq: uint64(seq), Captured: time.Now(),
		ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: body}
}

func bareLoop(b *testing.B, s *Server, body []byte) {
	b.Helper()
	nc, err := s.Connect("bare")
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(ingestWindow))
	if err != nil {
		b.Fatal(err)
	}
	for i := range ingestFrames {
		f := benchFrame("cam", i+1, body)
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

// counter is a laneRecord that counts.
type counter struct {
	b  *testing.B
	wg *sync.WaitGroup
}

func (c counter) stored(*schema.Frame, time.Time) { c.wg.Done() }
func (c counter) gone(g gap)                      { c.b.Errorf("frames dropped: %+v", g) }
func (c counter) lost(g gap)                      { c.b.Errorf("frames lost: %+v", g) }
func (c counter) dropped(string, int)             {}

func throughLanes(b *testing.B, s *Server, body []byte) {
	b.Helper()
	p, err := newPublisher(s, 1<<40, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer p.close()
	var done, lanes sync.WaitGroup
	done.Add(ingestFrames)
	const cameras = 4
	for i := range cameras {
		id := string(rune('a' + i))
		l := p.newLane(id, 1<<40, counter{b, &done})
		for seq := range ingestFrames / cameras {
			l.push(benchFrame(id, seq+1, body))
		}
		l.close()
		lanes.Go(func() { l.run(b.Context()) })
	}
	done.Wait()
	lanes.Wait()
}
