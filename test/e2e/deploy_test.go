package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const deployDir = "../../deploy"

// deployed is a file of deploy.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// secretsOf makes the certificate that the guide makes, and returns its folder.
func secretsOf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", documented(t, "deploy/README.md", "^openssl req")[0])
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	secrets := filepath.Join(dir, "secrets")
	if err := os.Link(filepath.Join(secrets, "tls.crt"), filepath.Join(secrets, "hub-ca.crt")); err != nil {
		t.Fatal(err)
	}
	return secrets
}

// TestDeploy_HubSiteAndClusterRunFromTheirFiles starts a hub, a site under it, and a site of three nodes, from the files of deploy with other
// addresses and folders.
func TestDeploy_HubSiteAndClusterRunFromTheirFiles(t *testing.T) {
	t.Parallel()
	secrets := secretsOf(t)
	env := []string{"CREDENTIALS_DIRECTORY=" + secrets, "RABBITMQ_URL=amqp://127.0.0.1:1", "REDIS_URL=redis://127.0.0.1:1"}
	t.Run("hub and site", func(t *testing.T) {
		door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
		hub := harness.StartNode(t, harness.NodeOptions{Program: program, Env: env, Whole: strings.ReplaceAll(deployed(t, "hub/edge-video.yaml"), "0.0.0.0:7422", door)})
		add := exec.Command(program, "site", "add", "lisbon", "--config", hub.Config, "--output", filepath.Join(secrets, "hub.creds"))
		add.Env = append(os.Environ(), env...)
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		site := harness.StartNode(t, harness.NodeOptions{Program: program, Env: append(env, "HUB_URL=tls://"+door), Whole: deployed(t, "site/edge-video.yaml")})
		harness.WaitFor(t, time.Minute, "the hub to have the site's frames", func() bool {
			return lastOf(t, hub.JetStream(), "FRAMES_lisbon") > 20
		})
		for _, n := range []*harness.Node{hub, site} {
			if r := n.Readyz(); r.Status != 200 {
				t.Errorf("readiness is %+v", r)
			}
		}
	})
	t.Run("cluster", func(t *testing.T) {
		text := deployed(t, "cluster/edge-video.yaml")
		conf := t.TempDir()
		if err := os.WriteFile(filepath.Join(conf, "routes.conf"), []byte(deployed(t, "cluster/routes.conf")), 0o600); err != nil {
			t.Fatal(err)
		}
		var listen [3]string
		for i := range listen {
			listen[i] = fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
			text = strings.ReplaceAll(text, fmt.Sprintf("lisbon-edge-video-%d.lisbon-edge-video:6222", i), listen[i])
		}
		var nodes []*harness.Node
		for i := range listen {
			nodes = append(nodes, harness.StartNode(t, harness.NodeOptions{Program: program, Env: append(env, "CLUSTER_PASSWORD=abc123", "CONFIG_DIRECTORY="+conf),
				Whole: fmt.Sprintf("node: node-%d\n", i+1) + strings.ReplaceAll(text, "0.0.0.0:6222", listen[i])}))
		}
		for _, n := range nodes {
			harness.WaitFor(t, time.Minute, "a node of the cluster to be ready", func() bool { return n.Readyz().Status == 200 })
		}
		stream, err := nodes[2].JetStream().Stream(t.Context(), schema.StreamFrames)
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range documented(t, "README.md", "^nats kv ls leases") {
			harness.WaitFor(t, time.Minute, command+" to show a lease", func() bool { return strings.Contains(string(shell(t, nodes[0], command)), "lisbon.") })
		}
		if info := stream.CachedInfo(); info.Config.Replicas != 3 || info.Cluster == nil || len(info.Cluster.Replicas) != 2 {
			t.Errorf("FRAMES is held by %+v", info.Cluster)
		}
	})
}

// TestDeploy_PlainNATSServerIsAHub joins a site to a stock nats-server by the line of the guide; the server mirrors it by the guide's commands.
func TestDeploy_PlainNATSServerIsAHub(t *testing.T) {
	t.Parallel()
	door := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	secrets := secretsOf(t)
	hub := harness.StartNATSServer(t, strings.NewReplacer("0.0.0.0:7422", door, "/etc/nats", secrets).Replace(deployed(t, "nats-hub/nats-server.conf")),
		"LISBON_PASSWORD=secret-1")
	remote := regexp.MustCompile(`(?m)^nats: \{(leaf: .*)\}$`).FindStringSubmatch(deployed(t, "README.md"))
	if remote == nil {
		t.Fatal("the guide has no line that links a site to the server")
	}
	site := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "lisbon", Cameras: lines(madeUp("cam-1")), Env: []string{"HUB_PASSWORD=secret-1"},
		NATS: ", " + strings.NewReplacer("hub.example:7422", door, "/etc/edge-video", secrets).Replace(remote[1])})
	near := site.JetStream()
	nc, err := nats.Connect(hub.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	far, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	over, err := jetstream.NewWithDomain(nc, "lisbon")
	if err != nil {
		t.Fatal(err)
	}
	harness.WaitFor(t, time.Minute, "the site to answer over its link", func() bool { return lastOf(t, over, schema.StreamFrames) > 0 })
	commands := documented(t, "deploy/README.md", "^nats stream .*(FRAMES|EVENTS)_lisbon")
	if len(commands) < 3 {
		t.Fatalf("the guide has only the commands %q", commands)
	}
	for _, command := range commands {
		cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
		cmd.Dir = filepath.Join(deployDir, "nats-hub")
		cmd.Env = append(os.Environ(), "NATS_URL="+hub.URL(), "HOME="+t.TempDir())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	harness.WaitFor(t, time.Minute, "the mirror to follow", func() bool {
		return lastOf(t, far, "FRAMES_lisbon") >= 50 && lastOf(t, far, "EVENTS_lisbon") > 0
	})
	last := lastOf(t, far, "FRAMES_lisbon")
	if at := firstDifference(digest(t, near, schema.StreamFrames, last), digest(t, far, "FRAMES_lisbon", last)); at >= 0 {
		t.Errorf("frame %d of the mirror is not that of the site", at+1)
	}
}
