package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/test/harness"
)

// admit gives a site credentials, and returns the hub as the site's remote.
func admit(t *testing.T, hub node.ServerConfig, site string, replace bool) node.LeafRemote {
	t.Helper()
	credentials, err := node.AddSite(hub.DataDir, site, replace)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), site+".creds")
	if err := os.WriteFile(path, credentials, 0o600); err != nil {
		t.Fatal(err)
	}
	return node.LeafRemote{URL: "nats-leaf://" + hub.Leaf.Listen, Credentials: path}
}

// join starts a site and waits for its link.
func join(t *testing.T, site string, r node.LeafRemote) *node.Server {
	t.Helper()
	c := siteConfig(t, r)
	c.Site = site
	s, _ := startServer(t, c)
	harness.WaitFor(t, 20*time.Second, "the link of "+site, func() bool { return s.Links()[0].Up })
	return s
}

// tunnelled has a remote reached through a tunnel, which counts its connections.
func tunnelled(t *testing.T, r *node.LeafRemote) *harness.Tunnel {
	t.Helper()
	p := harness.StartTunnel(t, "u", "p")
	r.Proxy = "http://u:p@" + p.Addr()
	return p
}

func turnedAway(t *testing.T, s *node.Server) {
	t.Helper()
	harness.WaitFor(t, 20*time.Second, "the link to end", func() bool {
		l := s.Links()[0]
		return !l.Up && strings.Contains(l.Error, "uthorization")
	})
}

func TestServer_LinkEndsWithItsCredentialsAndNoOther(t *testing.T) {
	t.Parallel()
	config, _ := hubConfig(t)
	leaving, robbed, staying := admit(t, config, "lisbon", false), admit(t, config, "faro", false), admit(t, config, "porto", false)
	line := tunnelled(t, &staying)
	startServer(t, config)
	lisbon, thief, porto := join(t, "lisbon", leaving), join(t, "faro", robbed), join(t, "porto", staying)
	if _, err := node.RemoveSite(config.DataDir, "lisbon"); err != nil {
		t.Fatal(err)
	}
	turnedAway(t, lisbon)
	renewed := admit(t, config, "faro", true)
	turnedAway(t, thief)
	join(t, "faro", renewed)
	if !porto.Links()[0].Up || line.Opened() != 1 {
		t.Errorf("the link of another site was set up %d times, want once", line.Opened())
	}
}

func TestServer_LinkWithoutCredentialsEndsWithTheFirstSite(t *testing.T) {
	t.Parallel()
	top, above := hubConfig(t)
	top.Site = "top"
	startServer(t, top)
	up := node.LeafRemote{URL: "nats-leaf://" + above}
	line := tunnelled(t, &up)
	config, listen := hubConfig(t)
	config.Leaf.Remotes = []node.LeafRemote{up}
	hub, _ := startServer(t, config)
	harness.WaitFor(t, 20*time.Second, "the hub's own link", func() bool { return hub.Links()[0].Up })
	unnamed := join(t, "lisbon", node.LeafRemote{URL: "nats-leaf://" + listen})
	admit(t, config, "porto", false)
	turnedAway(t, unnamed)
	if !hub.Links()[0].Up || line.Opened() != 1 {
		t.Errorf("the hub's own link was set up %d times, want once", line.Opened())
	}
}

func TestAddSite_ManyAtOnceLoseNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var adding errgroup.Group
	for i := range 50 {
		adding.Go(func() error {
			_, err := node.AddSite(dir, fmt.Sprintf("site-%d", i), false)
			return err
		})
	}
	if err := adding.Wait(); err != nil {
		t.Fatal(err)
	}
	if sites, err := node.ReadSites(dir); err != nil || len(sites) != 50 {
		t.Errorf("got %d sites, %v, want 50", len(sites), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("got %v, %v, want the file alone", left, err)
	}
}

func TestAddSite_WhatRootWritesTheOwnerOfTheDirectoryReads(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root writes for others")
	}
	const owner = 1234
	dir := t.TempDir()
	if err := os.Chown(dir, owner, owner); err != nil {
		t.Fatal(err)
	}
	if _, err := node.AddSite(dir, "lisbon", false); err != nil {
		t.Fatal(err)
	}
	if _, err := node.AddSite(dir, "lisbon", true); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "sites.json"))
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != owner || st.Gid != owner || info.Mode() != 0o600 {
		t.Errorf("got %d:%d with %v, want the directory's owner alone", st.Uid, st.Gid, info.Mode())
	}
}
