package redis_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

func TestLatest_IsTheNewestFrameAndNeverGoesBack(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	cfg := redis.Config{URL: r.URL(), Key: template(t, "frames:{camera}:{epoch}:{seq}"), Latest: template(t, "latest:{camera}"), TTL: time.Minute}
	numbered := func(camera string, epoch int64, seq uint64) *schema.Frame {
		f := sinktest.Frame(camera, seq, 1000)
		f.Epoch = epoch
		f.Data = append(f.Data, []byte(f.ID())...)
		return f
	}
	holds := func(want *schema.Frame) {
		t.Helper()
		got, err := r.Client().Get(t.Context(), "latest:"+want.Camera).Bytes()
		if err != nil || !bytes.Equal(got, want.Data) {
			t.Errorf("got %q, %v, want frame %s", got[max(0, len(got)-40):], err, want.ID())
		}
	}
	sent := func(s *redis.Sink, frames ...*schema.Frame) {
		t.Helper()
		for _, err := range sinktest.Send(t, s, frames...) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	live := connected(t, cfg)
	a, b := numbered("a", 1000, 10), numbered("b", 1000, 9)
	sent(live, numbered("a", 1000, 9), b, a, numbered("a", 1000, 8)) // the last one was republished
	holds(a)
	holds(b)
	if left := r.Client().PTTL(t.Context(), "latest:a").Val(); left <= 0 || left > time.Minute {
		t.Errorf("%v left of a minute", left)
	}

	backfill := connected(t, cfg) // another process, which delivers what an outage has left
	sent(backfill, numbered("a", 999, 500), numbered("a", 1000, 2))
	holds(a)
	again := numbered("a", 1001, 1) // the camera was opened again
	sent(live, again)
	sent(backfill, numbered("a", 1000, 11))
	holds(again)

	do(t, r, "del", "latest:a") // as when it has expired
	sent(backfill, numbered("a", 1000, 12))
	if n := r.Client().Exists(t.Context(), "latest:a").Val(); n != 0 {
		t.Error("an old frame came back when the newest had expired")
	}
	sent(live, again)
	holds(again)
}
