package link_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/node/link"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func TestMain(m *testing.M) { harness.VerifyNoLeaks(m) }

// party is a server of the test.
type party struct {
	*node.Server
	t      *testing.T
	config node.ServerConfig
	js     jetstream.JetStream
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// run runs something until the test ends.
func run(t *testing.T, what string, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running %s: %v", what, err)
		}
	})
}

func start(t *testing.T, site, name string, change func(*node.ServerConfig)) *party {
	t.Helper()
	c := node.ServerConfig{Site: site, Node: name, DataDir: filepath.Join(t.TempDir(), site), MaxFrame: 1 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 128 << 20, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}}}
	change(&c)
	s, err := node.NewServer(c, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	run(t, site, s.Run)
	select {
	case <-s.Ready():
	case <-time.After(30 * time.Second):
		t.Fatalf("the server of %s does not get ready", site)
	}
	nc, err := s.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &party{Server: s, t: t, config: c, js: js}
}

// startHub runs a hub that mirrors, and returns where it listens.
func startHub(t *testing.T, site string, change func(*node.ServerConfig)) (*party, *hub.Hub, string) {
	t.Helper()
	p := start(t, site, "n1", func(c *node.ServerConfig) {
		c.Hub, c.Leaf.Listen = true, fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
		if change != nil {
			change(c)
		}
	})
	h := hub.New(hub.Config{Site: site, Node: "n1", MaxAge: time.Hour, MaxBytes: 256 << 20, Replicas: 1}, p.Connect, p.Sites, logger(t), prometheus.NewRegistry())
	run(t, "the hub", h.Run)
	return p, h, p.config.Leaf.Listen
}

// startSite runs a site that has credentials of a hub.
func startSite(t *testing.T, site, name, address string, credentials []byte, change func(*node.ServerConfig)) *party {
	t.Helper()
	return start(t, site, name, func(c *node.ServerConfig) {
		file := filepath.Join(t.TempDir(), "hub.creds")
		if err := os.WriteFile(file, credentials, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Leaf.Remotes = []node.LeafRemote{{URL: "nats-leaf://" + address, Credentials: file}}
		if change != nil {
			change(c)
		}
	})
}

func credentials(t *testing.T, hub *party, site string) []byte {
	t.Helper()
	text, err := node.AddSite(hub.config.DataDir, site, false)
	if err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 10*time.Second, "the hub to take up the credentials", func() bool { return slices.Contains(hub.Sites(), site) })
	return text
}

// watch watches the links of a site.
func (p *party) watch(server link.Server, hold time.Duration) *link.Watcher {
	p.t.Helper()
	w := link.New(link.Config{Site: p.config.Site, Node: p.config.Node, MaxPayload: int64(node.MaxPayload(p.config.MaxFrame)), Stuck: 500 * time.Millisecond, Hold: hold},
		server, p.Connect, logger(p.t), prometheus.NewRegistry())
	run(p.t, "the watcher", w.Run)
	return w
}

func (p *party) publish(n, size int) {
	p.t.Helper()
	for range n {
		if _, err := p.js.Publish(p.t.Context(), schema.FrameSubject(p.config.Site, "cam"), make([]byte, size)); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *party) last(stream string) uint64 {
	p.t.Helper()
	s, err := p.js.Stream(p.t.Context(), stream)
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.LastSeq
}

// event waits for an event about a link.
func (p *party) event(name string, kind schema.EventKind, fits func(schema.Event) bool) {
	p.t.Helper()
	harness.WaitFor(p.t, 15*time.Second, fmt.Sprintf("the event %s of link %s", kind, name), func() bool {
		s, err := p.js.Stream(p.t.Context(), schema.StreamEvents)
		if err != nil {
			p.t.Fatal(err)
		}
		m, err := s.GetLastMsgForSubject(p.t.Context(), schema.EventSubject(p.config.Site, schema.ClassLink, name, kind))
		var e schema.Event
		return err == nil && json.Unmarshal(m.Data, &e) == nil && fits(e)
	})
}

func says(t *testing.T, w *link.Watcher, what string, texts ...string) {
	t.Helper()
	harness.WaitFor(t, 30*time.Second, what, func() bool {
		s := w.Links()[0]
		for _, text := range texts {
			if !strings.Contains(s.Error+s.Warning, text) {
				return false
			}
		}
		return true
	})
}

func TestLink_CutAndBlackHoleAreSeenAndTheHubResumes(t *testing.T) {
	t.Parallel()
	h, _, address := startHub(t, "hub", nil)
	line := harness.StartProxy(t, address)
	site := startSite(t, "lisbon", "l1", line.Addr(), credentials(t, h, "lisbon"), func(c *node.ServerConfig) { c.Ping = 500 * time.Millisecond })
	w := site.watch(site, 0)
	name := link.Name(line.Addr())
	up := func(reconnects int) {
		t.Helper()
		harness.WaitFor(t, 30*time.Second, "the link", func() bool {
			s := w.Links()[0]
			return s.Up && s.Reconnects == reconnects && s.Mirrored && s.Lag == 0 && s.Error == ""
		})
	}
	site.publish(20, 1000)
	up(0)
	site.event(name, schema.KindState, func(e schema.Event) bool { return e.State == "up" })
	for i, fault := range []func(){line.Cut, line.Hang} {
		fault()
		began := time.Now()
		site.publish(20, 1000)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("20 frames took %v without a hub", took)
		}
		harness.WaitFor(t, 30*time.Second, "the loss to be seen", func() bool {
			s := w.Links()[0]
			return !s.Up && s.Lag == 20 && s.Behind > 0
		})
		site.event(name, schema.KindState, func(e schema.Event) bool { return e.State == "down" })
		line.Restore()
		up(i + 1)
		harness.WaitFor(t, 30*time.Second, "the mirror", func() bool { return h.last("FRAMES_lisbon") == uint64(40+20*i) })
	}
	mirror, err := h.js.Stream(t.Context(), "FRAMES_lisbon")
	if err != nil {
		t.Fatal(err)
	}
	if st := mirror.CachedInfo().State; st.Msgs != 60 || st.NumDeleted != 0 {
		t.Errorf("the mirror has %+v, want 60 frames", st)
	}
}

// forgetful is a server that has forgotten one of its links: it is down, and nothing is done about it.
type forgetful struct {
	*node.Server
	deaf     bool // renewing does not help
	renewed  atomic.Int64
	restarts atomic.Int64
}

func (f *forgetful) Links() []node.Link {
	all := f.Server.Links()
	all[0].Held = false
	return all
}

func (f *forgetful) RenewLink(i int) error {
	f.renewed.Add(1)
	if f.deaf {
		return nil
	}
	return f.Server.RenewLink(i)
}

func (f *forgetful) Restart(string) { f.restarts.Add(1) }

func TestLink_DownThoughTheHubAnswersIsRenewed(t *testing.T) {
	t.Parallel()
	h, _, address := startHub(t, "hub", nil)
	site := startSite(t, "lisbon", "l1", address, credentials(t, h, "lisbon"), nil)
	server := &forgetful{Server: site.Server}
	if err := site.HoldLink(0, true); err != nil {
		t.Fatal(err)
	}
	w := site.watch(server, 0)
	harness.WaitFor(t, 30*time.Second, "the link", func() bool { return w.Links()[0].Up })
	if server.renewed.Load() != 1 || server.restarts.Load() != 0 {
		t.Errorf("%d renewals and %d restarts, want one renewal", server.renewed.Load(), server.restarts.Load())
	}
}

func TestLink_ThatCannotBeRenewedHasTheServerRestartedAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	h, _, address := startHub(t, "hub", nil)
	site := startSite(t, "lisbon", "l1", address, credentials(t, h, "lisbon"), nil)
	server := &forgetful{Server: site.Server, deaf: true}
	if err := site.HoldLink(0, true); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	site.watch(server, 0)
	harness.WaitFor(t, time.Minute, "the restart", func() bool { return server.restarts.Load() == 1 })
	if took := time.Since(began); server.renewed.Load() != 3 || took < 7*time.Second {
		t.Errorf("restarted after %v and %d renewals, want three with pauses of 1, 2 and 4 s", took, server.renewed.Load())
	}
}

func TestLink_RefusalNamesBothSidesAndEndsWithItsCause(t *testing.T) {
	t.Parallel()
	h, _, address := startHub(t, "hub", func(c *node.ServerConfig) { c.MaxFrame = 64 << 10 })
	good := credentials(t, h, "lisbon")
	t.Run("credentials", func(t *testing.T) {
		t.Parallel()
		foreign, err := node.AddSite(t.TempDir(), "porto", false)
		if err != nil {
			t.Fatal(err)
		}
		site := startSite(t, "porto", "p1", address, foreign, nil)
		w := site.watch(site, time.Second)
		says(t, w, "the refusal", "hub at "+address, "credentials of site porto", "edge-video site add porto --replace")
		site.publish(4, 1000)
	})
	t.Run("domain", func(t *testing.T) {
		t.Parallel()
		site := startSite(t, "hub", "x1", address, good, nil)
		w := site.watch(site, time.Second)
		says(t, w, "the refusal", "hub hub-n1 at "+address, "JetStream domain hub", "this site hub")
		if w.Links()[0].Up && site.Links()[0].Up {
			t.Error("the link is up")
		}
		site.publish(4, 1000)
	})
	t.Run("max_payload", func(t *testing.T) {
		t.Parallel()
		site := startSite(t, "lisbon", "l1", address, good, nil)
		w := site.watch(site, time.Second)
		numbers := []string{fmt.Sprint(node.MaxPayload(64 << 10)), fmt.Sprint(node.MaxPayload(1 << 20))}
		says(t, w, "the warning", append(numbers, "hub hub-n1 at "+address, "raise max_payload")...)
		site.publish(4, 1000)
		harness.WaitFor(t, 30*time.Second, "the mirror", func() bool { return h.last("FRAMES_lisbon") == 4 })
		site.publish(1, 500<<10)
		harness.WaitFor(t, 30*time.Second, "the link to be kept down", func() bool {
			s := w.Links()[0]
			return !s.Up && strings.Contains(s.Error, numbers[0])
		})
		site.publish(4, 1000)
		if n := site.last(schema.StreamFrames); n != 9 {
			t.Errorf("the site holds %d frames, want 9", n)
		}
	})
}

// slow is a server whose link has been too slow to sign in.
type slow struct {
	*node.Server
	looks, holds atomic.Int64
}

func (s *slow) Links() []node.Link {
	s.looks.Add(1)
	all := s.Server.Links()
	all[0].Up, all[0].Error, all[0].At = false, "Leafnode Error 'Authentication Timeout'", time.Now()
	return all
}

func (s *slow) HoldLink(int, bool) error {
	s.holds.Add(1)
	return nil
}

func TestLink_TooSlowToSignInIsNotTakenForOneWithWrongCredentials(t *testing.T) {
	t.Parallel()
	key, err := node.AddSite(t.TempDir(), "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	site := startSite(t, "lisbon", "l1", fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t)), key, nil)
	server := &slow{Server: site.Server}
	w := site.watch(server, 0)
	harness.WaitFor(t, 30*time.Second, "a few looks", func() bool { return server.looks.Load() > 3 })
	if s := w.Links()[0]; server.holds.Load() > 0 || !strings.Contains(s.Error, "Timeout") {
		t.Errorf("the link is kept down: %q", s.Error)
	}
}

func TestLink_OfTwoSitesWithOneNameTheFirstGoesOnAndTheOtherIsTold(t *testing.T) {
	t.Parallel()
	h, view, address := startHub(t, "hub", nil)
	key := credentials(t, h, "lisbon")
	first := startSite(t, "lisbon", "l1", address, key, nil)
	w1 := first.watch(first, 0)
	first.publish(10, 1000)
	harness.WaitFor(t, 30*time.Second, "the mirror", func() bool { return h.last("FRAMES_lisbon") == 10 })
	second := startSite(t, "lisbon", "l2", address, key, nil)
	w2 := second.watch(second, 0)
	second.publish(15, 1000)
	says(t, w2, "the other to be told", "two sites with the name lisbon", "hub hub at "+address, "lisbon-l1", "lisbon-l2")
	harness.WaitFor(t, 30*time.Second, "the hub to have told", func() bool { return !w2.Links()[0].Up && w1.Links()[0].Up })
	first.publish(10, 1000)
	harness.WaitFor(t, 60*time.Second, "the mirror to go on", func() bool { return h.last("FRAMES_lisbon") == 20 })
	harness.WaitFor(t, 30*time.Second, "the hub to find one site", func() bool { return view.Sites()[0].Warning == "" })
	h.event("lisbon", schema.KindControl, func(e schema.Event) bool { return strings.Contains(e.Message, "that of lisbon-l1 is mirrored") })
}

func TestLink_OfTwoNodesWithOneNameBothAreTold(t *testing.T) {
	t.Parallel()
	h, _, address := startHub(t, "hub", nil)
	key := credentials(t, h, "lisbon")
	first := startSite(t, "lisbon", "l1", address, key, nil)
	w1 := first.watch(first, 0)
	harness.WaitFor(t, 30*time.Second, "the link", func() bool { return w1.Links()[0].Up })
	second := startSite(t, "lisbon", "l1", address, key, nil)
	second.watch(second, 0)
	says(t, w1, "the first to be told", "another node l1 of a site lisbon", address)
}

func TestLink_PlainServerIsToldAsWhatItIs(t *testing.T) {
	t.Parallel()
	opts := &server.Options{ServerName: "depot", JetStream: true, JetStreamDomain: "depot", StoreDir: t.TempDir(), NoSigs: true, NoLog: true, DontListen: true}
	opts.LeafNode.Host, opts.LeafNode.Port = "127.0.0.1", harness.FreePort(t)
	hub, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	hub.Start()
	defer hub.WaitForShutdown()
	defer hub.Shutdown()
	address := fmt.Sprintf("127.0.0.1:%d", opts.LeafNode.Port)
	site := start(t, "lisbon", "l1", func(c *node.ServerConfig) { c.Leaf.Remotes = []node.LeafRemote{{URL: "nats-leaf://" + address}} })
	w := site.watch(site, 0)
	site.event(link.Name(address), schema.KindControl, func(e schema.Event) bool {
		return strings.Contains(e.Message, "hub depot at "+address+" is nats-server "+server.VERSION)
	})
	if s := w.Links()[0]; !s.Up || s.Mirrored {
		t.Errorf("got %+v", s)
	}
}
