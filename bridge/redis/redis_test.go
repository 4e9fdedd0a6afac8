package redis_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker is a Redis behind a proxy. Its metadata streams tell the order of arrival for each camera.
type broker struct {
	*harness.Redis
	*harness.Proxy
}

func (b broker) NewSink(t testing.TB) bridge.Sink {
	return newSink(t, redis.Config{
		URL: b.URLAt(b.Proxy.Addr()), Key: template(t, "frames:{camera}:{seq}"), TTL: time.Minute, Timeout: sinktest.Timeout,
		Metadata: redis.Metadata{Stream: template(t, "arrived:{camera}")},
	})
}

func (b broker) Received(t testing.TB) []string { return arrived(t, b.Client()) }

// arrived are the ids of the frames that the metadata streams of a server tell of, in order for each camera.
func arrived(t testing.TB, client *goredis.Client) (ids []string) {
	t.Helper()
	streams, err := client.Keys(t.Context(), "arrived:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		if stream == "arrived:refused" {
			continue
		}
		entries, err := client.XRange(t.Context(), stream, "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			ids = append(ids, e.Values["id"].(string))
		}
	}
	return ids
}

// Unacceptable is a frame whose metadata stream is no stream.
func (b broker) Unacceptable(t testing.TB) *schema.Frame {
	do(t, b.Redis, "set", "arrived:refused", "")
	return sinktest.Frame("refused", 1, 10)
}

func TestSink(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{Persistent: true, Password: "pass"})
	sinktest.Run(t, broker{r, harness.StartProxy(t, r.Addr())})
}

func TestSink_StoresBodyForItsTime(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	for _, ttl := range []time.Duration{0, time.Minute, 90*time.Second + 500*time.Millisecond} {
		s := connected(t, redis.Config{URL: r.URL(), Key: template(t, "{site}/{camera}/{unixnano}"), TTL: ttl})
		f := sinktest.Frame("dock-1", 1, 100_000)
		if err := sinktest.Send(t, s, f)[0]; err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("lisbon/dock-1/%d", f.Captured.UnixNano())
		got, err := r.Client().Get(t.Context(), key).Bytes()
		if err != nil || string(got) != string(f.Data) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		left, err := r.Client().PTTL(t.Context(), key).Result()
		if err != nil || ttl > 0 && (left > ttl || left < ttl-10*time.Second) || ttl == 0 && left != -1 {
			t.Errorf("ttl %v: %v left, %v", ttl, left, err)
		}
		if want := (schema.Kept{Key: key, TTL: ttl, Bytes: 100_000}); f.Kept == nil || *f.Kept != want {
			t.Errorf("the sink says it is kept at %+v, want %+v", f.Kept, want)
		}
	}
}

// Pictures leave in place or by way of buffers, as their sizes and what stands before them have it.
func TestSink_PicturesOfAnySizeArriveWhole(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	s := connected(t, redis.Config{URL: r.URL(), Key: template(t, "{seq}"), TTL: time.Minute, Latest: template(t, "latest:{camera}"),
		Metadata: redis.Metadata{Stream: template(t, "meta:{camera}")}})
	var all []*schema.Frame
	for _, size := range []int{64 << 10, 1, 1022, 1023, 1024, 1025, 1026, 2 << 20, 1025, 2047, 2048, 2049, 3_000_001, 64 << 10, 64 << 10, 64 << 10} {
		f := sinktest.Frame(fmt.Sprint("cam-", len(all)%5), uint64(len(all)+1), 1)
		f.Data = make([]byte, size)
		_, _ = rand.Read(f.Data) // is never an error
		all = append(all, f)
	}
	for i, err := range sinktest.Send(t, s, all...) {
		if err != nil {
			t.Errorf("%d bytes: %v", len(all[i].Data), err)
		}
	}
	newest := map[string]*schema.Frame{}
	for _, f := range all {
		newest["latest:"+f.Camera], newest[fmt.Sprint(f.Seq)] = f, f
	}
	for key, f := range newest {
		if got, err := r.Client().Get(t.Context(), key).Bytes(); err != nil || !bytes.Equal(got, f.Data) {
			t.Errorf("%s: got %d bytes that are not the %d sent, %v", key, len(got), len(f.Data), err)
		}
	}
}

func TestSink_MetadataIsBounded(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	s := connected(t, redis.Config{
		URL: r.URL(), Key: template(t, "k:{seq}"), TTL: time.Minute,
		Metadata: redis.Metadata{Stream: template(t, "meta:{camera}"), MaxLen: 50},
	})
	var all []*schema.Frame
	for seq := range uint64(500) {
		all = append(all, sinktest.Frame("dock-1", seq+1, 10))
	}
	for _, err := range sinktest.Send(t, s, all...) {
		if err != nil {
			t.Fatal(err)
		}
	}
	// the server drops entries by the node, of a hundred
	entries, err := r.Client().XRange(t.Context(), "meta:dock-1", "-", "+").Result()
	if err != nil || len(entries) < 50 || len(entries) > 150 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	want := map[string]any{
		"id": "lisbon.dock-1.1795419833100.500", "key": "k:500", "camera": "dock-1", "site": "lisbon",
		"captured": "2026-11-23T07:44:55.298003Z", "width": "1280", "height": "720", "content_type": "image/jpeg", "size": "10",
	}
	if got := entries[len(entries)-1].Values; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got entry %v, want %v", got, want)
	}
}

func TestSink_FullServerIsNotConnected(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"}})
	s := connected(t, redis.Config{URL: r.URL(), Key: template(t, "k:{seq}"), TTL: time.Minute})
	var all []*schema.Frame
	for seq := range uint64(60) {
		all = append(all, sinktest.Frame("dock-1", seq+1, 100_000))
	}
	errs := sinktest.Send(t, s, all...)
	last := errs[len(errs)-1]
	if errs[0] != nil || !errors.Is(last, bridge.ErrNotConnected) || !strings.Contains(last.Error(), "OOM") {
		t.Errorf("got %v first and %v last", errs[0], last)
	}
	for i, err := range errs[1:] {
		if errs[i] != nil && err == nil {
			t.Errorf("frame %d was confirmed after %v", i+1, errs[i])
		}
	}
}

// A frame that finds no room is larger than what tells of it, for which there may be room.
func TestSink_FullServerTellsOfNoFrameThatItRefused(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"}})
	all := make([]*schema.Frame, 60)
	for i := range all {
		all[i] = sinktest.Frame("dock-1", uint64(i+1), 100_000)
	}
	confirmed := 0
	for range 5 {
		s := connected(t, redis.Config{URL: r.URL(), Key: template(t, "{site}.{camera}.{epoch}.{seq}"), TTL: time.Minute, Metadata: redis.Metadata{Stream: template(t, "arrived:{camera}")}})
		for _, err := range sinktest.Send(t, s, all[confirmed:]...) {
			if err == nil {
				confirmed++
			}
		}
	}
	if confirmed == 0 || confirmed == len(all) {
		t.Fatalf("%d of %d frames were confirmed by a server that has room for half of them", confirmed, len(all))
	}
	if ids := arrived(t, r.Client()); len(ids) != confirmed {
		t.Errorf("%d frames are told of, and %d confirmed", len(ids), confirmed)
	}
	for _, id := range arrived(t, r.Client()) {
		if n, err := r.Client().Exists(t.Context(), id).Result(); err != nil || n != 1 {
			t.Errorf("%s is told of and not there: %v", id, err)
		}
	}
}

// A whole pipeline has the timeout together, and of one that is as large as a fast link bears a slow one carries only a part in that time.
func TestSink_BacklogOverASlowLinkArrivesOverOneConnection(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	p := harness.StartProxy(t, r.Addr())
	s := connected(t, redis.Config{URL: r.URLAt(p.Addr()), Key: template(t, "frames:{camera}:{seq}"), TTL: time.Minute, Timeout: time.Second})
	p.Shape(1<<20, 10*time.Millisecond)
	var all []*schema.Frame
	for i := range 80 {
		all = append(all, sinktest.Frame(fmt.Sprint("dock-", i%2), uint64(i+1), 100<<10))
	}
	for i, err := range sinktest.Send(t, s, all...) {
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
	}
}

func TestSink_ReadOnlyAndForbiddenAreNotConnected(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	do(t, r, "acl", "setuser", "watcher", "on", ">watch", "~*", "+ping")
	s := connected(t, redis.Config{URL: "redis://watcher:watch@" + r.Addr(), Key: template(t, "k"), TTL: time.Minute})
	if err := sinktest.Send(t, s, sinktest.Frame("c", 1, 10))[0]; !errors.Is(err, bridge.ErrNotConnected) || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("got %v without the right to set", err)
	}
	do(t, r, "replicaof", "127.0.0.1", fmt.Sprint(harness.FreePort(t)))
	s = connected(t, redis.Config{URL: r.URL(), Key: template(t, "k"), TTL: time.Minute})
	if err := sinktest.Send(t, s, sinktest.Frame("c", 1, 10))[0]; !errors.Is(err, bridge.ErrNotConnected) || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("got %v from a replica", err)
	}
}

func TestSink_WrongTypeIsRejectedAloneInItsPlace(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	do(t, r, "set", "meta:b", "not a stream")
	s := connected(t, redis.Config{
		URL: r.URL(), Key: template(t, "k:{camera}:{seq}"), TTL: time.Minute, Metadata: redis.Metadata{Stream: template(t, "meta:{camera}")},
	})
	errs := sinktest.Send(t, s, sinktest.Frame("a", 1, 10), sinktest.Frame("b", 1, 10), sinktest.Frame("a", 2, 10))
	if errs[0] != nil || !errors.Is(errs[1], bridge.ErrRejected) || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
	if !strings.Contains(errs[1].Error(), "WRONGTYPE") {
		t.Errorf("%v does not say why", errs[1])
	}
}

func TestConnect_WrongPasswordIsNotRepeated(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{Password: "right"})
	for _, user := range []string{":hunter2@", ""} {
		s := newSink(t, redis.Config{URL: "redis://" + user + r.Addr(), Key: template(t, "k")})
		err := s.Connect(t.Context())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
}

func TestNew_NamesTheFaultAndNoSecret(t *testing.T) {
	key := template(t, "k")
	for name, c := range map[string]redis.Config{
		"no key":       {URL: "redis://localhost"},
		"ttl":          {URL: "redis://localhost", Key: key, TTL: time.Microsecond},
		"scheme":       {URL: "http://:hunter2@localhost", Key: key},
		"percent":      {URL: "redis://:hunter2%zz@localhost", Key: key},
		"port":         {URL: "redis://:hunter2@localhost:hunter2", Key: key},
		"slash":        {URL: "redis://:12/hunter2@localhost", Key: key},
		"database":     {URL: "redis://:hunter2@localhost/zero", Key: key},
		"length":       {URL: "redis://localhost", Key: key, Metadata: redis.Metadata{MaxLen: -1}},
		"empty url":    {Key: key},
		"other option": {URL: "redis://:hunter2@localhost?nonsense=1", Key: key},
	} {
		_, err := redis.New(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func do(t testing.TB, r *harness.Redis, args ...any) {
	t.Helper()
	if err := r.Client().Do(t.Context(), args...).Err(); err != nil && !errors.Is(err, goredis.Nil) {
		t.Fatal(err)
	}
}

func template(t testing.TB, text string) *bridge.Template {
	t.Helper()
	p, err := bridge.ParseTemplate(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newSink(t testing.TB, c redis.Config) *redis.Sink {
	t.Helper()
	s, err := redis.New(c, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connected(t testing.TB, c redis.Config) *redis.Sink {
	t.Helper()
	s := newSink(t, c)
	sinktest.Connect(t, s)
	return s
}
