package hub_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestTime_WhatIsOnItsWayFollowsTheRateOfTheLink has a hub catch up over a fast line, and then over a slow one, which must not be full for more
// than a moment with what was right for the other.
func TestTime_WhatIsOnItsWayFollowsTheRateOfTheLink(t *testing.T) {
	const size, least = 64 << 10, 4 << 20 / (64<<10 + 200)
	h, _, address := startHub(t, nil)
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	link := harness.StartProxy(t, address)
	link.Cut()
	site := startSite(t, "lisbon", link.Addr(), credentials, nil)
	window := func() int {
		c, err := site.js.PushConsumer(t.Context(), schema.StreamFrames, schema.HubConsumer("hub"))
		if err != nil {
			return 0 // not yet
		}
		return c.CachedInfo().Config.MaxAckPending
	}
	site.publish(1600, size)
	link.Restore()
	link.Shape(16<<20, time.Millisecond)
	harness.WaitFor(t, 30*time.Second, "more on its way over a fast line", func() bool { return window() > 3*least/2 })
	link.Shape(2<<20, time.Millisecond)
	harness.WaitFor(t, 30*time.Second, "less over a slow one", func() bool { w := window(); return 0 < w && w <= least })
	if got := h.state(schema.MirrorStream(schema.StreamFrames, "lisbon")); got.LastSeq == 1600 {
		t.Error("the backlog was over before")
	}
	link.Shape(1<<30, 0)
	mirrored(t, h, site)
}

// TestPace_AMirrorThatHasNothingYetMayStillHaveMuchToCatchUpWith holds that a mirror which does not know yet that it lacks frames, since none
// has come, gets its rate like any other, and that one which has nothing to catch up with is left alone after a while.
func TestPace_AMirrorThatHasNothingYetMayStillHaveMuchToCatchUpWith(t *testing.T) {
	t.Parallel()
	const size, window = 64 << 10, 64
	began := time.Now()
	at := func(d time.Duration) time.Time { return began.Add(d) }
	mirror := func(last, lag uint64) *jetstream.StreamInfo {
		return &jetstream.StreamInfo{State: jetstream.StreamState{LastSeq: last}, Mirror: &jetstream.StreamSourceInfo{Lag: lag}}
	}
	var p hub.Pace
	p.Begin(mirror(0, 0), began)
	if p.Take(mirror(0, 0), size, window, at(100*time.Millisecond)) || !p.Eager() {
		t.Fatal("a mirror that nothing has come to yet is not looked at any more")
	}
	if !p.Take(mirror(100, 900), size, window, at(200*time.Millisecond)) || p.Bytes() != 1000*size {
		t.Errorf("100 frames in 100 ms make %d bytes on their way, not those of a second", p.Bytes())
	}
	if p.Take(mirror(1000, 0), size, window, at(time.Second)) || p.Eager() {
		t.Error("a mirror that has all is still looked at")
	}
	p = hub.Pace{}
	p.Begin(mirror(7, 0), began)
	if p.Take(mirror(7, 0), size, window, at(6*time.Second)) || p.Eager() {
		t.Error("a mirror with nothing to catch up with is still looked at")
	}
}
