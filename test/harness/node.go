package harness

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NodeOptions describe a node. The YAML texts stand under the configuration's keys of the same name.
type NodeOptions struct {
	Program string // from [Build]
	Dir     string // data_dir; "" is a folder of the test's own
	Site    string // "" is test
	Name    string // "" is node-1
	Cameras string
	Bridges string
	NATS    string // further keys of nats, beginning with a comma
	HTTP    string // the same of http
	More    string // further top-level keys

	// Whole is a configuration in place of those keys, in which 0.0.0.0:8080, 127.0.0.1:4222 and /var/lib/edge-video stand for the node's own
	// addresses and folder.
	Whole string
	Env   []string // beside PATH and the like
}

// Node is a running edge-video.
type Node struct {
	*service
	web
	Config   string // path of its configuration
	Dir      string // its data_dir
	natsPort int
}

// StartNode starts a node and returns when it can be reached, whether or not it is ready.
func StartNode(t testing.TB, o NodeOptions) *Node {
	t.Helper()
	n := NewNode(t, o)
	n.Start()
	return n
}

// NewNode writes a node's configuration. Start starts it.
func NewNode(t testing.TB, o NodeOptions) *Node {
	t.Helper()
	dir := t.TempDir()
	n := &Node{Config: filepath.Join(dir, "node.yaml"), Dir: o.Dir, natsPort: FreePort(t), web: web{tb: t, httpPort: FreePort(t)}}
	if n.Dir == "" {
		n.Dir = filepath.Join(dir, "data")
	}
	n.write(t, o)
	n.service = newService(t, program{name: "edge-video", path: o.Program, args: []string{"run", "--config", n.Config}, dir: dir,
		env: append([]string{"GORACE=halt_on_error=1"}, o.Env...)}, func() error {
		if err := dialTCP(hostPort(n.httpPort)); err != nil {
			return err
		}
		return greets(hostPort(n.natsPort), "INFO ")
	})
	return n
}

// write writes its configuration.
func (n *Node) write(t testing.TB, o NodeOptions) {
	t.Helper()
	section := func(name, text string) string {
		if text == "" {
			return ""
		}
		return name + ":\n" + text + "\n"
	}
	text := fmt.Sprintf("site: %s\nnode: %s\ndata_dir: %s\nnats: {listen: '%s'%s}\nhttp: {listen: '%s'%s}\n", cmp.Or(o.Site, "test"), cmp.Or(o.Name, "node-1"), n.Dir, hostPort(n.natsPort),
		o.NATS, hostPort(n.httpPort), o.HTTP) +
		section("cameras", o.Cameras) + section("bridges", o.Bridges) + o.More
	if o.Whole != "" {
		text = strings.NewReplacer("0.0.0.0:8080", hostPort(n.httpPort), "127.0.0.1:4222", hostPort(n.natsPort), "/var/lib/edge-video", n.Dir).Replace(o.Whole)
	}
	if err := os.WriteFile(n.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Configure writes another configuration. The node takes it up when it is started, and as far as it can when asked by [Node.Hangup].
func (n *Node) Configure(o NodeOptions) {
	n.t.Helper()
	n.write(n.t, o)
}

// Hangup sends it SIGHUP.
func (n *Node) Hangup() {
	n.t.Helper()
	n.signal(syscall.SIGHUP)
}

// NATSURL is where its NATS server listens.
func (n *Node) NATSURL() string { return "nats://" + hostPort(n.natsPort) }

// JetStream connects to it; the connection is closed when the test ends.
func (n *Node) JetStream() jetstream.JetStream {
	n.t.Helper()
	nc, err := nats.Connect(n.NATSURL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		n.t.Fatal(err)
	}
	return js
}

// Children are the process ids of the node's child processes.
func (n *Node) Children() []int {
	n.t.Helper()
	return ChildrenOf(n.t, n.PID())
}

// ChildrenOf are the process ids of a process's children, those that have ended and were not waited for included.
func ChildrenOf(t testing.TB, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || err != nil {
			continue // it has ended since
		}
		// The name in brackets may hold anything; behind it stand state and parent.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// Alive reports whether a process exists and has not ended.
func Alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return len(fields) > 0 && fields[0] != "Z" && fields[0] != "X"
}
