package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// watched is a sink with an adaptive time to live, fed with frames of some cameras at a steady pace.
type watched struct {
	*redis.Sink
	server *harness.Redis
	reg    *prometheus.Registry

	mu     sync.Mutex
	events []schema.Event
}

// startWatched feeds cameras until the test ends.
func startWatched(t *testing.T, server *harness.Redis, url string, a redis.Adaptive, cameras ...string) *watched {
	t.Helper()
	return startFed(t, server, redis.Config{URL: url, Adaptive: a}, cameras...)
}

// startFed is startWatched with more of the configuration.
func startFed(t *testing.T, server *harness.Redis, cfg redis.Config, cameras ...string) *watched {
	t.Helper()
	w := &watched{server: server, reg: prometheus.NewRegistry()}
	cfg.Key, cfg.Site = template(t, "frames:{camera}:{seq}"), "lisbon"
	cfg.Metadata = redis.Metadata{Stream: template(t, "stored:{camera}"), MaxLen: 1000}
	var err error
	w.Sink, err = redis.New(cfg, slog.New(slog.DiscardHandler), w.reg)
	if err != nil {
		t.Fatal(err)
	}
	w.Report(func(e schema.Event) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.events = append(w.events, e)
	})
	if err := w.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for seq := uint64(1); ctx.Err() == nil; seq++ {
			for _, camera := range cameras {
				w.Send(ctx, sinktest.Frame(camera, seq, 20_000), func(error) {})
			}
			<-tick.C
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// read reads one of every so many frames of a camera as soon as it is stored.
func (w *watched) read(t *testing.T, camera string, every int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for last, n := "$", 0; ctx.Err() == nil; {
			found, err := w.server.Client().XRead(ctx, &goredis.XReadArgs{Streams: []string{"stored:" + camera, last}, Block: time.Second}).Result()
			if err != nil {
				continue
			}
			for _, e := range found[0].Messages {
				last = e.ID
				if n++; n%every == 0 {
					_ = w.server.Client().Get(ctx, e.Values["key"].(string)).Err()
				}
			}
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// ttl is the metric of a camera.
func (w *watched) ttl(t *testing.T, camera string) time.Duration {
	t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "edge_video_redis_ttl_seconds" && m.GetLabel()[0].GetValue() == camera {
				return time.Duration(math.Round(m.GetGauge().GetValue()*1000)) * time.Millisecond
			}
		}
	}
	return 0
}

func (w *watched) waitTTL(t *testing.T, camera string, want time.Duration) {
	t.Helper()
	harness.WaitFor(t, 40*time.Second, fmt.Sprintf("frames of %s to be kept for %v", camera, want), func() bool { return w.ttl(t, camera) == want })
}

// The readers are an ordinary client each and know of nothing.
func TestAdaptive_KeepsWhatIsReadLongAndTheRestShort(t *testing.T) {
	t.Parallel()
	a := redis.Adaptive{Min: 2 * time.Second, Max: 8 * time.Second}
	const seldom = 4 * time.Second
	for _, policy := range []string{"noeviction", "allkeys-lfu"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--maxmemory-policy", policy, "--maxmemory", "1gb"}})
			w := startWatched(t, r, r.URL(), a, "eager", "casual", "nobody")
			stopEager := w.read(t, "eager", 1)
			w.read(t, "casual", 6)
			w.waitTTL(t, "nobody", a.Min)
			w.waitTTL(t, "eager", a.Max)
			w.waitTTL(t, "casual", seldom)
			for camera, want := range map[string]time.Duration{"eager": a.Max, "casual": seldom, "nobody": a.Min} {
				harness.WaitFor(t, 5*time.Second, camera+"'s keys to follow", func() bool {
					entries := r.Client().XRevRangeN(t.Context(), "stored:"+camera, "+", "-", 1).Val()
					left := r.Client().PTTL(t.Context(), entries[0].Values["key"].(string)).Val()
					return left <= want && left > want-time.Second
				})
			}

			if err := w.Connect(t.Context()); err != nil { // as after a fault
				t.Fatal(err)
			}
			if got := w.ttl(t, "nobody"); got != a.Min {
				t.Errorf("frames that nobody reads are kept for %v after a reconnect", got)
			}
			stopEager()
			w.read(t, "nobody", 1)
			w.waitTTL(t, "nobody", a.Max)
			w.waitTTL(t, "eager", a.Min)

			w.mu.Lock()
			defer w.mu.Unlock()
			if !slices.ContainsFunc(w.events, func(e schema.Event) bool {
				return e.Kind == schema.KindControl && e.Reason == "redis_ttl" && e.State == "never" && strings.Contains(e.Message, "nobody")
			}) {
				t.Errorf("no event tells of the change: %v", w.events)
			}
		})
	}
}

// One camera of five is read. The times are those of 1m, 5m and 10m, in a fiftieth, and so is the server's expiry.
func TestAdaptive_SavesTwoFifthsOfTheMemory(t *testing.T) {
	t.Parallel()
	cameras := []string{"eager", "a", "b", "c", "d"}
	used, gone := map[string]func() float64{}, map[string]func() bool{}
	for name, cfg := range map[string]redis.Config{
		"fixed":    {TTL: 6 * time.Second},
		"adaptive": {Adaptive: redis.Adaptive{Min: 1200 * time.Millisecond, Max: 12 * time.Second}},
	} {
		r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--hz", "100"}})
		cfg.URL = r.URL()
		startFed(t, r, cfg, cameras...).read(t, "eager", 1)
		empty := memory(t, r)
		used[name] = func() float64 { return memory(t, r) - empty }
		gone[name] = func() bool {
			return r.Client().XLen(t.Context(), "stored:eager").Val() > 0 && r.Client().Exists(t.Context(), "frames:eager:1").Val() == 0
		}
	}
	harness.WaitFor(t, 40*time.Second, "the first frame to be gone", func() bool { return gone["fixed"]() && gone["adaptive"]() })
	var fixed, adaptive float64
	harness.WaitFor(t, 20*time.Second, "two fifths to be saved", func() bool {
		fixed, adaptive = used["fixed"](), used["adaptive"]()
		return adaptive < 0.6*fixed
	})
	t.Logf("%.1f MiB with a fixed time, %.1f MiB with an adaptive one", fixed/(1<<20), adaptive/(1<<20))
}

// memory is what a server uses, in bytes.
func memory(t *testing.T, r *harness.Redis) float64 {
	t.Helper()
	_, text, _ := strings.Cut(r.Client().Info(t.Context(), "memory").Val(), "used_memory:")
	text, _, _ = strings.Cut(text, "\r")
	bytes, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// A reader that looks back once reads frames that were no probes.
func TestAdaptive_SeesAReaderThatLooksBackOnce(t *testing.T) {
	t.Parallel()
	r := harness.StartRedis(t, harness.RedisOptions{})
	a := redis.Adaptive{Min: 7 * time.Second, Max: 28 * time.Second}
	w := startWatched(t, r, r.URL(), a, "gate")
	w.waitTTL(t, "gate", a.Min)
	before := time.Now().Add(-3 * time.Second).UnixMilli()
	entries := r.Client().XRevRangeN(t.Context(), "stored:gate", fmt.Sprint(before), "-", 40).Val()
	for _, e := range entries {
		if err := r.Client().Get(t.Context(), e.Values["key"].(string)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	w.waitTTL(t, "gate", 14*time.Second)
}

// Without the rights to see readers, nothing is taken for unread.
func TestAdaptive_WhatCannotBeSeenIsKept(t *testing.T) {
	t.Parallel()
	a := redis.Adaptive{Min: time.Second, Max: 8 * time.Second}
	for name, rights := range map[string][]any{"nothing": {"+set"}, "no probes": {"+set", "+object"}, "no questions": {"+set", "+eval", "+restore"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := harness.StartRedis(t, harness.RedisOptions{})
			do(t, r, append([]any{"acl", "setuser", "writer", "on", ">pass", "~*", "+ping", "+xadd"}, rights...)...)
			w := startWatched(t, r, "redis://writer:pass@"+r.Addr(), a, "gate")
			harness.WaitFor(t, 20*time.Second, "more frames than it takes to judge", func() bool {
				return r.Client().XLen(t.Context(), "stored:gate").Val() > 160
			})
			if got := w.ttl(t, "gate"); got != a.Max {
				t.Errorf("frames are kept for %v, want %v", got, a.Max)
			}
			key := r.Client().XRevRangeN(t.Context(), "stored:gate", "+", "-", 1).Val()[0].Values["key"].(string)
			if got := r.Client().StrLen(t.Context(), key).Val(); got != 20_000 {
				t.Errorf("the newest frame has %d bytes", got)
			}
		})
	}
}
