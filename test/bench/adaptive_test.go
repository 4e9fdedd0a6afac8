package bench_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const (
	keptCameras = 20
	readCameras = 4 // of them, those whose reader fetches every frame at once
	keptFPS     = 10
	leastSaved  = 40 // per cent
)

// BenchmarkRedisAdaptive is the memory that an adaptive time to live, from 1m to 10m, saves against a fixed one of 5m, both in balance.
// Times are a tenth of that, unless EDGE_VIDEO_SOAK=1.
func BenchmarkRedisAdaptive(b *testing.B) {
	scale := time.Duration(10)
	if os.Getenv("EDGE_VIDEO_SOAK") != "" {
		scale = 1
	}
	for b.Loop() {
		longest := 10 * time.Minute / scale
		fixed := startKept(b, redis.Config{TTL: 5 * time.Minute / scale})
		adaptive := startKept(b, redis.Config{Adaptive: redis.Adaptive{Min: time.Minute / scale, Max: longest}})
		pause(b, longest*5/4) // what was stored while nothing was known is gone
		var used, usedAdaptive float64
		for range 20 {
			pause(b, longest/100)
			used += memory(b, fixed)
			usedAdaptive += memory(b, adaptive)
		}
		saved := 100 * (1 - usedAdaptive/used)
		b.ReportMetric(saved, "saved-%")
		b.ReportMetric(used/20/mib, "fixed-MiB")
		b.ReportMetric(usedAdaptive/20/mib, "adaptive-MiB")
		b.ReportMetric(0, "ns/op")
		if saved < leastSaved {
			b.Errorf("%.1f %% of the memory is saved, want %d", saved, leastSaved)
		}
	}
}

// startKept starts a Redis whose sink is fed by cameras, and readers of some of them, until the benchmark ends.
func startKept(b *testing.B, cfg redis.Config) *harness.Redis {
	b.Helper()
	r := harness.StartRedis(b, harness.RedisOptions{})
	cfg.URL, cfg.Site = r.URL(), "bench"
	var err error
	if cfg.Key, err = bridge.ParseTemplate("frames:{camera}:{seq}", nil); err != nil {
		b.Fatal(err)
	}
	if cfg.Metadata.Stream, err = bridge.ParseTemplate("stored:{camera}", nil); err != nil {
		b.Fatal(err)
	}
	cfg.Metadata.MaxLen = 100
	sink, err := redis.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	if err := sink.Connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var g errgroup.Group
	g.Go(func() error { return feed(ctx, b, sink) })
	for n := range readCameras {
		g.Go(func() error { return readAll(ctx, r.Client(), cameraName(n)) })
	}
	b.Cleanup(func() {
		stop()
		if err := g.Wait(); err != nil {
			b.Error(err)
		}
		if err := sink.Close(); err != nil {
			b.Error(err)
		}
	})
	return r
}

func cameraName(n int) string { return fmt.Sprint("cam-", n) }

// feed sends frames of all cameras, spread evenly over time.
func feed(ctx context.Context, b *testing.B, sink bridge.Sink) error {
	body := make([]byte, bridgeBytes)
	if _, err := rand.Read(body); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second / keptFPS / keptCameras)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		f := &schema.Frame{Site: "bench", Camera: cameraName(i % keptCameras), Node: "node-1", Epoch: 1, Seq: uint64(i/keptCameras + 1),
			Captured: time.Now(), ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: body}
		sink.Send(ctx, f, func(err error) {
			if err != nil && ctx.Err() == nil {
				b.Error(err)
			}
		})
	}
}

// readAll fetches each frame of a camera once it is stored.
func readAll(ctx context.Context, client *goredis.Client, camera string) error {
	last := "$"
	for {
		found, err := client.XRead(ctx, &goredis.XReadArgs{Streams: []string{"stored:" + camera, last}, Block: time.Second}).Result()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, goredis.Nil):
			continue
		case err != nil:
			return err
		}
		for _, e := range found[0].Messages {
			last = e.ID
			if err := client.Get(ctx, e.Values["key"].(string)).Err(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("reading %s: %w", e.Values["key"], err)
			}
		}
	}
}

// memory is what a Redis uses, in bytes.
func memory(b *testing.B, r *harness.Redis) float64 {
	b.Helper()
	_, text, _ := strings.Cut(r.Client().Info(b.Context(), "memory").Val(), "used_memory:")
	text, _, _ = strings.Cut(text, "\r")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		b.Fatalf("the memory that Redis uses: %v", err)
	}
	return n
}
