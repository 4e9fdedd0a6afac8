package hub_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// gapEvents are the gaps that a hub has told of lisbon, oldest first.
func (p *party) gapEvents() (all []schema.Event) {
	p.t.Helper()
	events, err := p.js.Stream(p.t.Context(), schema.StreamEvents)
	if err != nil {
		p.t.Fatal(err)
	}
	for seq := uint64(1); ; {
		m, err := events.GetMsg(p.t.Context(), seq, jetstream.WithGetMsgSubject("events.hub.link.lisbon.gap"))
		if err != nil {
			return all
		}
		var e schema.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			p.t.Fatal(err)
		}
		all, seq = append(all, e), m.Sequence+1
	}
}

// told waits for the n-th event of a gap, which is to be of the sequences first to last and the newest.
func (p *party) told(n int, first, last uint64) {
	p.t.Helper()
	harness.WaitFor(p.t, 60*time.Second, "the event of the gap", func() bool { return len(p.gapEvents()) >= n })
	all := p.gapEvents()
	if e := all[len(all)-1]; len(all) != n || e.Reason != "aged_out" || e.FirstSeq != first || e.LastSeq != last || e.Count != last-first+1 {
		p.t.Errorf("got %+v, want %d events, the last of %d to %d", all, n, first, last)
	}
}

// forgetEvents removes all events, as their age does, while others come.
func (p *party) forgetEvents() {
	p.t.Helper()
	events, err := p.js.Stream(p.t.Context(), schema.StreamEvents)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := events.Purge(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.js.Publish(p.t.Context(), "events.hub.node.n1.other", []byte("{}")); err != nil {
		p.t.Fatal(err)
	}
}

// TestHub_ReadsTheLastOfItsGapEventsAlone starts a hub anew that has told of gaps, and then one whose events are gone.
func TestHub_ReadsTheLastOfItsGapEventsAlone(t *testing.T) {
	t.Parallel()
	var config hub.Config
	h, _, address := startHub(t, func(c *hub.Config) { config = *c })
	site, _ := lisbon(t, h, address, 4<<20)
	site.publish(40, 1000)
	mirrored(t, h, site)
	lose := func(seq uint64) {
		t.Helper()
		mirror, err := h.js.Stream(t.Context(), "FRAMES_lisbon")
		if err != nil {
			t.Fatal(err)
		}
		if err := mirror.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
		harness.WaitFor(t, 30*time.Second, "the event of the frame", func() bool {
			events, err := h.js.Stream(t.Context(), schema.StreamEvents)
			if err != nil {
				t.Fatal(err)
			}
			m, err := events.GetLastMsgForSubject(t.Context(), "events.hub.link.lisbon.gap")
			var e schema.Event
			return err == nil && json.Unmarshal(m.Data, &e) == nil && e.LastSeq == seq
		})
	}
	lose(10)
	lose(12)
	reads := make(chan string, 64)
	read, err := h.nc.Subscribe("$JS.API.DIRECT.GET.EVENTS", func(m *nats.Msg) { reads <- string(m.Data) })
	if err != nil {
		t.Fatal(err)
	}
	h.stop()
	h.runHub(config)
	lose(14)
	if err := read.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if len(reads) > 0 {
		t.Errorf("events were read one by one: %s", <-reads)
	}
	if all := h.gapEvents(); len(all) != 3 {
		t.Errorf("got %+v, want three events", all)
	}

	h.stop()
	h.forgetEvents()
	mirrored := h.state("FRAMES_lisbon").LastSeq
	view := h.runHub(config)
	// What comes before the hub has read how far its mirrors go counts as told.
	harness.WaitFor(t, 30*time.Second, "the hub to look", func() bool { return len(view.Sites()) == 1 && view.Sites()[0].Connected })
	site.publish(10, 1000)
	harness.WaitFor(t, 30*time.Second, "the mirror to go on", func() bool { return h.state("FRAMES_lisbon").LastSeq == mirrored+10 })
	lose(mirrored + 5)
	if all := h.gapEvents(); len(all) != 1 {
		t.Errorf("got %+v, want one event", all)
	}
}

// lisbon is a site that holds so many bytes, behind a link to cut.
func lisbon(t *testing.T, h *party, address string, bytes int64) (*party, *harness.Proxy) {
	t.Helper()
	link := harness.StartProxy(t, address)
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	return startSite(t, "lisbon", link.Addr(), credentials, func(c *node.ServerConfig) { c.Stream.MaxBytes = bytes }), link
}

// TestHub_TellsLongGapsWithoutAListOfThem has the site discard more than a mirror is asked to list, and then less. The hub is started anew in
// between, and must know what it has told, by the last of its events, or without one where events are gone.
func TestHub_TellsLongGapsWithoutAListOfThem(t *testing.T) {
	t.Parallel()
	var config hub.Config
	h, _, address := startHub(t, func(c *hub.Config) { config = *c })
	site, link := lisbon(t, h, address, 1<<20)
	site.publish(20, 100)
	mirrored(t, h, site)
	lists := make(chan string, 64)
	if _, err := h.nc.Subscribe("$JS.API.STREAM.INFO.FRAMES_lisbon", func(m *nats.Msg) {
		if strings.Contains(string(m.Data), `"deleted_details":true`) {
			lists <- string(m.Data)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for i, n := range []int{80_000, 20_000, 10_000} {
		if i > 0 {
			h.stop()
			if i == 2 {
				h.forgetEvents()
			}
			h.runHub(config)
		}
		link.Cut()
		last := h.state("FRAMES_lisbon").LastSeq
		site.publish(n, 100)
		first := site.state(schema.StreamFrames).FirstSeq
		link.Restore()
		h.told([]int{1, 2, 1}[i], last+1, first-1)
		harness.WaitFor(t, 30*time.Second, "the mirror to go on", func() bool {
			return h.state("FRAMES_lisbon").LastSeq == site.state(schema.StreamFrames).LastSeq
		})
	}

	// Where a single frame is missing cannot be found among so many, but that it is.
	mirror, err := h.js.Stream(t.Context(), "FRAMES_lisbon")
	if err != nil {
		t.Fatal(err)
	}
	if err := mirror.DeleteMsg(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 30*time.Second, "the event of the frame", func() bool { return len(h.gapEvents()) > 1 })
	if e := h.gapEvents()[1]; e.Count != 1 || e.FirstSeq > 10 || e.LastSeq < 10 {
		t.Errorf("got %+v, want one frame around 10", e)
	}
	if len(lists) > 0 {
		t.Errorf("a list of what is missing was asked for: %s", <-lists)
	}
}

// TestHub_TellsWhatIsGoneAfterAnOutageLongerThanItKeepsFrames lets a mirror become empty: by age alone, which is no gap, also of a backlog that
// has aged when it comes, and then while the site discards what the hub lacks.
func TestHub_TellsWhatIsGoneAfterAnOutageLongerThanItKeepsFrames(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"hub runs": false, "hub is started meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var config hub.Config
			h, view, address := startHub(t, func(c *hub.Config) {
				c.MaxAge = 2 * time.Second
				config = *c
			})
			site, link := lisbon(t, h, address, 4<<20)
			empty := func(last uint64) {
				t.Helper()
				harness.WaitFor(t, 60*time.Second, "the mirror to be empty", func() bool {
					s := h.state("FRAMES_lisbon")
					return s.LastSeq == last && s.Msgs == 0
				})
			}
			site.publish(20, 1000)
			empty(20)
			link.Cut()
			site.publish(20, 1000)
			harness.WaitFor(t, 30*time.Second, "the backlog to be old", func() bool {
				return time.Since(site.state(schema.StreamFrames).LastTime) > config.MaxAge
			})
			link.Restore()
			empty(40)

			link.Cut()
			if restart {
				h.stop()
				view = h.runHub(config)
			}
			harness.WaitFor(t, 30*time.Second, "the hub to see the cut", func() bool { return len(view.Sites()) == 1 && !view.Sites()[0].Connected })
			site.publish(60, 100<<10) // more than the site holds
			first := site.state(schema.StreamFrames).FirstSeq
			link.Restore()
			h.told(1, 41, first-1)
		})
	}
}
