package bench_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/procfs"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const mib = 1 << 20

// figures are what a measurement gives.
type figures struct {
	rate                    float64 // frames a second
	cores, nodeCores        float64 // CPU seconds a second: in all, of the node alone
	nodeBytes, childBytes   float64 // resident; what processes share counts for each
	taken                   float64 // bytes of all processes, what they share counted once
	dropped, rejected, lost float64 // pictures in the window
}

func (f figures) perFrame() float64 { return 1000 * f.cores / f.rate } // CPU milliseconds

func (f figures) report(b *testing.B) {
	b.ReportMetric(f.rate, "frames/s")
	b.ReportMetric(f.cores, "cores")
	b.ReportMetric(f.nodeCores, "node-cores")
	b.ReportMetric(f.nodeBytes/mib, "node-MiB")
	b.ReportMetric(f.childBytes/mib, "children-MiB")
	b.ReportMetric(f.taken/mib, "all-MiB")
	b.ReportMetric(f.dropped, "dropped")
	b.ReportMetric(f.rejected, "rejected")
	b.ReportMetric(f.lost, "lost")
	b.ReportMetric(0, "ns/op")
}

// fleet is a node with cameras that all deliver.
type fleet struct {
	b    *testing.B
	node *harness.Node
}

// startFleet starts a node with as many cameras; keys are those of camera n in the configuration, more further top-level ones.
func startFleet(b *testing.B, cameras int, keys func(n int) string, more ...string) *fleet {
	b.Helper()
	var list strings.Builder
	for i := range cameras {
		fmt.Fprintf(&list, "\n  - {id: cam-%d, %s}", i, keys(i))
	}
	f := &fleet{b: b, node: harness.StartNode(b, harness.NodeOptions{Program: program, Cameras: list.String(),
		More: "capture: {starts_per_second: 20}" + strings.Join(more, "")})}
	harness.WaitFor(b, 2*time.Minute, "all cameras to deliver", func() bool { return f.node.Metric("edge_video_camera_up") == float64(cameras) })
	return f
}

// stored counts the frames that the stream has acknowledged.
func (f *fleet) stored() float64 { return f.node.Metric("edge_video_frames_processed_total") }

// catchUp waits until no more frames come than the cameras send: those that could not be read while a hundred FFmpegs started.
func (f *fleet) catchUp(rate float64) {
	f.b.Helper()
	const step = 3 * time.Second
	for range 40 {
		began, before := time.Now(), f.stored()
		pause(f.b, step)
		if (f.stored()-before)/time.Since(began).Seconds() < 1.01*rate {
			return
		}
	}
	f.b.Fatal("the node does not catch up")
}

// measure lets the node settle, then counts over the window.
func (f *fleet) measure(window time.Duration) figures {
	f.b.Helper()
	pause(f.b, settle)
	pid, children := f.node.PID(), f.node.Children()
	gone := func() figures {
		return figures{rate: f.stored(), nodeCores: cpuSeconds([]int{pid}), cores: cpuSeconds(append(slices.Clone(children), pid)),
			dropped: f.node.Metric("edge_video_frames_dropped_total"), rejected: f.node.Metric("edge_video_pictures_rejected_total"),
			lost: f.node.Metric("edge_video_frames_lost_total")}
	}
	began, before := time.Now(), gone()
	pause(f.b, window)
	after, took := gone(), time.Since(began).Seconds()
	m := figures{rate: (after.rate - before.rate) / took, cores: (after.cores - before.cores) / took, nodeCores: (after.nodeCores - before.nodeCores) / took,
		dropped: after.dropped - before.dropped, rejected: after.rejected - before.rejected, lost: after.lost - before.lost, nodeBytes: resident(pid)}
	for _, child := range children {
		m.childBytes += resident(child)
		m.taken += proportional(child)
	}
	m.taken += proportional(pid)
	return m
}

// latency reads frames' headers as they are stored, for a while, and returns the 99th percentile of the time from capture to the
// stream. Reading costs the node CPU, so it is done beside no other measurement.
func (f *fleet) latency(window time.Duration) time.Duration {
	f.b.Helper()
	c, err := f.node.JetStream().OrderedConsumer(f.b.Context(), "FRAMES", jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy, HeadersOnly: true})
	if err != nil {
		f.b.Fatal(err)
	}
	messages, err := c.Messages()
	if err != nil {
		f.b.Fatal(err)
	}
	time.AfterFunc(window, messages.Stop)
	var all []time.Duration
	for {
		m, err := messages.Next()
		if err != nil {
			break // stopped
		}
		meta, err := m.Metadata()
		if err != nil {
			f.b.Fatal(err)
		}
		captured, err := time.Parse(time.RFC3339Nano, m.Headers().Get(schema.HeaderCaptured))
		if err != nil {
			f.b.Fatal(err)
		}
		all = append(all, meta.Timestamp.Sub(captured))
	}
	if len(all) == 0 {
		f.b.Fatal("no frames were stored")
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// firstFrame is the time from the start of the first camera's FFmpeg to its first frame in the stream.
func (f *fleet) firstFrame() time.Duration {
	f.b.Helper()
	stream, err := f.node.JetStream().Stream(f.b.Context(), "FRAMES")
	if err != nil {
		f.b.Fatal(err)
	}
	m, err := stream.GetMsg(f.b.Context(), 1)
	if err != nil {
		f.b.Fatal(err)
	}
	epoch, err := strconv.ParseInt(m.Header.Get(schema.HeaderEpoch), 10, 64)
	if err != nil {
		f.b.Fatal(err)
	}
	return m.Time.Sub(time.UnixMilli(epoch))
}

// pause lets time pass while others work.
func pause(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-b.Context().Done():
	case <-time.After(d):
	}
}

// cpuSeconds is the CPU time of processes that still run.
func cpuSeconds(pids []int) (sum float64) {
	for _, pid := range pids {
		sum += stat(pid).CPUTime()
	}
	return sum
}

// resident is the memory of a process in bytes.
func resident(pid int) float64 { return float64(stat(pid).ResidentMemory()) }

// proportional is the memory of a process in bytes, each page divided by the number of processes that share it.
func proportional(pid int) float64 {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	maps, err := p.ProcSMapsRollup()
	if err != nil {
		return 0 // it ended in between
	}
	return float64(maps.Pss)
}

// stat is zero for a process that has ended.
func stat(pid int) (st procfs.ProcStat) {
	if p, err := procfs.NewProc(pid); err == nil {
		st, _ = p.Stat() // it ended in between
	}
	return st
}
