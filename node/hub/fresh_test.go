package hub_test

import (
	"testing"

	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/schema"
)

// TestHub_TakesAgainAllThatTheSiteHoldsWhereItsMirrorIsGone removes mirrors under a hub, and while it does not run, which is what one finds that
// was made anew.
func TestHub_TakesAgainAllThatTheSiteHoldsWhereItsMirrorIsGone(t *testing.T) {
	t.Parallel()
	var config hub.Config
	h, _, address := startHub(t, func(c *hub.Config) { config = *c })
	site, _ := lisbon(t, h, address, 4<<20)
	site.publish(60, 100<<10) // more than the site holds
	mirrored(t, h, site)
	remove := func(streams ...string) {
		t.Helper()
		for _, stream := range streams {
			if err := h.js.DeleteStream(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove("FRAMES_lisbon")
	mirrored(t, h, site)
	site.publish(4, 1000)
	mirrored(t, h, site)

	h.stop()
	remove("FRAMES_lisbon", "EVENTS_lisbon")
	h.runHub(config)
	mirrored(t, h, site)
	if got, want := h.content("FRAMES_lisbon"), site.state(schema.StreamFrames).Msgs; uint64(len(got)) != want {
		t.Errorf("got %d frames, want %d", len(got), want)
	}
	if all := h.gapEvents(); len(all) > 0 {
		t.Errorf("gaps were told: %+v", all)
	}
}
