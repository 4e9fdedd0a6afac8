package hub_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// feed stores frames of a site, with identities, until ctx ends.
func (p *party) feed(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for seq := uint64(1); ; seq++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		f := schema.Frame{Site: p.config.Site, Camera: "cam", Node: "n1", Epoch: 1, Seq: seq, Captured: time.Now(), ContentType: "image/jpeg",
			Width: 16, Height: 16, Data: fmt.Appendf(nil, "picture %d", seq)}
		if _, err := p.js.PublishMsgAsync(&nats.Msg{Subject: schema.FrameSubject(f.Site, f.Camera), Header: f.Header(), Data: f.Data}); err != nil {
			return fmt.Errorf("feeding %s: %w", f.Site, err)
		}
	}
}

// content is what a stream holds, by sequence, identity and hash.
func (p *party) content(stream string) (all []string) {
	p.t.Helper()
	left := p.state(stream).Msgs
	c, err := p.js.OrderedConsumer(p.t.Context(), stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		p.t.Fatal(err)
	}
	messages, err := c.Messages()
	if err != nil {
		p.t.Fatal(err)
	}
	defer messages.Stop()
	for ; left > 0; left-- {
		m, err := messages.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		meta, err := m.Metadata()
		if err != nil {
			p.t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%d %s %x", meta.Sequence.Stream, m.Headers().Get(schema.HeaderMsgID), sha256.Sum256(m.Data())))
	}
	return all
}

// TestHub_MirrorsEqualTheirSitesWhereABacklogMeetsEachReturnOfALink cuts the links of three sites three times, while frames are stored without
// pause. When a link is back the site's consumer delivers at once, behind what was lost under way: the mirror must begin where it stopped,
// not where that delivery has come to meanwhile.
func TestHub_MirrorsEqualTheirSitesWhereABacklogMeetsEachReturnOfALink(t *testing.T) {
	t.Parallel()
	const count, cuts, backlog = 3, 3, 100
	h, _, address := startHub(t, nil)
	credentials := map[string][]byte{}
	for i := range count {
		name := fmt.Sprintf("site-%d", i+1)
		var err error
		if credentials[name], err = node.AddSite(h.config.DataDir, name, false); err != nil {
			t.Fatal(err)
		}
	}
	harness.WaitFor(t, 10*time.Second, "the hub to take up the credentials", func() bool { return len(h.server.Sites()) == count })
	var sites []*party
	var links []*harness.Proxy
	for name, key := range credentials {
		link := harness.StartProxy(t, address)
		links, sites = append(links, link), append(sites, startSite(t, name, link.Addr(), key, nil))
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var feeding errgroup.Group
	for _, s := range sites {
		feeding.Go(func() error { return s.feed(ctx, 5*time.Millisecond) })
	}
	// each waits until something holds of every site.
	each := func(what string, holds func(i int) bool) {
		t.Helper()
		for i := range sites {
			harness.WaitFor(t, time.Minute, what+" "+sites[i].config.Site, func() bool { return holds(i) })
		}
	}
	last := make([]uint64, len(sites))
	resumed := func(i int) bool {
		return h.state(schema.MirrorStream(schema.StreamFrames, sites[i].config.Site)).LastSeq > last[i]
	}
	each("the mirror of", resumed)
	for range cuts {
		for i := range sites {
			links[i].Cut()
			last[i] = sites[i].state(schema.StreamFrames).LastSeq + backlog
		}
		each("a backlog at", func(i int) bool { return sites[i].state(schema.StreamFrames).LastSeq > last[i] })
		for _, l := range links {
			l.Restore()
		}
		each("the hub to go on with", resumed)
	}
	stop()
	if err := feeding.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, s := range sites {
		<-s.js.PublishAsyncComplete()
		last := s.state(schema.StreamFrames).LastSeq
		mirror := schema.MirrorStream(schema.StreamFrames, s.config.Site)
		harness.WaitFor(t, time.Minute, mirror+" to have all", func() bool { return h.state(mirror).LastSeq == last })
		if diff := cmp.Diff(s.content(schema.StreamFrames), h.content(mirror)); diff != "" {
			t.Errorf("%s is not the stream of its site:\n%s", mirror, diff)
		}
	}
}

func TestHub_LacksWhatItsSiteStillHasAndSaysSo(t *testing.T) {
	t.Parallel()
	h, _, address := startHub(t, nil)
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	site := startSite(t, "lisbon", address, credentials, nil)
	site.publish(20, 1000)
	mirrored(t, h, site)
	mirror, err := h.js.Stream(t.Context(), "FRAMES_lisbon")
	if err != nil {
		t.Fatal(err)
	}
	if err := mirror.DeleteMsg(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	events, err := h.js.Stream(t.Context(), schema.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	var e schema.Event
	harness.WaitFor(t, 20*time.Second, "the event of the gap", func() bool {
		m, err := events.GetLastMsgForSubject(t.Context(), schema.EventSubject("hub", schema.ClassLink, "lisbon", schema.KindGap))
		return err == nil && json.Unmarshal(m.Data, &e) == nil
	})
	if e.Reason != "lost" || e.FirstSeq != 10 || e.LastSeq != 10 {
		t.Errorf("got %+v, want frame 10 as lost", e)
	}
}
