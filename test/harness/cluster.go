package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ClusterOptions describe the nodes of one site.
type ClusterOptions struct {
	Program string // from [Build]
	Cameras string // the same on each
	Bridges string // the same on each
	NATS    string // further keys of nats, beginning with a comma; the same on each

	Env func(node int) []string // beside PATH and the like, for what differs; nil is nothing
}

// Cluster is three nodes of a site, each of which reaches the others through proxies of its own.
type Cluster struct {
	Nodes []*Node

	t       testing.TB
	options []NodeOptions     // of the nodes
	proxies map[[2]int]*Proxy // from one node to another
	monitor []int             // ports of the servers' own monitoring
}

// StartCluster starts the nodes and returns when their streams can be written.
func StartCluster(t testing.TB, o ClusterOptions) *Cluster {
	t.Helper()
	const size = 3
	c := &Cluster{t: t, proxies: map[[2]int]*Proxy{}}
	var listen [size]string
	for i := range size {
		listen[i] = hostPort(FreePort(t))
	}
	for i := range size {
		var routes []string
		for j := range size {
			if i != j {
				c.proxies[[2]int{i, j}] = StartProxy(t, listen[j])
				routes = append(routes, "'nats-route://"+c.proxies[[2]int{i, j}].Addr()+"'")
			}
		}
		c.monitor = append(c.monitor, FreePort(t))
		// What nodes tell one another of themselves leads nowhere, so that nothing goes around the proxies.
		file := filepath.Join(t.TempDir(), "nats.conf")
		conf := fmt.Sprintf("http: \"%s\"\ncluster { advertise: \"127.0.0.1:1\" }\n", hostPort(c.monitor[i]))
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		var env []string
		if o.Env != nil {
			env = o.Env(i)
		}
		c.options = append(c.options, NodeOptions{Program: o.Program, Name: fmt.Sprintf("node-%d", i+1), Cameras: o.Cameras, Bridges: o.Bridges, Env: env,
			NATS: fmt.Sprintf(", config: '%s', cluster: {name: test, listen: '%s', routes: [%s]}%s", file, listen[i], strings.Join(routes, ", "), o.NATS),
			More: "stream: {replicas: 3, max_bytes: 256MiB}\nlog: {level: info}\n"})
		c.Nodes = append(c.Nodes, NewNode(t, c.options[i]))
	}
	for _, n := range c.Nodes {
		n.Start()
	}
	for _, n := range c.Nodes {
		WaitFor(t, time.Minute, "the cluster's streams", func() bool { return n.Readyz().Status == http.StatusOK })
	}
	return c
}

// Configure writes other cameras into a node's configuration, which it takes up when it is asked to.
func (c *Cluster) Configure(node int, cameras string) {
	c.t.Helper()
	o := c.options[node]
	o.Cameras = cameras
	c.Nodes[node].Configure(o)
}

// CutOff lets no bytes through between a node and the others, either way; connections stay open.
func (c *Cluster) CutOff(node int) {
	c.each(node, (*Proxy).Hang)
}

// Join ends CutOff.
func (c *Cluster) Join(node int) {
	c.t.Helper()
	c.each(node, (*Proxy).Restore)
}

func (c *Cluster) each(node int, do func(*Proxy)) {
	for pair, p := range c.proxies {
		if pair[0] == node || pair[1] == node {
			do(p)
		}
	}
}

// Leader is the number of the node that leads a stream, or with "" JetStream itself; -1 while there is none.
func (c *Cluster) Leader(js jetstream.JetStream, stream string) int {
	c.t.Helper()
	leader := ""
	if stream == "" {
		leader = c.metaLeader()
	} else if s, err := js.Stream(c.t.Context(), stream); err == nil && s.CachedInfo().Cluster != nil {
		leader = s.CachedInfo().Cluster.Leader
	}
	for i := range c.Nodes {
		if strings.HasSuffix(leader, fmt.Sprintf("-node-%d", i+1)) {
			return i
		}
	}
	return -1
}

func (c *Cluster) metaLeader() string {
	for _, port := range c.monitor {
		resp, err := http.Get("http://" + hostPort(port) + "/jsz")
		if err != nil {
			continue // it is down
		}
		var js struct {
			Meta struct {
				Leader string `json:"leader"`
			} `json:"meta_cluster"`
		}
		err = json.NewDecoder(resp.Body).Decode(&js)
		resp.Body.Close()
		if err == nil && js.Meta.Leader != "" {
			return js.Meta.Leader
		}
	}
	return ""
}
