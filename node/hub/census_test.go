package hub_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/node/link"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// watch watches the links of a site until the test ends.
func watch(t *testing.T, p *party) *link.Watcher {
	t.Helper()
	w := link.New(link.Config{Site: p.config.Site, Node: p.config.Node}, p.server, p.server.Connect, logger(t), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("watching the links: %v", err)
		}
	})
	return w
}

func TestHub_ClocksTenMinutesApartAreToldAtBothAndLagGoesByTheSites(t *testing.T) {
	t.Parallel()
	const ahead = 10 * time.Minute
	h, view, address := startHub(t, nil, func(h *hub.Hub) { h.SetClock(func() time.Time { return time.Now().Add(ahead) }) })
	line := harness.StartProxy(t, address)
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	site := startSite(t, "lisbon", line.Addr(), credentials, nil)
	w := watch(t, site)
	site.publish(20, 1000)
	mirrored(t, h, site)
	harness.WaitFor(t, 30*time.Second, "both to be told", func() bool {
		all := view.Sites()
		near, far := w.Links()[0].Warning, ""
		if len(all) == 1 {
			far = all[0].Warning
		}
		return strings.Contains(far, "clock of site lisbon is 10m0s off that of the hub hub") && strings.Contains(near, "clock of the hub hub") &&
			strings.Contains(near, "10m0s off that of this site lisbon") && strings.Contains(near, "NTP")
	})
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "edge_video_site_clock_skew_seconds" {
			continue
		}
		if skew := f.GetMetric()[0].GetGauge().GetValue(); skew < ahead.Seconds() || skew > ahead.Seconds()+20 {
			t.Errorf("the metric says that the clocks are %v s apart", skew)
		}
	}
	line.Cut()
	site.publish(20, 1000)
	harness.WaitFor(t, 30*time.Second, "the cut to be seen", func() bool { s := view.Sites()[0]; return !s.Connected && s.Behind > 0 })
	if s := view.Sites()[0]; s.Behind > time.Minute {
		t.Errorf("the hub is %v behind, which is the difference of the clocks", s.Behind)
	}
	line.Restore()
	mirrored(t, h, site)
	if st := h.state("FRAMES_lisbon"); st.Msgs != 40 || st.NumDeleted != 0 {
		t.Errorf("the mirror has %+v, want 40 frames", st)
	}
}

// TestHub_FramesCrossTheLinkByTheMirrorAlone has someone at the hub who wants all frames, of a site with credentials and of one without.
func TestHub_FramesCrossTheLinkByTheMirrorAlone(t *testing.T) {
	t.Parallel()
	for _, anonymous := range []bool{false, true} {
		h, _, address := startHub(t, nil)
		var credentials []byte
		if !anonymous {
			var err error
			if credentials, err = node.AddSite(h.config.DataDir, "lisbon", false); err != nil {
				t.Fatal(err)
			}
		}
		var seen atomic.Int64
		if _, err := h.nc.Subscribe("frames.>", func(*nats.Msg) { seen.Add(1) }); err != nil {
			t.Fatal(err)
		}
		site := startSite(t, "lisbon", address, credentials, nil)
		announce(t, site)
		site.publish(40, 1000)
		mirrored(t, h, site)
		site.publish(40, 1000)
		mirrored(t, h, site)
		if err := h.nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if n := seen.Load(); n != 0 {
			t.Errorf("%d frames came by themselves (anonymous: %v)", n, anonymous)
		}
	}
}

func TestHub_SiteThatIsStillNamedLocalIsNotMirrored(t *testing.T) {
	t.Parallel()
	h, view, address := startHub(t, nil)
	stranger := startSite(t, schema.LocalSite, address, nil, nil)
	announce(t, stranger)
	stranger.publish(4, 1000)
	site := startSite(t, "lisbon", address, nil, nil)
	announce(t, site)
	site.publish(4, 1000)
	mirrored(t, h, site)
	if got := view.Sites(); len(got) != 1 || h.state("FRAMES_local").Msgs != 0 {
		t.Errorf("got %+v", got)
	}
}
