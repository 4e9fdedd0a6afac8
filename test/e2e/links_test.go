package e2e_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// linked is a site behind a link to its hub.
type linked struct {
	name string
	node *harness.Node
	link *harness.Proxy
	js   jetstream.JetStream
}

// startHub starts a hub and returns it with where leaf nodes reach it.
func startHub(t *testing.T) (hub *harness.Node, door string) {
	t.Helper()
	door = fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	return harness.StartNode(t, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}", More: "hub: {mirror: true}\n"}), door
}

// leafOf makes credentials at a hub for a site, and returns what the site's nats has to say, beginning with a comma.
func leafOf(t *testing.T, hub *harness.Node, address, site string) string {
	t.Helper()
	credentials := filepath.Join(t.TempDir(), site+".creds")
	exits(t, 0, hub, "site", "add", site, "--config", hub.Config, "--output", credentials)
	return fmt.Sprintf(", leaf: {remotes: [{url: 'nats-leaf://%s', credentials: '%s'}]}", address, credentials)
}

// join starts a site that the hub has given credentials to.
func join(t *testing.T, hub *harness.Node, door, name, cameras string) linked {
	t.Helper()
	s := linked{name: name, link: harness.StartProxy(t, door)}
	s.node = harness.StartNode(t, harness.NodeOptions{Program: program, Site: name, Cameras: cameras, NATS: leafOf(t, hub, s.link.Addr(), name)})
	s.js = s.node.JetStream()
	return s
}

func (s linked) mirror() string { return schema.MirrorStream(schema.StreamFrames, s.name) }

// fault is something that befalls a link at a time after the start of the test.
type fault struct {
	at   time.Duration
	site int
	what string
	do   func(*harness.Proxy)
}

// faults draws what befalls each link, one fault after the other, until the given time; by then every link is whole.
func faults(rng *rand.Rand, sites int, until, longest time.Duration) (all []fault) {
	lost := func(p *harness.Proxy) { p.Cut(); p.Restore(); p.Hang() } // what was under way is lost, and nothing answers
	kinds := []struct {
		what string
		do   func(*harness.Proxy)
	}{
		{"cut", (*harness.Proxy).Cut},
		{"black hole", (*harness.Proxy).Hang},
		{"reset into a black hole", lost},
		{"1 Mb/s, 300 ms there and back", func(p *harness.Proxy) { p.Shape(125_000, 150*time.Millisecond) }},
	}
	upTo := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
	for site := range sites {
		for at := upTo(longest); at < until; {
			kind := kinds[rng.IntN(len(kinds))]
			end := min(at+50*time.Millisecond+upTo(longest), until)
			all = append(all, fault{at, site, kind.what, kind.do}, fault{end, site, "whole", (*harness.Proxy).Restore})
			at = end + 50*time.Millisecond + upTo(longest/2)
		}
	}
	slices.SortStableFunc(all, func(a, b fault) int { return cmp.Compare(a.at, b.at) })
	return all
}

// seed is a new one, or that of EDGE_VIDEO_SEED, so that a test can be repeated.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv("EDGE_VIDEO_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("EDGE_VIDEO_SEED: %v", err)
		}
	}
	t.Logf("EDGE_VIDEO_SEED=%d", n)
	return n
}

// TestLinks_MirrorsEqualTheirSitesAfterCutsAtRandom has three sites of four cameras whose links are cut, hang and crawl at random. No site
// loses a frame, and each mirror ends up as its site's stream.
func TestLinks_MirrorsEqualTheirSitesAfterCutsAtRandom(t *testing.T) {
	t.Parallel()
	lasting, longest := 25*time.Second, 5*time.Second
	if soak {
		lasting, longest = 5*time.Minute, 30*time.Second
	}
	hub, door := startHub(t)
	far := hub.JetStream()
	var sites []linked
	for _, name := range []string{"lisbon", "porto", "faro"} {
		sites = append(sites, join(t, hub, door, name, lines(madeUp("cam-1"), madeUp("cam-2"), madeUp("cam-3"), madeUp("cam-4"))))
	}
	for _, s := range sites {
		harness.WaitFor(t, time.Minute, "four cameras at "+s.name+" and their frames at the hub", func() bool {
			return s.node.Metric("edge_video_camera_up") == 4 && lastOf(t, far, s.mirror()) > 0
		})
	}
	random := rand.New(rand.NewPCG(seed(t), 0))
	left := faults(random, len(sites), lasting, longest)
	met := map[string]int{}
	began := time.Now()
	harness.WaitFor(t, lasting+time.Minute, "the end of the faults", func() bool {
		for len(left) > 0 && time.Since(began) >= left[0].at {
			left[0].do(sites[left[0].site].link)
			met[left[0].what]++
			left = left[1:]
		}
		return len(left) == 0
	})
	t.Logf("faults: %v", met)
	for _, s := range sites {
		last := lastOf(t, s.js, schema.StreamFrames)
		harness.WaitFor(t, 3*time.Minute, "the mirror of "+s.name+" to have what its site had at the end of the faults", func() bool {
			return lastOf(t, far, s.mirror()) >= last
		})
		want, got := digest(t, s.js, schema.StreamFrames, last), digest(t, far, s.mirror(), last)
		if at := firstDifference(want, got); at >= 0 {
			t.Errorf("%s: the mirror has %s, the site %s", s.name, got[at], want[at])
		}
		for _, camera := range []string{"cam-1", "cam-2", "cam-3", "cam-4"} {
			checkNoGap(t, ofCamera(framesOf(t, s.js, schema.StreamFrames), camera))
		}
		t.Logf("%s: %d frames, equal by sequence, identity and content", s.name, last)
	}
}

// firstDifference is where two lists of one length differ first, -1 where they do not.
func firstDifference(a, b []string) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// TestLinks_CatchUpLeavesRoomForTheRest has a hub catch up with a backlog over a line of 20 Mb/s, which it fills. What is captured meanwhile
// comes behind the backlog, since a mirror has the order of its stream: so what is behind shrinks all the time, though the site goes on.
// Beside it states of cameras come, and the site answers.
func TestLinks_CatchUpLeavesRoomForTheRest(t *testing.T) {
	t.Parallel()
	const rate = 20_000_000 / 8
	backlog := 50_000_000
	if soak {
		backlog = 500_000_000
	}
	hub, door := startHub(t)
	site := join(t, hub, door, "lisbon", lines(madeUp("cam-1"), madeUp("cam-2")))
	far := hub.JetStream()
	harness.WaitFor(t, time.Minute, "frames at the hub", func() bool { return lastOf(t, far, site.mirror()) > 10 })

	site.link.Cut()
	body := make([]byte, 64<<10)
	for i := range backlog / len(body) {
		body[0], body[1] = byte(i), byte(i>>8)
		if _, err := site.js.PublishAsync(schema.FrameSubject("lisbon", "backlog"), body); err != nil {
			t.Fatal(err)
		}
		if i%64 == 63 {
			<-site.js.PublishAsyncComplete()
		}
	}
	<-site.js.PublishAsyncComplete()
	full := lastOf(t, site.js, schema.StreamFrames)
	dropped := site.node.Metric("edge_video_frames_dropped_total")
	began := time.Now()
	site.link.Restore()
	site.link.Shape(rate, 10*time.Millisecond)

	states, err := site.js.KeyValue(t.Context(), schema.BucketCameras)
	if err != nil {
		t.Fatal(err)
	}
	atHub, err := far.KeyValue(t.Context(), schema.BucketCameras)
	if err != nil {
		t.Fatal(err)
	}
	over, err := jetstream.NewWithDomain(far.Conn(), "lisbon")
	if err != nil {
		t.Fatal(err)
	}
	resumed := lastOf(t, far, site.mirror())
	harness.WaitFor(t, time.Minute, "the hub to go on", func() bool { return lastOf(t, far, site.mirror()) > resumed+20 })
	going := time.Now()

	var answers, arrivals []time.Duration
	behind, compared := full, going
	for n := 0; lastOf(t, far, site.mirror()) < full; n++ {
		asked := time.Now()
		if _, err := over.Stream(t.Context(), schema.StreamFrames); err != nil {
			t.Fatalf("asking the site while its link is full: %v", err)
		}
		answers = append(answers, time.Since(asked))
		asked = time.Now()
		if _, err := states.PutString(t.Context(), "lisbon.probe", strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
		harness.WaitFor(t, 20*time.Second, "a state to reach the hub beside the backlog", func() bool {
			e, err := atHub.Get(t.Context(), "lisbon.probe")
			return err == nil && string(e.Value()) == strconv.Itoa(n)
		})
		arrivals = append(arrivals, time.Since(asked))
		lacks := lastOf(t, site.js, schema.StreamFrames) - lastOf(t, far, site.mirror())
		if time.Since(compared) > 5*time.Second { // a mirror stands still for a moment, and what is captured goes on
			if lacks >= behind {
				t.Errorf("the hub lacks %d frames, %d before", lacks, behind)
			}
			behind, compared = lacks, time.Now()
		}
		if time.Since(began) > time.Duration(3*backlog/rate)*time.Second+time.Minute {
			t.Fatalf("the hub still lacks %d frames after %v", lacks, time.Since(began))
		}
	}
	took := time.Since(going)
	live := lastOf(t, site.js, schema.StreamFrames)
	harness.WaitFor(t, 30*time.Second, "the live frames behind the backlog", func() bool { return lastOf(t, far, site.mirror()) >= live })
	slices.Sort(answers)
	slices.Sort(arrivals)
	t.Logf("%d MB at %.1f Mb/s; %d frames captured meanwhile; requests took %v, at most %v; states %v, at most %v", backlog/1_000_000, 8*float64(backlog)/1e6/took.Seconds(),
		live-full, answers[len(answers)/2], answers[len(answers)-1], arrivals[len(arrivals)/2], arrivals[len(arrivals)-1])
	// In front of them is what the mirror has under way, 128 frames of 64 KiB: three and a half seconds of this line.
	if most := 5 * time.Second; answers[len(answers)-1] > most || arrivals[len(arrivals)/2] > most {
		t.Errorf("a request, or half of the states, took longer than %v", most)
	}
	if least := time.Duration(0.7 * float64(backlog) / rate * float64(time.Second)); took < least {
		t.Errorf("the line was not full: it took %v, want at least %v", took, least)
	}
	if now := site.node.Metric("edge_video_frames_dropped_total"); now != dropped || live == full {
		t.Errorf("the site captured %d frames meanwhile and dropped %v", live-full, now-dropped)
	}
	if at := firstDifference(digest(t, site.js, schema.StreamFrames, full), digest(t, far, site.mirror(), full)); at >= 0 {
		t.Errorf("frame %d of the mirror is not that of the site", at+1)
	}
}
