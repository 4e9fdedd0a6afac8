package bench_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const (
	// siteEnv has this program be a site: its name, its folder with credentials, and where its hub listens for leaf nodes.
	siteEnv = "EDGE_VIDEO_BENCH_SITE"
	// siteFrame and sitePeriod are what a made-up site publishes.
	siteFrame  = 8 << 10
	sitePeriod = 100 * time.Millisecond
)

// BenchmarkHubSites is what 10, 20, 40 and 60 sites cost their hub, an edge-video with nothing else to do: CPU, memory, and how old the
// newest frame of a mirror is. Each site is a process with a server and a publisher of 10 frames of 8 KiB a second, so that half of sitePeriod
// of that age is the time between frames.
func BenchmarkHubSites(b *testing.B) {
	for _, n := range []int{10, 20, 40, 60} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				measureSites(b, n)
			}
		})
	}
}

func measureSites(b *testing.B, n int) {
	door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(b))
	h := harness.NewNode(b, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}",
		More: "hub: {mirror: true, max_bytes: 64MiB}\n"})
	var sites []string
	for i := range n {
		sites = append(sites, fmt.Sprintf("site-%d", i))
	}
	dirs := map[string]string{}
	for _, name := range sites {
		dirs[name] = b.TempDir()
		credentials, err := node.AddSite(h.Dir, name, false)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dirs[name], "hub.creds"), credentials, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	h.Start()
	for _, name := range sites {
		defer startSite(b, name, dirs[name], door)()
	}
	began := time.Now()
	harness.WaitFor(b, 5*time.Minute, "all sites to be mirrored without lag", func() bool {
		return h.Metric("edge_video_site_up") == float64(n) && h.Metric("edge_video_site_lag_frames") == 0
	})
	b.ReportMetric(time.Since(began).Seconds(), "joined-s")
	pause(b, settle)
	pid, js := h.PID(), h.JetStream()
	began, cpu, frames := time.Now(), cpuSeconds([]int{pid}), mirrorAges(b, js, nil)
	var ages []time.Duration
	for time.Since(began) < window {
		pause(b, time.Second)
		mirrorAges(b, js, &ages)
	}
	took := time.Since(began).Seconds()
	slices.Sort(ages)
	b.ReportMetric((cpuSeconds([]int{pid})-cpu)/took, "hub-cores")
	b.ReportMetric(resident(pid)/mib, "hub-MiB")
	b.ReportMetric(float64(mirrorAges(b, js, nil)-frames)/took, "frames/s")
	b.ReportMetric(float64(ages[len(ages)/2].Milliseconds()), "age-p50-ms")
	b.ReportMetric(float64(ages[len(ages)*99/100].Milliseconds()), "age-p99-ms")
	b.ReportMetric(0, "ns/op")
	h.Stop()
}

// mirrorAges adds how old the newest frame of each mirror is, and returns how many frames all have had.
func mirrorAges(b *testing.B, js jetstream.JetStream, ages *[]time.Duration) (frames uint64) {
	b.Helper()
	list := js.ListStreams(b.Context())
	for info := range list.Info() {
		if !strings.HasPrefix(info.Config.Name, schema.MirrorStream(schema.StreamFrames, "")) {
			continue
		}
		frames += info.State.LastSeq
		if ages != nil {
			*ages = append(*ages, info.TimeStamp.Sub(info.State.LastTime))
		}
	}
	if err := list.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		b.Fatal(err)
	}
	return frames
}

// startSite runs a site in a process of its own until stop.
func startSite(b *testing.B, name, dir, hub string) (stop func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", siteEnv, name, dir, hub), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Errorf("site %s: %v", name, err)
		}
	}
}

// runSite is such a site, until its standard input ends.
func runSite(what string) error {
	var name, dir, hub string
	if _, err := fmt.Sscan(what, &name, &dir, &hub); err != nil {
		return fmt.Errorf("reading %s: %w", siteEnv, err)
	}
	s, err := node.NewServer(node.ServerConfig{Site: name, Node: "node-1", DataDir: filepath.Join(dir, "data"), MaxFrame: 1 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}},
		Leaf:   node.LeafConfig{Remotes: []node.LeafRemote{{URL: "nats-leaf://" + hub, Credentials: filepath.Join(dir, "hub.creds")}}}},
		slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	select {
	case <-s.Ready():
	case err := <-ended:
		return err
	}
	if err := publishFrames(ctx, s, name); err != nil {
		return err
	}
	return <-ended
}

// publishFrames publishes until ctx ends.
func publishFrames(ctx context.Context, s *node.Server, site string) error {
	nc, err := s.Connect("publisher")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("reaching JetStream: %w", err)
	}
	tick := time.NewTicker(sitePeriod)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		f := frame(i, make([]byte, siteFrame))
		f.Site = site
		if _, err := js.PublishMsg(ctx, &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}); err != nil && ctx.Err() == nil {
			return fmt.Errorf("publishing: %w", err)
		}
	}
}
