package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/edge-video/edge-video/test/harness"
)

// output is what a command writes while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

const apart = "bridges:\n  - {name: b, workers: standby, redis: {url: 'redis://127.0.0.1:1'}}\n  - {name: c, redis: {url: 'redis://127.0.0.1:1'}}\n"

func TestBridge_RefusesWhatItCannotRun(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "node.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := file(apart)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no file", nil, "bridge needs --config FILE"},
		{"fault", []string{"--config", file("bridges: 1\n")}, "node.yaml:1: bridges: "},
		{"nothing to run", []string{"--config", file("bridges: [{name: b, redis: {url: 'redis://h'}}]\n")}, "node.yaml:1: bridges: none is for other processes than the node; write in_node: false"},
		{"unknown", []string{"--config", both, "--only", "d"}, "--only d: " + both + " has no bridge of that name"},
		{"the node's own", []string{"--config", both, "--only", "c"}, "node.yaml:3: bridges[1]: bridge c runs in the node, which is its one worker; write in_node: false"},
		{"name", []string{"--config", both, "--node", "Ü"}, `--node "Ü" is not a valid name`},
		{"open HTTP", []string{"--config", both, "--http", "0.0.0.0:1"}, `http.listen: "0.0.0.0:1" is open to others without credentials`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := execute(t, append([]string{"bridge"}, c.args...)...); r.code != exitUsage || !strings.Contains(r.err, c.want) {
				t.Errorf("exit %d, want %d; %q does not contain %q", r.code, exitUsage, r.err, c.want)
			}
		})
	}
}

// TestBridge_ServersThatAreNoNodesAreToldApart has a server without frames, and one that wants other credentials.
func TestBridge_ServersThatAreNoNodesAreToldApart(t *testing.T) {
	opts := &server.Options{Host: "127.0.0.1", Port: harness.FreePort(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		Username: "node", Password: "right"}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	path, _ := write(t, apart)
	host := strings.TrimPrefix(srv.ClientURL(), "nats://")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out output
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, nil, []string{"bridge", "--config", path, "--server", "nats://node:right@" + host}, console{out: &out, err: &out})
	}()
	harness.WaitFor(t, 10*time.Second, "the process to say what is missing", func() bool {
		return strings.Contains(out.String(), "looking for stream FRAMES") && strings.Contains(out.String(), "is it an edge-video node's")
	})
	cancel()
	if code := <-ended; code != 0 || strings.Contains(out.String(), "right") {
		t.Errorf("exit %d\n%s", code, out.String())
	}
	r := execute(t, "bridge", "--config", path, "--server", "nats://node:hunter2@"+host)
	if r.code != exitFailed || !strings.Contains(r.err, "Authorization") || strings.Contains(r.err, "hunter2") {
		t.Errorf("other credentials: exit %d\n%s", r.code, r.err)
	}
	r = execute(t, "bridge", "--config", path, "--server", "nats://node:hunter2@[::1", "--only", "b")
	if r.code != exitUsage || !strings.Contains(r.err, "URL cannot be parsed") || strings.Contains(r.err, "hunter2") {
		t.Errorf("a URL that cannot be parsed: exit %d\n%s", r.code, r.err)
	}
}
