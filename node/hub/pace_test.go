package hub_test

import (
	"testing"
	"time"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestHub_WhatIsOnItsWayFollowsTheRateOfTheLink has a hub catch up over a fast line, and then over a slow one, which must not be full for more
// than a moment with what was right for the other.
func TestHub_WhatIsOnItsWayFollowsTheRateOfTheLink(t *testing.T) {
	t.Parallel()
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
