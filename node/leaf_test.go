package node_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/test/harness"
)

// hubConfig is a server that takes leaf nodes at the returned address.
func hubConfig(t *testing.T) (node.ServerConfig, string) {
	t.Helper()
	c := serverConfig(t)
	c.Site, c.Node, c.Hub = "hub", "h1", true
	c.Leaf.Listen = address(harness.FreePort(t))
	return c, c.Leaf.Listen
}

// siteConfig is a server that is a leaf node of a hub.
func siteConfig(t *testing.T, r node.LeafRemote) node.ServerConfig {
	t.Helper()
	c := serverConfig(t)
	c.Site, c.Node, c.Leaf.Remotes = "lisbon", "l1", []node.LeafRemote{r}
	return c
}

// journal is what a server has logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

func TestServer_TwoNodesOfAClusterWithOneNameAreToldOnce(t *testing.T) {
	ports := []int{harness.FreePort(t), harness.FreePort(t)}
	var logs journal
	ctx, cancel := context.WithCancel(context.Background())
	var servers errgroup.Group
	defer func() {
		cancel()
		if err := servers.Wait(); err != nil {
			t.Error(err)
		}
	}()
	for i := range ports {
		c := serverConfig(t)
		c.Cluster = node.ClusterConfig{Name: "test", Listen: address(ports[i]), Routes: []string{"nats-route://" + address(ports[1-i])}}
		s, err := node.NewServer(c, slog.New(slog.NewTextHandler(&logs, nil)))
		if err != nil {
			t.Fatal(err)
		}
		servers.Go(func() error { return s.Run(ctx) })
	}
	const told = "give each its own node"
	harness.WaitFor(t, 20*time.Second, "the name to be told", func() bool { return logs.count(told) > 0 })
	harness.WaitFor(t, 20*time.Second, "the nodes to go on trying", func() bool { return logs.count("waiting for the other nodes of the cluster") > 0 })
	if n := logs.count(told); n > 2 || logs.count("test-node-1") == 0 {
		t.Errorf("told %d times, want once by each, with the name", n)
	}
}

func TestLeaf_LinkComesAboutAsTheHubWantsIt(t *testing.T) {
	certificates := harness.MakeCertificates(t)
	trust := node.LeafTLS{CA: certificates.CA, ServerName: harness.ServerName}
	own := trust
	own.Certificate, own.Key = certificates.Client, certificates.ClientKey
	first := trust
	first.HandshakeFirst = true
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hubTLS := node.LeafTLS{Certificate: certificates.Server, Key: certificates.ServerKey}
	pem := fmt.Sprintf("tls {cert_file: '%s', key_file: '%s'}", certificates.Server, certificates.ServerKey)
	mutual := hubTLS
	mutual.CA = certificates.CA
	proxy := harness.StartTunnel(t, "u", "hunter2")
	for name, c := range map[string]struct {
		hub    node.LeafTLS
		file   string // %s is the port of a websocket
		scheme string
		tls    node.LeafTLS
		proxy  string
		fault  string // why there is none, "" where there is
	}{
		"TLS":                       {hub: hubTLS, scheme: "tls", tls: trust},
		"TLS with a certificate":    {hub: mutual, scheme: "tls", tls: own},
		"TLS without a certificate": {hub: mutual, scheme: "tls", tls: trust, fault: "connection closed"},
		"TLS of another name":       {hub: hubTLS, scheme: "tls", tls: node.LeafTLS{CA: certificates.CA}, fault: "x509"},
		"TLS of another CA":         {hub: hubTLS, scheme: "tls", tls: node.LeafTLS{ServerName: harness.ServerName}, fault: "x509"},
		"TLS with a hub without":    {scheme: "tls", tls: trust, fault: "TLS Handshake Failure"},
		"TLS first":                 {file: "leafnodes {tls {cert_file: '" + certificates.Server + "', key_file: '" + certificates.ServerKey + "', handshake_first: true}}", scheme: "tls", tls: first},
		"proxy":                     {scheme: "nats-leaf", proxy: "http://u:hunter2@"},
		"proxy and TLS":             {hub: hubTLS, scheme: "tls", tls: trust, proxy: "http://u:hunter2@"},
		"proxy refuses":             {scheme: "nats-leaf", proxy: "http://u:wrong@", fault: "407 Proxy Authentication Required"},
		"websocket":                 {file: "websocket {listen: '127.0.0.1:%d', no_tls: true}", scheme: "ws"},
		"websocket, TLS and proxy":  {file: "websocket {listen: '127.0.0.1:%d', " + pem + "}", scheme: "wss", tls: trust, proxy: "http://u:hunter2@"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, listen := hubConfig(t)
			config.Leaf.TLS = c.hub
			if c.file != "" {
				if port := harness.FreePort(t); strings.Contains(c.file, "%d") {
					c.file, listen = fmt.Sprintf(c.file, port), address(port)
				}
				config.File = file(c.file)
			}
			startServer(t, config)
			before := proxy.Opened()
			remote := node.LeafRemote{URL: c.scheme + "://" + listen, TLS: c.tls}
			if c.proxy != "" {
				remote.Proxy = c.proxy + proxy.Addr()
			}
			site, _ := startServer(t, siteConfig(t, remote))
			harness.WaitFor(t, 20*time.Second, "the link, or its fault", func() bool {
				l := site.Links()[0]
				return l.Up == (c.fault == "") && (l.Up || strings.Contains(l.Error, c.fault))
			})
			if l := site.Links()[0]; strings.Contains(l.Error, "hunter2") || l.Up && l.Hub != "hub-h1" {
				t.Errorf("got %+v", l)
			}
			if c.fault != "" || strings.HasPrefix(c.scheme, "ws") {
				return
			}
			if c.proxy != "" && proxy.Opened() == before {
				t.Error("the link does not go through the proxy")
			}
			g, err := site.Greet(t.Context(), 0)
			if err != nil || g.Server != "hub-h1" || g.Domain != "hub" || g.MaxPayload != int64(node.MaxPayload(config.MaxFrame)) {
				t.Errorf("the hub says %+v, %v", g, err)
			}
		})
	}
}
