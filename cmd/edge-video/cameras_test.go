package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func TestCameras_ShowsWhatTheNodeSays(t *testing.T) {
	server := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	path, _ := write(t, fmt.Sprintf(`site: lisbon
node: n1
nats: {listen: '%s'}
http: {listen: ''}
stream: {max_bytes: 64MiB}
cameras:
  - {id: dock, url: 'lavfi:testsrc2=size=320x240:rate=5', fps: 5}
  - {id: gone, url: 'rtsp://127.0.0.1:1/x'}
`, server))
	if r := execute(t, "cameras", "--config", path); r.code != exitFailed || !strings.Contains(r.err, "is it running?") {
		t.Errorf("without a node: exit %d, %s", r.code, r.err)
	}
	startRun(t, path)
	var lines []cameraLine
	harness.WaitFor(t, 20*time.Second, "both cameras, one with a frame", func() bool {
		lines = nil
		r := execute(t, "cameras", "--json", "--server", server)
		return r.code == 0 && json.Unmarshal([]byte(r.out), &lines) == nil && len(lines) == 2 && lines[0].FPS > 0 && lines[0].Width > 0 &&
			lines[1].Error != ""
	})
	if l := lines[0]; l.Site != "lisbon" || l.Camera != "dock" || l.State != schema.CameraUp || l.Width != 320 || l.Node != "n1" ||
		l.Latency < 0 || l.Latency > 10 || l.Captured.IsZero() || l.ContentType != schema.ContentJPEG {
		t.Errorf("%+v", l)
	}
	if l := lines[1]; l.State == schema.CameraUp || l.Width != 0 {
		t.Errorf("%+v", l)
	}
	r := execute(t, "cameras", "--config", path)
	for _, want := range []string{"1 of 2 cameras up", "lisbon.dock", "320x240", "lisbon.gone", "refused"} {
		if r.code != 0 || !strings.Contains(r.out, want) {
			t.Errorf("exit %d, %s\n%s\ndoes not contain %q", r.code, r.err, r.out, want)
		}
	}
}

// TestCamerasTable_FitsTheWindow shows what is wrong where not all has room, and nothing that a terminal would obey.
func TestCamerasTable_FitsTheWindow(t *testing.T) {
	table := camerasTable{now: time.Now(), width: 60, height: 9}
	for i := range 20 {
		table.lines = append(table.lines, cameraLine{Site: "s", Camera: fmt.Sprint(i), CameraStatus: schema.CameraStatus{State: schema.CameraUp}})
	}
	table.lines[17].State, table.lines[17].Error = schema.CameraBackoff, "\x1b[2Jlong "+strings.Repeat("é", 100)
	text := string(table.text())
	if n := strings.Count(text, "\n"); n >= table.height {
		t.Errorf("%d lines in a window of %d", n, table.height)
	}
	for line := range strings.Lines(text) {
		if len([]rune(line)) > table.width+1 {
			t.Errorf("%q is longer than the window is wide", line)
		}
	}
	if !strings.Contains(text, "s.17") || !strings.Contains(text, "and 16 more") || strings.ContainsRune(text, '\x1b') {
		t.Errorf("%s", text)
	}
}
