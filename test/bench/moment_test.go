package bench_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/schema"
)

const (
	momentCameras = 20
	momentFrames  = 6 * 3600 * 10 // of each camera
	momentAsks    = 1000
	gapAsks       = 5
)

// BenchmarkMoment is how long it takes to find the frame of a moment among six hours of 20 cameras at 10 fps, 4.3 million frames with small
// bodies, a tenth of them with -short. They are stored as fast as that goes, and captured when they are stored, for a stream's times cannot be
// made up: so what is between storing and capture, a few milliseconds, covers more frames than it does for cameras that keep their time, and
// the search is the harder for it. gap-ms is the longest of some searches for moments of a camera that sent only at both ends, with its events.
func BenchmarkMoment(b *testing.B) {
	frames := momentFrames
	if testing.Short() {
		frames /= 10
	}
	s, stop := startServer(b, benchServer(b, "bench"))
	defer stop()
	nc, err := s.Connect("ask")
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	fillEnd(b, js, 1, schema.CameraUp, schema.CameraDown)
	var fill sync.WaitGroup
	const connections = 4
	for i := range connections {
		fill.Go(func() { fillCameras(b, s, i*momentCameras/connections, (i+1)*momentCameras/connections, frames) })
	}
	fill.Wait()
	ended := time.Now()
	fillEnd(b, js, 2, schema.CameraUp)
	a := archive.New(js, "bench")
	for b.Loop() {
		ask := func(n int, camera func(int) string) []time.Duration {
			var took []time.Duration
			for i := range n {
				moment := began.Add(time.Duration(rand.Int64N(int64(ended.Sub(began)))/2 + int64(ended.Sub(began))/4))
				asked := time.Now()
				f, err := a.At(b.Context(), archive.Camera{Site: "bench", ID: camera(i)}, moment)
				took = append(took, time.Since(asked))
				if err != nil || f.Captured.After(moment) {
					b.Fatal(f, err)
				}
			}
			slices.Sort(took)
			return took
		}
		took := ask(momentAsks, func(i int) string { return fmt.Sprint("cam-", i%momentCameras) })
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
		b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
		b.ReportMetric(ms(took[len(took)-1]), "max-ms")
		b.ReportMetric(ms(ask(gapAsks, func(int) string { return "cam-gap" })[gapAsks-1]), "gap-ms")
		b.ReportMetric(float64(frames*momentCameras), "frames")
		b.ReportMetric(ended.Sub(began).Seconds(), "fill-s")
		b.ReportMetric(0, "ns/op")
	}
}

// fillEnd stores one frame of the camera that sends only at both ends, and events of its states.
func fillEnd(b *testing.B, js jetstream.JetStream, seq int, states ...schema.CameraState) {
	b.Helper()
	if _, err := js.PublishMsg(b.Context(), smallFrame("cam-gap", seq)); err != nil {
		b.Fatal(err)
	}
	for _, state := range states {
		e := schema.Event{Time: time.Now(), Site: "bench", Node: "node-1", Class: schema.ClassCamera, Name: "cam-gap", Kind: schema.KindState,
			State: string(state)}
		body, err := json.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := js.Publish(b.Context(), e.Subject(), body); err != nil {
			b.Fatal(err)
		}
	}
}

// fillCameras stores the frames of some cameras, in turn.
func fillCameras(b *testing.B, s *node.Server, first, end, frames int) {
	nc, err := s.Connect("fill")
	if err != nil {
		b.Error(err)
		return
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024), jetstream.WithPublishAsyncTimeout(time.Minute))
	if err != nil {
		b.Error(err)
		return
	}
	for seq := range frames {
		for camera := first; camera < end; camera++ {
			if _, err := js.PublishMsgAsync(smallFrame(fmt.Sprint("cam-", camera), seq+1), jetstream.WithStallWait(time.Minute)); err != nil {
				b.Error(err)
				return
			}
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(time.Minute):
		b.Error("the stream does not acknowledge")
	}
}

func smallFrame(camera string, seq int) *nats.Msg {
	f := &schema.Frame{Site: "bench", Camera: camera, Node: "node-1", Epoch: 1, Seq: uint64(seq), Captured: time.Now(), ContentType: schema.ContentJPEG,
		Width: 64, Height: 36, Data: []byte("a small body")}
	return &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}
}
