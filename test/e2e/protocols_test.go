package e2e_test

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/test/harness"
)

// TestDeploy_OtherProtocolsShowFrames starts a node with each of the example files for other listeners, and reads a camera by the commands of the
// guide, as the user that only looks.
func TestDeploy_OtherProtocolsShowFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, port, command string
		check                     func(t *testing.T, n *harness.Node, line *commandLine, command string, port int)
	}{
		{"MQTT", "nats-mqtt.conf", "1883", "^mosquitto_sub .*frames/", checkMQTT},
		{"websocket", "nats-websocket.conf", "8090", "^nats --server ws://", checkWebsocket},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := harness.FreePort(t)
			config := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(config, []byte(strings.ReplaceAll(deployed(t, c.file), "port: "+c.port, fmt.Sprintf("port: %d", port))), 0o600); err != nil {
				t.Fatal(err)
			}
			n := harness.StartNode(t, harness.NodeOptions{Program: program, Site: "lisbon", Cameras: lines(madeUp("dock-1")), NATS: ", config: " + config,
				Env: []string{"OPERATOR_PASSWORD=secret-1", "VIEWER_PASSWORD=secret-2"}})
			harness.WaitFor(t, 30*time.Second, "frames", func() bool { return n.Metric("edge_video_frames_processed_total") > 5 })
			command := documented(t, "deploy/README.md", c.command)
			if len(command) != 1 {
				t.Fatalf("the guide has the commands %q", command)
			}
			line := &commandLine{t: t, node: n, dir: t.TempDir()}
			c.check(t, n, line, strings.NewReplacer(c.port, fmt.Sprint(port), `"$VIEWER_PASSWORD"`, "secret-2").Replace(command[0]), port)
			if r := n.Readyz(); r.Status != http.StatusOK {
				t.Errorf("readiness is %+v", r)
			}
		})
	}
}

func checkMQTT(t *testing.T, n *harness.Node, line *commandLine, command string, port int) {
	if out, err := line.run(command, func(string) bool { return false }); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	picture, err := os.ReadFile(filepath.Join(line.dir, "dock-1.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if img, err := jpeg.Decode(bytes.NewReader(picture)); err != nil || img.Bounds().Dx() != 320 {
		t.Errorf("what came is no picture of the camera: %v", err)
	}
	// A session, and a message with an acknowledgement, make the server's own streams, beside which the node starts again.
	client := fmt.Sprintf(" -h 127.0.0.1 -p %d -u operator -P secret-1 ", port)
	for _, command := range []string{"mosquitto_sub -i reader -c -q 1 -E -t 'other/#'" + client, "mosquitto_pub -q 1 -r -t other/thing -m hello" + client,
		"mosquitto_sub -i reader -c -q 1 -C 1 -t 'other/#'" + client} {
		if out, err := line.run(command, func(string) bool { return false }); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	before := n.Metric("edge_video_frames_processed_total")
	n.Stop()
	n.Start()
	harness.WaitFor(t, 30*time.Second, "frames after a restart", func() bool {
		return n.Readyz().Status == http.StatusOK && n.Metric("edge_video_frames_processed_total") > 5
	})
	out, err := line.run("nats stream ls --all", func(string) bool { return false })
	if err != nil || !shown(out, []string{"$MQTT_sess", "$MQTT_msgs", "FRAMES"}) || before == 0 {
		t.Errorf("%v\n%s", err, out)
	}
	// Whoever only looks cannot publish: nothing of it is stored.
	publish := fmt.Sprintf("mosquitto_pub -h 127.0.0.1 -p %d -u viewer -P secret-2 -t frames/lisbon/forged -m hello", port)
	if out, err := line.run(publish, func(string) bool { return false }); err != nil {
		t.Logf("%v\n%s", err, out) // it is not told so in MQTT 3.1.1
	}
	if out, err := line.run("nats stream subjects FRAMES", func(string) bool { return false }); err != nil || strings.Contains(out, "forged") {
		t.Errorf("%v\n%s", err, out)
	}
}

func checkWebsocket(t *testing.T, _ *harness.Node, line *commandLine, command string, port int) {
	want := []string{"frames.lisbon.dock-1", "Frame-Captured: ", "Frame-Width: 320"}
	if out, err := line.run(command, func(out string) bool { return shown(out, want) }); err != nil || !shown(out, want) {
		t.Errorf("%v\n%s", err, out)
	}
	for origin, may := range map[string]bool{"http://127.0.0.1:8080": true, "http://evil.example": false} {
		nc, err := nats.Connect(fmt.Sprintf("ws://127.0.0.1:%d", port), nats.UserInfo("viewer", "secret-2"), nats.MaxReconnects(0),
			nats.WebSocketConnectionHeaders(http.Header{"Origin": {origin}}))
		if (err == nil) != may {
			t.Errorf("a page of %s is let in: %v, want %v", origin, err, may)
		}
		if err == nil {
			nc.Close()
		}
	}
}
