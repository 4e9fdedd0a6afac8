package e2e_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestSite_LinkThatItsHubRefusesIsNamedAndComesUpWithNewCredentials has a site with credentials of another hub. It captures meanwhile.
func TestSite_LinkThatItsHubRefusesIsNamedAndComesUpWithNewCredentials(t *testing.T) {
	t.Parallel()
	door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	hub := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "hub", NATS: ", leaf: {listen: '" + door + "'}", More: "hub: {mirror: true}\n"})
	other := harness.NewNode(t, harness.NodeOptions{Program: program, Site: "depot", NATS: fmt.Sprintf(", leaf: {listen: '127.0.0.1:%d'}", harness.FreePort(t)),
		More: "hub: {mirror: true}\n"})
	file := filepath.Join(t.TempDir(), "lisbon.creds")
	exits(t, 0, hub, "site", "add", "porto", "--config", hub.Config)
	exits(t, 0, other, "site", "add", "lisbon", "--config", other.Config, "--output", file)
	if out := exits(t, 1, hub, "site", "add", "local", "--config", hub.Config); !strings.Contains(out, "may not join a hub") {
		t.Errorf("a site named local: %s", out)
	}
	site := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "lisbon", Cameras: lines(madeUp("cam-1")),
		NATS: fmt.Sprintf(", leaf: {remotes: [{url: 'nats-leaf://%s', credentials: '%s'}]}", door, file)})
	near, far := site.JetStream(), hub.JetStream()
	harness.WaitFor(t, time.Minute, "the site to say why it has no hub, and to be ready", func() bool {
		r := site.Readyz()
		return r.Status == 200 && len(r.Degraded) == 1 && strings.Contains(r.Degraded[0], "the link to the hub at "+door+" is down") &&
			strings.Contains(r.Degraded[0], "credentials of site lisbon")
	})
	name := strings.NewReplacer(".", "-", ":", "-").Replace(door)
	if v := site.Metric("edge_video_link_up", `link="`+name+`"`); v != 0 {
		t.Errorf("edge_video_link_up is %v", v)
	}
	before := lastOf(t, near, schema.StreamFrames)
	harness.WaitFor(t, 20*time.Second, "frames without a hub", func() bool { return lastOf(t, near, schema.StreamFrames) > before+10 })

	exits(t, 0, hub, "site", "add", "lisbon", "--config", hub.Config, "--output", file, "--replace")
	mirror := schema.MirrorStream(schema.StreamFrames, "lisbon")
	harness.WaitFor(t, 2*time.Minute, "the mirror", func() bool { return lastOf(t, far, mirror) > before })
	harness.WaitFor(t, time.Minute, "nothing to be wrong", func() bool {
		r := site.Readyz()
		return r.Status == 200 && len(r.Degraded) == 0 && site.Metric("edge_video_link_up", `link="`+name+`"`) == 1
	})
	last := lastOf(t, far, mirror)
	want, got := digest(t, near, schema.StreamFrames, last), digest(t, far, mirror, last)
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("got %s, want %s", got[i], want[i])
		}
	}
}
