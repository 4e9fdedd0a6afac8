package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// result is what a command line came to.
type result struct {
	code     int
	out, err string
}

// execute runs one command line in this process; run commands end after a while by themselves.
func execute(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	code := run(ctx, nil, args, console{out: &out, err: &err})
	return result{code, out.String(), err.String()}
}

// write makes a configuration file whose data_dir must not come to exist.
func write(t *testing.T, text string) (path, dataDir string) {
	t.Helper()
	dir := t.TempDir()
	path, dataDir = filepath.Join(dir, "node.yaml"), filepath.Join(dir, "data")
	text = fmt.Sprintf("data_dir: %s\n", dataDir) + text
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, dataDir
}

// TestRun_BadConfigurationNamesCulpritAndRemedy holds every fault of a file to exit code 2, a message with line, key and remedy, and
// nothing created.
func TestRun_BadConfigurationNamesCulpritAndRemedy(t *testing.T) {
	for _, c := range []struct{ name, yaml, want string }{
		{"unknown key", "cameraz: []\n", "node.yaml:2: cameraz: "},
		{"wrong type", "stream:\n  replicas: many\n", "node.yaml:3: stream.replicas: "},
		{"duplicate camera", "cameras:\n  - {id: a, url: 'rtsp://h/1'}\n  - {id: a, url: 'rtsp://h/2'}\n", "node.yaml:4: cameras[1].id: "},
		{"id with a dot", "cameras:\n  - {id: a.b, url: 'rtsp://h/1'}\n", "node.yaml:3: cameras[0].id: "},
		{"id with a space", "cameras:\n  - {id: a b, url: 'rtsp://h/1'}\n", "node.yaml:3: cameras[0].id: "},
		{"negative fps", "capture: {fps: -1}\n", "node.yaml:2: capture.fps: "},
		{"stream beyond the disk", "stream: {max_bytes: 100000GiB}\n", "node.yaml:2: stream.max_bytes: "},
		{"frame cap above the payload limit", "capture: {max_frame: 1GiB, queue_bytes: 2GiB}\n", "node.yaml:2: capture.max_frame: "},
		{"secret file", "cameras:\n  - {id: a, url: 'rtsp://h/1', username: u, password_file: /nowhere/secret}\n", "/nowhere/secret"},
		{"unset variable", "site: ${NOT_SET_ANYWHERE}\n", "NOT_SET_ANYWHERE"},
		{"unsupported scheme", "cameras:\n  - {id: a, url: 'gopher://h/1'}\n", "node.yaml:3: cameras[0].url: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, dataDir := write(t, c.yaml)
			for _, command := range []string{"run", "check"} {
				r := execute(t, command, "--config", path)
				if r.code != exitUsage || !strings.Contains(r.err, c.want) || !strings.Contains(r.err, "; ") {
					t.Errorf("%s: exit %d, want %d; message %q, want it to contain %q and a remedy", command, r.code, exitUsage, r.err, c.want)
				}
			}
			if _, err := os.Stat(dataDir); err == nil {
				t.Error("the data directory was created")
			}
		})
	}
}

// TestRun_WorldsFaultExitsOne holds faults that are not the configuration's to exit code 1 and a message with a remedy.
func TestRun_WorldsFaultExitsOne(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	quiet := "nats: {listen: '127.0.0.1:0'}\nhttp: {listen: '127.0.0.1:0'}\n"
	for _, c := range []struct {
		name, yaml string
		args       []string
		want       []string
		creates    bool
	}{
		{name: "NATS port in use", yaml: "http: {listen: ''}\nnats: {listen: '" + taken.Addr().String() + "'}\n",
			want: []string{"nats.listen", taken.Addr().String(), "give another address"}},
		{name: "HTTP port in use", yaml: "nats: {listen: ''}\nhttp: {listen: '" + taken.Addr().String() + "'}\n",
			want: []string{"http.listen", taken.Addr().String(), "give another address"}},
		{name: "missing ffmpeg", yaml: quiet + "cameras:\n  - {id: a, url: 'lavfi:testsrc2'}\n", args: []string{"--ffmpeg", "/nowhere/ffmpeg"},
			want: []string{"/nowhere/ffmpeg", "install FFmpeg"}},
		{name: "data directory in use", yaml: quiet, want: []string{"in use by another node", "its own data_dir"}, creates: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, dataDir := write(t, c.yaml)
			if c.creates {
				lock(t, dataDir)
			}
			r := execute(t, append([]string{"run", "--config", path}, c.args...)...)
			if r.code != exitFailed {
				t.Errorf("exit %d, want %d", r.code, exitFailed)
			}
			for _, w := range c.want {
				if !strings.Contains(r.err, w) {
					t.Errorf("message %q does not contain %q", r.err, w)
				}
			}
			if _, err := os.Stat(dataDir); err == nil && !c.creates {
				t.Error("the data directory was created")
			}
		})
	}
}

// lock holds a data directory as a running node does.
func lock(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
}

// TestCheck_ShowsWhatTheConfigurationComesTo prints configuration, command lines and horizon, and no secret.
func TestCheck_ShowsWhatTheConfigurationComesTo(t *testing.T) {
	const secret = "p@ss:w/rd#%?&+ é"
	t.Setenv("CAMERA_PASSWORD", secret)
	path, dataDir := write(t, `cameras:
  - {id: dock-1, url: 'rtsp://10.0.0.5:554/stream1', username: viewer, password: '${CAMERA_PASSWORD}'}
  - {id: gate, url: 'rtsp://user:hunter2@10.0.0.6/stream1', mode: copy, fps: 5}
bridges:
  - {name: broker, rabbitmq: {url: 'amqp://guest:sesame@10.0.0.7'}}
  - {name: cache, workers: shared, redis: {url: 'redis://:sesame@10.0.0.8', key: '{prefix}{camera}:{unixnano}', prefix: 'p:'}}
  - {name: topics, in_node: false, mqtt: {url: 'mqtt://guest:sesame@10.0.0.9'}}
  - {name: keys, source: stored, of: cache, rabbitmq: {url: 'amqp://guest:sesame@10.0.0.7', exchange: keys, body: key}}
  - {name: states, source: events, rabbitmq: {url: 'amqp://guest:sesame@10.0.0.7', routing_key: states, body: status}}
`)
	r := execute(t, "check", "--config", path)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	for _, w := range []string{"site: local", "# camera dock-1", "goes to standard input", "-c:v copy", "# Horizon", "An outage of",
		"\nbroker: to RabbitMQ amqp://guest:***@10.0.0.7, exchange cameras, routing key camera.{camera}; by the node, workers: one\n",
		"\ncache: to Redis redis://***@10.0.0.8, key p:{camera}:{unixnano}, for 5m; by the node and edge-video bridge, workers: shared\n",
		"\ntopics: to MQTT mqtt://guest:***@10.0.0.9, topic cameras/{camera}; by edge-video bridge alone, workers: one\n",
		"\nkeys: key of what cache keeps, to RabbitMQ amqp://guest:***@10.0.0.7, exchange keys, routing key camera.{camera}; by the node, workers: one\n",
		"\nstates: states of cameras, to RabbitMQ amqp://guest:***@10.0.0.7, exchange cameras, routing key states; by the node, workers: one\n", "warning: ", "is valid"} {
		if !strings.Contains(r.out, w) {
			t.Errorf("the output does not contain %q:\n%s", w, r.out)
		}
	}
	for _, s := range []string{secret, "p%40ss", "hunter2", "sesame"} {
		if strings.Contains(r.out+r.err, s) {
			t.Errorf("the output shows %q", s)
		}
	}
	if _, err := os.Stat(dataDir); err == nil {
		t.Error("check created the data directory")
	}
}

func TestUsage_WrongCommandLineExitsTwo(t *testing.T) {
	for _, args := range [][]string{{"fly"}, {"run"}, {"run", "--config"}, {"version", "--loud"}} {
		if r := execute(t, args...); r.code != exitUsage || r.err == "" {
			t.Errorf("%v: exit %d with message %q, want %d and a message", args, r.code, r.err, exitUsage)
		}
	}
	for _, args := range [][]string{{}, {"--help"}, {"run", "--help"}, {"version"}} {
		if r := execute(t, args...); r.code != 0 || r.out == "" {
			t.Errorf("%v: exit %d with output %q", args, r.code, r.out)
		}
	}
}
