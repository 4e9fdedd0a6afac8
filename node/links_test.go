package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/test/harness"
)

// TestServer_EachOfSeveralLinksIsToldApart has links through a proxy, by websocket and by name, of which one hub refuses its own, and one
// is not there.
func TestServer_EachOfSeveralLinksIsToldApart(t *testing.T) {
	t.Parallel()
	first, _ := hubConfig(t)
	first.Node = "first"
	proxied := node.LeafRemote{URL: "nats-leaf://" + first.Leaf.Listen}
	tunnelled(t, &proxied)
	second, _ := hubConfig(t)
	second.Node = "second"
	named := node.LeafRemote{URL: "nats-leaf://" + strings.Replace(second.Leaf.Listen, "127.0.0.1", "localhost", 1)}
	third, _ := hubConfig(t)
	admit(t, third, "porto", false)
	refused := node.LeafRemote{URL: "nats-leaf://" + third.Leaf.Listen}
	for _, hub := range []node.ServerConfig{first, second, third} {
		startServer(t, hub)
	}
	nowhere := node.LeafRemote{URL: "nats-leaf://" + address(harness.FreePort(t))}
	c := serverConfig(t)
	c.Site, c.Leaf.Remotes = "lisbon", []node.LeafRemote{proxied, named, refused, nowhere}
	s, _ := startServer(t, c)
	want := []struct{ hub, fault string }{{"hub-first", ""}, {"hub-second", ""}, {"", "uthorization"}, {"", "refused"}}
	told := func() bool {
		for i, l := range s.Links() {
			if l.Up != (want[i].hub != "") || l.Hub != want[i].hub || !strings.Contains(l.Error, want[i].fault) || l.Up && l.Error != "" {
				return false
			}
		}
		return true
	}
	harness.WaitFor(t, 20*time.Second, "what there is to say of each link", told)
	s.Restart("test")
	harness.WaitFor(t, 20*time.Second, "the server to go down", func() bool { return !s.Links()[0].Up })
	harness.WaitFor(t, 20*time.Second, "the same after a restart in place", told)
}

func TestServer_LinkWithAPasswordOfAnySignsIsHeldDown(t *testing.T) {
	t.Parallel()
	hub, listen := hubConfig(t)
	hub.File = filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(hub.File, []byte("authorization {users: [{user: lisbon, password: 'go!=1'}]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	startServer(t, hub)
	s := join(t, "lisbon", node.LeafRemote{URL: "nats-leaf://lisbon:go!%3D1@" + listen})
	if err := s.HoldLink(0, true); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 20*time.Second, "the link to go down", func() bool { return !s.Links()[0].Up })
	if err := s.HoldLink(0, false); err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, 20*time.Second, "the link to come up again", func() bool { return s.Links()[0].Up })
}
