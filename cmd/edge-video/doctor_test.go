package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/cmd/edge-video/doctor"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// examine runs the doctor and reads its report.
func examine(t *testing.T, config string, args ...string) (r doctor.Report, res result) {
	t.Helper()
	res = execute(t, append([]string{"doctor", "--json", "--config", config}, args...)...)
	if err := json.Unmarshal([]byte(res.out), &r); err != nil {
		t.Fatalf("exit %d, %s: %v", res.code, res.err, err)
	}
	return r, res
}

// finding is what was found of one thing.
func finding(t *testing.T, r doctor.Report, area, of string) doctor.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.Area == area && f.Of == of {
			return f
		}
	}
	t.Fatalf("nothing is said of %s %s in %+v", area, of, r.Findings)
	return doctor.Finding{}
}

func TestDoctor_NamesWhatDoesNotWorkWithARemedyAndNoSecret(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	path, dataDir := write(t, fmt.Sprintf(`site: lisbon
node: n1
nats: {listen: '%s', leaf: {remotes: [{url: 'nats-leaf://u:hunter2@127.0.0.1:1'}]}}
http: {listen: ''}
stream: {max_bytes: 64MiB}
cameras:
  - {id: gone, url: 'rtsp://u:hunter2@127.0.0.1:1/x'}
bridges:
  - {name: cache, redis: {url: 'redis://u:hunter2@127.0.0.1:1'}}
  - {name: broker, rabbitmq: {url: 'amqp://u:hunter2@127.0.0.1:1'}}
  - {name: topics, mqtt: {url: 'mqtt://u:hunter2@127.0.0.1:1'}}
`, taken.Addr()))
	r, res := examine(t, path)
	if res.code != exitFailed || r.Status != doctor.Fail || r.Running {
		t.Errorf("exit %d, %s, running %v", res.code, r.Status, r.Running)
	}
	if strings.Contains(res.out+res.err, "hunter2") {
		t.Error("a secret is shown")
	}
	for _, f := range r.Findings {
		if f.What == "" || (f.Status != doctor.OK) != (f.Remedy != "") {
			t.Errorf("%+v: a remedy belongs to what is not ok, and to that alone", f)
		}
	}
	for _, of := range [][2]string{{"camera", "gone"}, {"port", "nats.listen"}, {"bridge", "cache"}, {"bridge", "broker"}, {"bridge",
		"topics"}, {"link", "127.0.0.1:1"}} {
		if f := finding(t, r, of[0], of[1]); f.Status != doctor.Fail {
			t.Errorf("%+v, want it to fail", f)
		}
	}
	for _, of := range [][2]string{{"disk", "speed"}, {"payload", "nats"}, {"ffmpeg", ""}} {
		if f := finding(t, r, of[0], of[1]); f.Status == doctor.Fail || f.Figures == nil {
			t.Errorf("%+v, want it not to fail, with figures", f)
		}
	}
	if _, err := os.Stat(dataDir); err == nil {
		t.Error("the data directory was created")
	}
}

// TestDoctor_LeavesCamerasOfARunningNodeInPeace has a node read a camera, and the doctor measure it with and without a connection of its
// own. A second camera, of which the node has no picture, is nobody's.
func TestDoctor_LeavesCamerasOfARunningNodeInPeace(t *testing.T) {
	camera := harness.StartRTSP(t, harness.RTSPOptions{Width: 320, Height: 240, FPS: 10, GOP: 10})
	server := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	redis := harness.StartRedis(t, harness.RedisOptions{})
	path, _ := write(t, fmt.Sprintf(`site: lisbon
node: n1
nats: {listen: '%s'}
http: {listen: '127.0.0.1:%d'}
stream: {max_bytes: 64MiB}
cameras:
  - {id: dock, url: '%s', mode: copy}
  - {id: gone, url: 'rtsp://127.0.0.1:1/x'}
bridges:
  - {name: cache, redis: {url: '%s'}}
`, server, harness.FreePort(t), camera.URL(), redis.URL()))
	startRun(t, path)
	harness.WaitFor(t, 20*time.Second, "the camera to be up, the other to have failed", func() bool {
		nc, err := nats.Connect(server)
		if err != nil {
			return false
		}
		defer nc.Close()
		all, err := statuses[schema.CameraStatus](t.Context(), nc, schema.BucketCameras)
		return err == nil && all["lisbon.dock"].State == schema.CameraUp && all["lisbon.gone"].State == schema.CameraBackoff &&
			all["lisbon.gone"].Error != ""
	})
	r, _ := examine(t, path)
	if !r.Running {
		t.Error("the node is not seen")
	}
	f := finding(t, r, "camera", "dock")
	if f.Status != doctor.OK || f.Figures["from"] != "node" || f.Figures["width"] != 320.0 || f.Figures["fps"].(float64) < 7 {
		t.Errorf("%+v", f)
	}
	if f := finding(t, r, "bridge", "cache"); f.Status != doctor.OK {
		t.Errorf("%+v", f)
	}
	for _, of := range []string{"nats.listen", "http.listen"} {
		if f := finding(t, r, "port", of); f.Status != doctor.OK || !strings.Contains(f.What, "running node's") {
			t.Errorf("%+v", f)
		}
	}
	if f := finding(t, r, "clock", "of site lisbon"); f.Status != doctor.OK {
		t.Errorf("%+v", f)
	}
	r, _ = examine(t, path, "--connect")
	f = finding(t, r, "camera", "dock")
	if f.Figures["from"] != "camera" || f.Figures["codec"] != "h264" || f.Figures["keyframe_seconds"].(float64) != 1 {
		t.Errorf("%+v", f)
	}
}

// TestDoctor_AsksBeforeItConnectsToCamerasOfACluster has no node to ask, where another one may read the camera.
func TestDoctor_AsksBeforeItConnectsToCamerasOfACluster(t *testing.T) {
	path, _ := write(t, `site: lisbon
node: n1
nats: {listen: '127.0.0.1:0', cluster: {name: lisbon, listen: '127.0.0.1:0', routes: ['nats://127.0.0.1:1']}}
http: {listen: ''}
stream: {max_bytes: 64MiB}
cameras:
  - {id: gone, url: 'rtsp://127.0.0.1:1/x'}
`)
	r, _ := examine(t, path)
	if f := finding(t, r, "camera", "gone"); f.Status != doctor.Warn || !strings.Contains(f.Remedy, "--server") {
		t.Errorf("%+v", f)
	}
	r, _ = examine(t, path, "--connect")
	if f := finding(t, r, "camera", "gone"); f.Status != doctor.Fail {
		t.Errorf("%+v, want it to have been connected to", f)
	}
}

// startRun runs a node in this process until the test ends.
func startRun(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var out output
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, nil, []string{"run", "--config", path}, console{out: &out, err: &out}) }()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("the node ended with %d: %s", code, &out)
		}
	})
}
