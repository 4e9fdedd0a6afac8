package bench_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// BenchmarkFailover is three nodes of a site with six cameras 720p30 over RTSP, to JPEG at 5 fps, of which one after another is killed ten
// times: the seconds from kill -9 to the first stored frame of each of its cameras. Every third kill is of the node that leads FRAMES.
func BenchmarkFailover(b *testing.B) {
	const cameras, kills = 6, 10
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	for b.Loop() {
		text := ""
		for i := range cameras {
			text += fmt.Sprintf("\n  - {id: cam-%d, url: '%s', fps: 5}", i, p.URL(i))
		}
		c := harness.StartCluster(b, harness.ClusterOptions{Program: program, Cameras: text})
		var took []time.Duration
		for n := range kills {
			waitShared(b, c, cameras)
			victim := n % 3
			if victim == 0 {
				victim = max(0, c.Leader(c.Nodes[0].JetStream(), schema.StreamFrames))
			}
			t := failover(b, c, victim)
			b.Logf("kill %d, of %d cameras: %v", n+1, len(t), t)
			took = append(took, t...)
			c.Nodes[victim].Start()
		}
		for _, n := range c.Nodes {
			n.Stop()
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2].Seconds(), "p50-s")
		b.ReportMetric(took[len(took)-1].Seconds(), "max-s")
		b.ReportMetric(0, "ns/op")
	}
}

// waitShared waits until each node reads a third of the cameras and finds nothing wrong.
func waitShared(b *testing.B, c *harness.Cluster, cameras int) {
	b.Helper()
	for _, n := range c.Nodes {
		harness.WaitFor(b, time.Minute, "the cameras to be divided", func() bool {
			return n.Metric("edge_video_camera_up") == float64(cameras/len(c.Nodes)) && n.Readyz().Status == http.StatusOK
		})
	}
}

// failover kills a node and returns how long it took until each of its cameras was back.
func failover(b *testing.B, c *harness.Cluster, victim int) (took []time.Duration) {
	b.Helper()
	survivor := c.Nodes[(victim+1)%len(c.Nodes)].JetStream()
	stream, err := survivor.Stream(b.Context(), schema.StreamFrames)
	if err != nil {
		b.Fatal(err)
	}
	name := fmt.Sprintf("node-%d", victim+1)
	var had []string
	last := func(camera string) *jetstream.RawStreamMsg {
		m, err := stream.GetLastMsgForSubject(b.Context(), schema.FrameSubject("test", camera))
		if err != nil {
			return &jetstream.RawStreamMsg{}
		}
		return m
	}
	for i := range 6 {
		if id := fmt.Sprintf("cam-%d", i); last(id).Header.Get(schema.HeaderNode) == name {
			had = append(had, id)
		}
	}
	at := time.Now()
	c.Nodes[victim].Kill()
	for _, id := range had {
		var m *jetstream.RawStreamMsg
		harness.WaitFor(b, time.Minute, "a frame of "+id, func() bool { m = last(id); return m.Time.After(at) && m.Header.Get(schema.HeaderNode) != name })
		took = append(took, m.Time.Sub(at))
	}
	return took
}
