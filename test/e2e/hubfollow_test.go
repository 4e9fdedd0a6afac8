package e2e_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestHub_FollowsASiteThroughAnUplinkAndAnEmptiedDataDir switches a site's uplink on and off, and empties its data_dir. The hub loses nothing
// that it had, stores nothing twice, and its bridge goes on.
func TestHub_FollowsASiteThroughAnUplinkAndAnEmptiedDataDir(t *testing.T) {
	t.Parallel()
	cache := harness.StartRedis(t, harness.RedisOptions{})
	hub, door := bridgingHub(t, lines(cacheBridge(cache.URL())))
	site := harness.StartNode(t, under(door, "lisbon", ""))
	near, far := site.JetStream(), hub.JetStream()
	mirror := schema.MirrorStream(schema.StreamFrames, "lisbon")
	grows := func(what string, n uint64) {
		t.Helper()
		want := lastOf(t, far, mirror) + n
		harness.WaitFor(t, time.Minute, "frames of the site "+what, func() bool { return lastOf(t, far, mirror) >= want })
	}
	told := func(reason string, n int) {
		t.Helper()
		harness.WaitFor(t, time.Minute, "the event "+reason, func() bool {
			got := 0
			for _, e := range hubEvents(t, far, schema.EventSubject("hub", schema.ClassLink, "lisbon", schema.KindControl)) {
				if e.Reason == reason {
					got++
				}
			}
			return got == n
		})
	}
	grows("with all its frames", 20)
	site.Stop()
	site.Configure(under(door, "lisbon", "uplink: {cameras: [cam-1], fps: 2}\n"))
	site.Start()
	told("uplink", 1)
	grows("with an uplink", 5)
	site.Stop()
	site.Configure(under(door, "lisbon", ""))
	site.Start()
	harness.WaitFor(t, 20*time.Second, "the site to give UPLINK up", func() bool { return lastOf(t, near, schema.StreamUplink) == 0 })
	told("uplink", 2)
	grows("without the uplink", 20)

	atHub := framesOf(t, far, mirror)
	if n, ids := len(atHub), map[string]bool{}; true {
		for _, f := range atHub {
			ids[f.ID()] = true
		}
		if len(ids) != n {
			t.Errorf("%d of %d frames are at the hub twice", n-len(ids), n)
		}
	}
	// Behind the newest frame of the uplink, nothing is left out.
	epoch := atHub[len(atHub)-1].Epoch
	first := true
	for i, f := range atHub {
		if f.Epoch != epoch {
			continue
		}
		if first && f.Seq != 1 || !first && f.Seq != atHub[i-1].Seq+1 {
			t.Errorf("frame %s came behind %s", f.ID(), atHub[i-1].ID())
		}
		first = false
	}

	site.Stop()
	entries, err := filepath.Glob(filepath.Join(site.Dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range entries {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	before := lastOf(t, far, mirror)
	site.Start()
	grows("begun anew", 20)
	told("reset", 2) // of FRAMES and of EVENTS
	if s, err := far.Stream(t.Context(), mirror); err != nil || s.CachedInfo().State.FirstSeq != 1 || s.CachedInfo().State.Msgs < before+20 {
		t.Errorf("%+v, %v: the hub has lost what it held", s.CachedInfo().State, err)
	}
	passed(t, far, mirror, "cache")
	checkArrivals(t, "Redis", framesOf(t, far, mirror)[:before+20], inRedis(t, cache.Client()))
	harness.WaitFor(t, 20*time.Second, "the hub to find nothing wrong", func() bool {
		r := hub.Readyz()
		return r.Status == 200 && len(r.Degraded) == 0
	})
}
