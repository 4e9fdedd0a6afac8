package e2e_test

import (
	"bytes"
	"image/jpeg"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/test/harness"
)

// TestNatsCLI_ShowsFrames runs the commands of the README with the real nats CLI.
func TestNatsCLI_ShowsFrames(t *testing.T) {
	if _, err := exec.LookPath("nats"); err != nil {
		t.Fatal("the nats CLI is missing: run make deps, which puts it into bin, and put bin on PATH")
	}
	cache := harness.StartRedis(t, harness.RedisOptions{})
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1")), Bridges: lines(cacheBridge(cache.URL()))})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames in Redis", func() bool { return storedCount(t, js, "*") > 20 && caughtUp(t, js, "cache") })
	for _, c := range []struct {
		command string
		want    []string
	}{
		{"nats stream info FRAMES", []string{"frames.test.>", "Pictures"}},
		{"nats stream subjects FRAMES", []string{"frames.test.cam-1"}},
		{"nats sub 'frames.>' --headers-only --count 1", []string{"Frame-Captured: ", "Frame-Width: 320", "Content-Type: image/jpeg"}},
		{"nats kv get cameras test.cam-1 --raw", []string{`"state":"up"`, `"node":"node-1"`}},
		{"nats kv get bridges test.cache --raw", []string{`"state":"closed"`}},
		{"nats sub --stream EVENTS 'events.>' --all --count 1", []string{"events.test.camera.cam-1.state"}},
		{"nats consumer report FRAMES", []string{"cache"}},
	} {
		out := shell(t, n, c.command)
		for _, w := range c.want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s: the output does not contain %q:\n%s", c.command, w, out)
			}
		}
	}
	picture := shell(t, n, "nats stream get FRAMES -S frames.test.cam-1 --json | jq -r .data | base64 -d")
	if img, err := jpeg.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() != 320 {
		t.Errorf("the picture that the CLI gave does not decode: %v", err)
	}
}

// shell runs a command line against the node.
func shell(t *testing.T, n *harness.Node, command string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", command)
	cmd.Env = append(os.Environ(), "NATS_URL="+n.NATSURL(), "HOME="+t.TempDir())
	cmd.WaitDelay = 20 * time.Second
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v\n%s", command, err, errors.String())
	}
	return out
}
