package redis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// TestSink_LosesEveryConnectionWithOne kills, again and again, one of the connections that share the cameras: all frames are answered in
// their order, those that were confirmed before those that were not, and with one reason; and no frame of any camera arrives before an
// earlier one.
func TestSink_LosesEveryConnectionWithOne(t *testing.T) {
	const cameras, rounds, each = 5, 20, 300
	r := harness.StartRedis(t, harness.RedisOptions{})
	clients := func() map[string]bool {
		list, err := r.Client().ClientList(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		ids := map[string]bool{}
		for line := range strings.Lines(list) {
			ids[strings.TrimPrefix(strings.Fields(line)[0], "id=")] = true
		}
		return ids
	}
	before := clients()
	s := newSink(t, redis.Config{URL: r.URL(), Key: template(t, "frames:{camera}:{seq}"), TTL: time.Minute, Timeout: sinktest.Timeout,
		Metadata: redis.Metadata{Stream: template(t, "arrived:{camera}")}})
	defer s.Close()
	var all []*schema.Frame
	for i := range rounds * each {
		all = append(all, sinktest.Frame(fmt.Sprint("cam-", i%cameras), uint64(i+1), 4000))
	}
	confirmed, lost := 0, 0
	for round := range rounds {
		sinktest.Connect(t, s)
		var own []string
		for id := range clients() {
			if !before[id] {
				own = append(own, id)
			}
		}
		if len(own) != 2 {
			t.Fatalf("the sink has the connections %v, want two", own)
		}
		var answered sync.WaitGroup
		var mu sync.Mutex
		var order []int
		errs := make([]error, len(all))
		first, last := confirmed, min(confirmed+2*each, len(all))
		for i := first; i < last; i++ {
			answered.Add(1)
			s.Send(t.Context(), all[i], func(err error) {
				defer answered.Done()
				mu.Lock()
				defer mu.Unlock()
				order, errs[i] = append(order, i), err
			})
			if i == first+each {
				do(t, r, "client", "kill", "id", own[round%2])
			}
		}
		answered.Wait()
		var reason error
		for n, i := range order {
			switch err := errs[i]; {
			case i != first+n:
				t.Fatalf("frame %d was answered where %d was next", i, first+n)
			case err == nil && reason == nil:
				confirmed++
			case !errors.Is(err, bridge.ErrNotConnected) || reason != nil && err.Error() != reason.Error():
				t.Fatalf("frame %d was answered with %v, those before with %v", i, err, reason)
			default:
				reason = err
				lost++
			}
		}
	}
	if lost == 0 || confirmed < rounds*each/2 {
		t.Errorf("%d frames were confirmed and %d lost", confirmed, lost)
	}
	t.Logf("%d frames were confirmed, %d lost with a connection", confirmed, lost)
	var want [cameras][]string
	for i, f := range all {
		want[i%cameras] = append(want[i%cameras], f.ID())
	}
	had := map[string]bool{}
	for _, id := range arrived(t, r.Client()) {
		camera := slices.IndexFunc(want[:], func(ids []string) bool { return len(ids) > 0 && ids[0] == id })
		switch {
		case camera >= 0:
			want[camera] = want[camera][1:]
			had[id] = true
		case !had[id]:
			t.Fatalf("frame %s arrived before an earlier one", id)
		}
	}
	for i, f := range all[:confirmed] {
		if !had[f.ID()] {
			t.Fatalf("frame %d was confirmed and has not arrived", i)
		}
	}
}
