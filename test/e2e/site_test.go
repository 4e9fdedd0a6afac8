package e2e_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// lastOf is the last sequence of a stream, 0 where there is none.
func lastOf(t *testing.T, js jetstream.JetStream, stream string) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.LastSeq
}

// digest is every message of a stream up to last: sequence, identity and body.
func digest(t *testing.T, js jetstream.JetStream, stream string, last uint64) []string {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for seq := uint64(1); seq <= last; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatalf("reading %s: %v", stream, err)
		}
		all = append(all, fmt.Sprintf("%d %s %s %x", m.Sequence, m.Subject, m.Header.Get(schema.HeaderMsgID), sha256.Sum256(m.Data)))
	}
	return all
}

// TestSite_IsMirroredThroughALostLinkAndALostHub admits a site to a hub by command, has the hub try, pause and resume its camera, cuts its
// link, and kills the hub.
func TestSite_IsMirroredThroughALostLinkAndALostHub(t *testing.T) {
	t.Parallel()
	door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	hub := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}", More: "hub: {mirror: true}\n"})
	link := harness.StartProxy(t, door)
	credentials := filepath.Join(t.TempDir(), "lisbon.creds")
	exits(t, 0, hub, "site", "add", "lisbon", "--config", hub.Config, "--output", credentials)
	if out := exits(t, 1, hub, "site", "add", "lisbon", "--config", hub.Config); !strings.Contains(out, "--replace") {
		t.Errorf("added twice: %s", out)
	}
	site := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "lisbon", Cameras: lines(madeUp("cam-1")),
		NATS: fmt.Sprintf(", leaf: {remotes: [{url: 'nats-leaf://%s', credentials: '%s'}]}", link.Addr(), credentials)})
	near, far := site.JetStream(), hub.JetStream()
	mirror := schema.MirrorStream(schema.StreamFrames, "lisbon")
	follows := func(what string) {
		t.Helper()
		want := lastOf(t, near, schema.StreamFrames) + 5
		harness.WaitFor(t, time.Minute, "the mirror to follow "+what, func() bool { return lastOf(t, far, mirror) >= want })
	}
	follows("the site")
	atHub := func(state schema.CameraState) {
		t.Helper()
		harness.WaitFor(t, 20*time.Second, "the camera to be "+string(state)+" at the hub", func() bool {
			kv, err := far.KeyValue(t.Context(), schema.BucketCameras)
			if err != nil {
				return false
			}
			e, err := kv.Get(t.Context(), "lisbon.cam-1")
			var st schema.CameraStatus
			return err == nil && json.Unmarshal(e.Value(), &st) == nil && st.State == state
		})
	}
	atHub(schema.CameraUp)
	const camera = "/api/v1/cameras/lisbon.cam-1"
	harness.WaitFor(t, 10*time.Second, "the camera in the hub's API", func() bool { return hub.Get(camera) == 200 })
	if status, answer := hub.Post(camera + "/kick"); status != 200 || !strings.Contains(answer, `"state":"up"`) {
		t.Errorf("a kick at the hub: %d %s", status, answer)
	}
	if status, answer := hub.Post(camera + "/pause"); status != 200 || !strings.Contains(answer, `"paused":true`) {
		t.Errorf("a pause at the hub: %d %s", status, answer)
	}
	atHub(schema.CameraDown)
	if out, err := order(t, hub, "resume", "lisbon.cam-1"); err != nil || !strings.Contains(out, "is read again") {
		t.Errorf("a resume at the hub: %v: %s", err, out)
	}
	atHub(schema.CameraUp)
	harness.WaitFor(t, 10*time.Second, "the hub to find nothing wrong", func() bool {
		r := hub.Readyz()
		return r.Status == 200 && len(r.Degraded) == 0
	})

	link.Cut()
	harness.WaitFor(t, 20*time.Second, "the hub to name the site", func() bool {
		r := hub.Readyz()
		return r.Status == 200 && len(r.Degraded) == 1 && strings.Contains(r.Degraded[0], "site lisbon is not connected")
	})
	if r := site.Readyz(); r.Status != 200 {
		t.Errorf("the site is %+v without its hub", r)
	}
	if status, answer := hub.Post(camera + "/pause"); status != 503 || !strings.Contains(answer, "no node of site lisbon answers for camera cam-1") ||
		!strings.Contains(answer, "ask at a node of the site") {
		t.Errorf("a pause at the hub of a site that is not connected: %d %s", status, answer)
	}
	link.Restore()
	follows("a cut")

	hub.Kill()
	before := lastOf(t, near, schema.StreamFrames)
	harness.WaitFor(t, 10*time.Second, "frames at the site without the hub", func() bool { return lastOf(t, near, schema.StreamFrames) > before+5 })
	hub.Start()
	follows("the hub's end")
	last := lastOf(t, far, mirror)
	want, got := digest(t, near, schema.StreamFrames, last), digest(t, far, mirror, last)
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("got %s, want %s", got[i], want[i])
		}
	}
	t.Logf("%d frames, equal by sequence, identity and content", last)
}

// TestSite_SendsOverASlowLinkWhatItsUplinkSays has a site of 10 frames a second send one of them to the hub, under the same subject and
// identity, and keep all.
func TestSite_SendsOverASlowLinkWhatItsUplinkSays(t *testing.T) {
	t.Parallel()
	door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	hub := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}", More: "hub: {mirror: true}\n"})
	site := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "lisbon", Cameras: lines(madeUp("cam-1"), madeUp("cam-2")),
		NATS: fmt.Sprintf(", leaf: {remotes: [{url: 'nats-leaf://%s'}]}", door), More: "uplink: {cameras: [cam-1], fps: 1, rate: 2MB/s}\n"})
	near, far := site.JetStream(), hub.JetStream()
	mirror := schema.MirrorStream(schema.StreamFrames, "lisbon")
	harness.WaitFor(t, time.Minute, "five frames at the hub", func() bool { return lastOf(t, far, mirror) >= 5 })
	at := map[string]schema.Frame{}
	for _, f := range framesOf(t, near, schema.StreamFrames) {
		at[f.ID()] = *f
	}
	thinned := framesOf(t, far, mirror)
	for i, f := range thinned {
		if own, ok := at[f.ID()]; !ok || f.Camera != "cam-1" || sha256.Sum256(f.Data) != sha256.Sum256(own.Data) {
			t.Errorf("frame %s at the hub is not one of cam-1 at the site", f.ID())
		}
		if i > 0 {
			if gap := f.Captured.Sub(thinned[i-1].Captured); gap < 900*time.Millisecond || gap > 1100*time.Millisecond {
				t.Errorf("%v between two frames, want one second", gap)
			}
		}
	}
	if r := site.Readyz(); r.Status != 200 || len(r.Degraded) > 0 {
		t.Errorf("the site is %+v", r)
	}
}
