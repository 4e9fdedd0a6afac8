package hub_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func TestMain(m *testing.M) { harness.VerifyNoLeaks(m) }

// party is a server of the test with a client inside.
type party struct {
	t      *testing.T
	config node.ServerConfig
	server *node.Server
	nc     *nats.Conn
	js     jetstream.JetStream
	reg    *prometheus.Registry // a hub's
	stop   func()               // stops it, but not its server
}

func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func serverConfig(t *testing.T, site string) node.ServerConfig {
	t.Helper()
	return node.ServerConfig{Site: site, Node: "n1", DataDir: filepath.Join(t.TempDir(), site), MaxFrame: 1 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 128 << 20, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}}}
}

// start runs a server until the test ends.
func start(t *testing.T, c node.ServerConfig) *party {
	t.Helper()
	s, err := node.NewServer(c, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running the server of %s: %v", c.Site, err)
		}
	})
	select {
	case <-s.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatalf("starting the server of %s: %v", c.Site, err)
	case <-t.Context().Done():
		t.Fatal("the test ended before the server was ready")
	}
	p := &party{t: t, config: c, server: s}
	if p.nc, err = s.Connect("test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.nc.Close)
	if p.js, err = jetstream.New(p.nc); err != nil {
		t.Fatal(err)
	}
	return p
}

// startHub runs a hub that listens for leaf nodes, and returns where.
func startHub(t *testing.T, change func(*hub.Config), before ...func(*hub.Hub)) (*party, *hub.Hub, string) {
	t.Helper()
	c := serverConfig(t, "hub")
	port := harness.FreePort(t)
	c.Hub, c.Leaf.Listen = true, fmt.Sprintf("127.0.0.1:%d", port)
	p := start(t, c)
	config := hub.Config{Site: c.Site, Node: c.Node, MaxAge: time.Hour, MaxBytes: 256 << 20, Replicas: 1}
	if change != nil {
		change(&config)
	}
	return p, p.runHub(config, before...), c.Leaf.Listen
}

// runHub runs a hub at a server until it is stopped or the test ends.
func (p *party) runHub(config hub.Config, before ...func(*hub.Hub)) *hub.Hub {
	p.reg = prometheus.NewRegistry()
	h := hub.New(config, p.server.Connect, p.server.Sites, logger(p.t), p.reg)
	for _, f := range before {
		f(h)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("running the hub: %v", err)
		}
	})
	p.t.Cleanup(p.stop)
	return h
}

// startSite runs a site that is a leaf node of a hub.
func startSite(t *testing.T, name, hub string, credentials []byte, change func(*node.ServerConfig)) *party {
	t.Helper()
	c := serverConfig(t, name)
	remote := node.LeafRemote{URL: "nats-leaf://" + hub}
	if credentials != nil {
		remote.Credentials = filepath.Join(t.TempDir(), name+".creds")
		if err := os.WriteFile(remote.Credentials, credentials, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.Leaf.Remotes = []node.LeafRemote{remote}
	if change != nil {
		change(&c)
	}
	return start(t, c)
}

// publish stores n frames of the given size at a site.
func (p *party) publish(n, size int) {
	p.t.Helper()
	body := make([]byte, size)
	for i := range n {
		if _, err := p.js.PublishAsync(schema.FrameSubject(p.config.Site, fmt.Sprintf("cam-%d", i%4)), body); err != nil {
			p.t.Fatal(err)
		}
		if i%256 == 255 {
			<-p.js.PublishAsyncComplete()
		}
	}
	<-p.js.PublishAsyncComplete()
}

// state is where a stream stands; it is empty where there is none.
func (p *party) state(stream string) jetstream.StreamState {
	p.t.Helper()
	s, err := p.js.Stream(p.t.Context(), stream)
	if err != nil {
		return jetstream.StreamState{}
	}
	return s.CachedInfo().State
}

// mirrored waits until a hub holds everything that the site does.
func mirrored(t *testing.T, hub, site *party) {
	t.Helper()
	harness.WaitFor(t, 30*time.Second, "the mirror of "+site.config.Site, func() bool {
		want, got := site.state(schema.StreamFrames), hub.state(schema.MirrorStream(schema.StreamFrames, site.config.Site))
		return want.Msgs > 0 && got.Msgs == want.Msgs && got.FirstSeq == want.FirstSeq && got.LastSeq == want.LastSeq
	})
}

func TestHub_MirrorsEachSiteThatHasCredentialsAndThoseSeeNoOther(t *testing.T) {
	h, view, address := startHub(t, nil)
	var sites []*party
	for _, name := range []string{"lisbon", "porto"} {
		credentials, err := node.AddSite(h.config.DataDir, name, false)
		if err != nil {
			t.Fatal(err)
		}
		sites = append(sites, startSite(t, name, address, credentials, nil))
	}
	seen := make(chan string, 16)
	for _, s := range sites {
		// 60 MiB: more than the flow control window, so that a mirror goes on only while it is answered
		s.publish(960, 64<<10)
		if _, err := s.js.Publish(t.Context(), "$KV."+schema.BucketCameras+"."+s.config.Site+".cam-1", []byte(`{"state":"up"}`)); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{"frames.>", "mirror.>", "$KV.>"} {
			if _, err := s.nc.Subscribe(subject, func(m *nats.Msg) {
				if !strings.Contains(m.Subject, "."+s.config.Site+".") {
					select {
					case seen <- s.config.Site + " saw " + m.Subject:
					default:
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.nc.Subscribe("camera.*.*.*", func(m *nats.Msg) { _ = m.Respond([]byte(s.config.Site)) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range sites {
		mirrored(t, h, s)
		kv, err := h.js.KeyValue(t.Context(), schema.BucketCameras)
		if err != nil {
			t.Fatal(err)
		}
		harness.WaitFor(t, 10*time.Second, "the camera's state at the hub", func() bool {
			_, err := kv.Get(t.Context(), s.config.Site+".cam-1")
			return err == nil
		})
	}
	harness.WaitFor(t, 10*time.Second, "both sites to be connected", func() bool {
		return slices.EqualFunc(view.Sites(), []string{"lisbon", "porto"}, func(s hub.Status, name string) bool {
			return s.Site == name && s.Connected && s.Lag == 0 && s.Error == ""
		})
	})

	for name, ask := range map[string]string{"the hub's streams": schema.DomainAPI("hub") + ".STREAM.NAMES", "the other's streams": schema.DomainAPI("porto") + ".STREAM.NAMES",
		"the other's frames": schema.DomainAPI("porto") + ".STREAM.MSG.GET.FRAMES", "the mirrors": schema.DomainAPI("hub") + ".DIRECT.GET.FRAMES_porto"} {
		if m, err := sites[0].nc.Request(ask, []byte(`{"seq":1}`), time.Second); err == nil {
			t.Errorf("%s can be read by a site: %s", name, m.Data)
		}
	}
	for _, subject := range []func(site, camera string) string{schema.KickSubject, schema.PauseSubject, schema.ResumeSubject} {
		for _, s := range sites {
			ask := subject(s.config.Site, "cam-1")
			if m, err := h.nc.Request(ask, nil, 5*time.Second); err != nil || string(m.Data) != s.config.Site {
				t.Errorf("%s at the hub: %v, %v", ask, m, err)
			}
		}
		// A site answers itself what it is asked, of whatever site.
		if m, err := sites[0].nc.Request(subject("porto", "cam-1"), nil, 5*time.Second); err != nil || string(m.Data) != "lisbon" {
			t.Errorf("a site has another's cameras in hand: %v, %v", m, err)
		}
		if m, err := h.nc.Request(subject("hub", "cam-1"), nil, time.Second); err == nil {
			t.Errorf("a site answers for the hub's cameras: %s", m.Data)
		}
	}
	forged := "mirror.porto.forged"
	if err := sites[0].nc.Publish(forged, []byte("x")); err != nil {
		t.Fatal(err)
	}
	sites[1].publish(4, 1000)
	mirrored(t, h, sites[1])
	for len(seen) > 0 {
		if s := <-seen; s != "lisbon saw "+forged {
			t.Error(s)
		}
	}
}

func TestHub_MirrorsASiteOfThisMachineWithoutCredentials(t *testing.T) {
	h, view, address := startHub(t, nil)
	site := startSite(t, "lisbon", address, nil, nil)
	announce(t, site)
	site.publish(40, 1000)
	mirrored(t, h, site)
	if got := view.Sites(); len(got) != 1 || got[0].Site != "lisbon" {
		t.Errorf("got %+v", got)
	}
}

// announce answers as a node does that is asked who it is.
func announce(t *testing.T, p *party) {
	t.Helper()
	s, err := micro.AddService(p.nc, micro.Config{Name: schema.NodeService, Version: "1.0.0",
		Metadata: map[string]string{"site": p.config.Site, "node": p.config.Node}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
}

func TestHub_RefusesALeafNodeWithoutCredentialsOnceSitesHaveSome(t *testing.T) {
	h, _, address := startHub(t, nil)
	if _, err := node.AddSite(h.config.DataDir, "porto", false); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 10*time.Second, "the hub to take up the credentials", func() bool { return len(h.server.Sites()) == 1 })
	site := startSite(t, "lisbon", address, nil, nil)
	site.publish(4, 1000)
	if _, err := h.nc.Request(schema.DomainAPI("lisbon")+".STREAM.NAMES", nil, time.Second); err == nil {
		t.Error("the site is reached")
	}
}

func TestHub_ResumesAfterACutAndTellsWhatAgedOut(t *testing.T) {
	h, view, address := startHub(t, nil)
	link := harness.StartProxy(t, address)
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	site := startSite(t, "lisbon", link.Addr(), credentials, func(c *node.ServerConfig) { c.Stream.MaxBytes = 4 << 20 })
	site.publish(20, 100<<10)
	mirrored(t, h, site)
	harness.WaitFor(t, 10*time.Second, "the link to be seen", func() bool { return view.Sites()[0].Connected })

	link.Cut()
	site.publish(20, 100<<10)
	harness.WaitFor(t, 20*time.Second, "the cut to be seen", func() bool {
		s := view.Sites()[0]
		return !s.Connected && s.Behind > 0
	})
	link.Restore()
	harness.WaitFor(t, 60*time.Second, "the mirror to have what was stored meanwhile", func() bool {
		return h.state("FRAMES_lisbon").LastSeq == 40
	})
	if got := h.state("FRAMES_lisbon"); got.Msgs != 40 || got.NumDeleted != 0 {
		t.Errorf("got %+v, want 40 frames", got)
	}

	link.Cut()
	site.publish(60, 100<<10) // more than the site holds
	first := site.state(schema.StreamFrames).FirstSeq
	link.Restore()
	harness.WaitFor(t, 60*time.Second, "the mirror to go on", func() bool { return h.state("FRAMES_lisbon").LastSeq == 100 })
	var e schema.Event
	harness.WaitFor(t, 10*time.Second, "the event of the gap", func() bool {
		events, err := h.js.Stream(t.Context(), schema.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		m, err := events.GetLastMsgForSubject(t.Context(), "events.hub.link.lisbon.gap")
		return err == nil && json.Unmarshal(m.Data, &e) == nil
	})
	if e.Reason != "aged_out" || e.FirstSeq != 41 || e.LastSeq != first-1 || e.Count != first-41 {
		t.Errorf("got %+v, want frames 41 to %d", e, first-1)
	}
}

func TestHub_SiteThatDoesNotFitTheDiskIsNamed(t *testing.T) {
	h, view, address := startHub(t, func(c *hub.Config) { c.MaxBytes = 1 << 50 })
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	looks, removals := make(chan string, 1024), make(chan string, 1024)
	for subject, c := range map[string]chan string{"STREAM.INFO.FRAMES": looks, "CONSUMER.DELETE.>": removals} {
		if _, err := h.nc.Subscribe(schema.DomainAPI("lisbon")+"."+subject, func(m *nats.Msg) { c <- m.Subject }); err != nil {
			t.Fatal(err)
		}
	}
	site := startSite(t, "lisbon", address, credentials, nil)
	harness.WaitFor(t, 20*time.Second, "the refusal", func() bool { return len(view.Sites()) == 1 && view.Sites()[0].Full })
	if s := view.Sites()[0]; !strings.Contains(s.Error, "no room for site lisbon") || !strings.Contains(s.Error, "hub.max_bytes") {
		t.Errorf("got %q", s.Error)
	}
	if _, err := h.js.Publish(t.Context(), schema.FrameSubject("hub", "cam"), []byte("x")); err != nil {
		t.Errorf("the hub's own stream: %v", err)
	}
	site.say("lisbon.dock-1", "up")
	h.waitSaid("lisbon.dock-1", "up")
	before := len(looks)
	harness.WaitFor(t, 20*time.Second, "more looks", func() bool { return len(looks) > before+4 })
	if len(removals) > 0 {
		t.Errorf("the hub removed a consumer that nothing was read by: %s", <-removals)
	}
}

// frame stores one frame of a site.
func (p *party) frame(camera string, epoch int64, seq uint64) {
	p.t.Helper()
	f := schema.Frame{Site: p.config.Site, Camera: camera, Node: "n1", Epoch: epoch, Seq: seq, Captured: time.Now(), ContentType: "image/jpeg", Width: 16, Height: 16,
		Data: []byte("picture")}
	if _, err := p.js.PublishMsg(p.t.Context(), &nats.Msg{Subject: schema.FrameSubject(f.Site, f.Camera), Header: f.Header(), Data: f.Data}); err != nil {
		p.t.Fatal(err)
	}
}

// ids are the identities of a stream's messages, oldest first.
func (p *party) ids(stream string) (all []string) {
	p.t.Helper()
	s, err := p.js.Stream(p.t.Context(), stream)
	if err != nil {
		return nil
	}
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		if m, err := s.GetMsg(p.t.Context(), seq); err == nil {
			all = append(all, m.Header.Get(schema.HeaderMsgID))
		}
	}
	return all
}

// TestHub_GoesOnBehindWhatItHoldsWhenASiteBeginsAnew empties a site's data_dir twice.
func TestHub_GoesOnBehindWhatItHoldsWhenASiteBeginsAnew(t *testing.T) {
	h, _, address := startHub(t, nil)
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for run, n := range []uint64{20, 5, 7} {
		ctx, cancel := context.WithCancel(t.Context())
		site, ended := startFor(ctx, t, "lisbon", address, credentials)
		for seq := uint64(1); seq <= n; seq++ {
			site.frame("cam", int64(run+1), seq)
			want = append(want, fmt.Sprintf("lisbon.cam.%d.%d", run+1, seq))
		}
		harness.WaitFor(t, 60*time.Second, fmt.Sprintf("the frames of the site's life %d", run+1), func() bool {
			return slices.Equal(h.ids("FRAMES_lisbon"), want)
		})
		site.nc.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	events, err := h.js.Stream(t.Context(), schema.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	m, err := events.GetLastMsgForSubject(t.Context(), "events.hub.link.lisbon.control")
	var e schema.Event
	if err != nil || json.Unmarshal(m.Data, &e) != nil || e.Reason != "reset" || !strings.Contains(e.Message, "data_dir") {
		t.Errorf("the event of it: %+v, %v", e, err)
	}
	if s := h.state("FRAMES_lisbon"); s.Msgs != 32 || s.LastSeq != 32 {
		t.Errorf("got %+v, want 32 frames in a row", s)
	}
}

// startFor runs a site with an empty data_dir until ctx ends.
func startFor(ctx context.Context, t *testing.T, name, hub string, credentials []byte) (*party, chan error) {
	t.Helper()
	c := serverConfig(t, name)
	file := filepath.Join(t.TempDir(), name+".creds")
	if err := os.WriteFile(file, credentials, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Leaf.Remotes = []node.LeafRemote{{URL: "nats-leaf://" + hub, Credentials: file}}
	s, err := node.NewServer(c, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	p := &party{t: t, config: c, server: s}
	if p.nc, err = s.Connect("test"); err != nil {
		t.Fatal(err)
	}
	if p.js, err = jetstream.New(p.nc); err != nil {
		t.Fatal(err)
	}
	return p, ended
}

// TestHub_SiteThatIsRemovedLeavesNoMetrics takes a site's link, credentials and mirrors away.
func TestHub_SiteThatIsRemovedLeavesNoMetrics(t *testing.T) {
	h, view, address := startHub(t, nil, func(h *hub.Hub) { h.SetPatience(100 * time.Millisecond) })
	credentials, err := node.AddSite(h.config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	series := func() (n int) {
		families, err := h.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			n += len(f.GetMetric())
		}
		return n
	}
	t.Run("site", func(t *testing.T) {
		startSite(t, "lisbon", address, credentials, nil)
		harness.WaitFor(t, 20*time.Second, "the mirror", func() bool { return len(view.Sites()) == 1 && view.Sites()[0].Connected && series() >= 5 })
	})
	if _, err := node.RemoveSite(h.config.DataDir, "lisbon"); err != nil {
		t.Fatal(err)
	}
	if series() == 0 {
		t.Error("a site that is mirrored was forgotten")
	}
	for _, stream := range []string{"FRAMES_lisbon", "EVENTS_lisbon"} {
		if err := h.js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	harness.WaitFor(t, 20*time.Second, "the site to be forgotten", func() bool { return series() == 0 && len(view.Sites()) == 0 })
}
