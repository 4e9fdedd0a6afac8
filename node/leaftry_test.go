package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/test/harness"
)

func TestTryLink_FindsWhetherTheHubAcceptsIt(t *testing.T) {
	config, listen := hubConfig(t)
	credentials, err := node.AddSite(config.DataDir, "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	other, err := node.AddSite(t.TempDir(), "lisbon", false)
	if err != nil {
		t.Fatal(err)
	}
	startServer(t, config)
	file := func(text []byte) string {
		path := filepath.Join(t.TempDir(), "site.creds")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		remote node.LeafRemote
		want   string // "" is a link
	}{
		"accepted":  {node.LeafRemote{URL: "nats-leaf://" + listen, Credentials: file(credentials)}, ""},
		"others'":   {node.LeafRemote{URL: "nats-leaf://" + listen, Credentials: file(other)}, "uthorization"},
		"none":      {node.LeafRemote{URL: "nats-leaf://" + listen}, "uthorization"},
		"no file":   {node.LeafRemote{URL: "nats-leaf://" + listen, Credentials: "/nowhere/site.creds"}, "/nowhere/site.creds"},
		"not TLS":   {node.LeafRemote{URL: "tls://" + listen, Credentials: file(credentials)}, "TLS"},
		"nobody is": {node.LeafRemote{URL: "nats-leaf://" + address(harness.FreePort(t)), Credentials: file(credentials)}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := node.TryLink(ctx, c.remote, "lisbon")
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if ctx.Err() != nil {
				t.Error("it took until its time was over")
			}
		})
	}
	t.Run("silent", func(t *testing.T) {
		p := harness.StartProxy(t, listen)
		p.Hang()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := node.TryLink(ctx, node.LeafRemote{URL: "nats-leaf://" + p.Addr()}, "lisbon"); !errors.Is(err, node.ErrNoLink) {
			t.Errorf("%v, want %v", err, node.ErrNoLink)
		}
	})
}

func TestInUse_TellsARunningNodeAndCreatesNothing(t *testing.T) {
	c := serverConfig(t)
	c.DataDir = filepath.Join(c.DataDir, "data")
	if used, err := node.InUse(c.DataDir); used || err != nil {
		t.Errorf("%v, %v, before there is one", used, err)
	}
	if _, err := os.Stat(c.DataDir); err == nil {
		t.Error("the data directory was created")
	}
	_, stop := startServer(t, c)
	if used, err := node.InUse(c.DataDir); !used || err != nil {
		t.Errorf("%v, %v, while it runs", used, err)
	}
	stop()
	if used, err := node.InUse(c.DataDir); used || err != nil {
		t.Errorf("%v, %v, when it has stopped", used, err)
	}
}
