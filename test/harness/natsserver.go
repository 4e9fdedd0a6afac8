package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// NATSServer is a stock nats-server.
type NATSServer struct {
	*service
	port int
}

// StartNATSServer builds the nats-server of go.mod and runs it with a configuration file's text, in which 127.0.0.1:4222 and /var/lib/nats
// stand for its own address and folder.
func StartNATSServer(t testing.TB, text string, env ...string) *NATSServer {
	t.Helper()
	dir := t.TempDir()
	s := &NATSServer{port: FreePort(t)}
	path, config := filepath.Join(dir, "nats-server"), filepath.Join(dir, "nats-server.conf")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("building nats-server: %v\n%s", err, out)
	}
	text = strings.NewReplacer("127.0.0.1:4222", hostPort(s.port), "/var/lib/nats", filepath.Join(dir, "data")).Replace(text)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.service = newService(t, program{name: "nats-server", path: path, args: []string{"-c", config}, dir: dir, env: env},
		func() error { return greets(hostPort(s.port), "INFO ") })
	s.Start()
	return s
}

// URL is where clients connect.
func (s *NATSServer) URL() string { return "nats://" + hostPort(s.port) }
