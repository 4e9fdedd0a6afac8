package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// printed is a value in every form in which it may meet people.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %s %q %x", v, v, v, v, v, v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		out, err := marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(out)
	}
	return b.String()
}

func TestSecret_NoOutputShowsIt(t *testing.T) {
	c, _ := parse(t, `
site: a
nats: {leaf: {remotes: [{url: "tls://hunter2@hub"}, {url: "tls://u:hunter2@other", proxy: {url: "http://u:hunter2@proxy"}}]}, cluster: {name: a, listen: "127.0.0.1:1", routes: ["nats://u:hunter2@h"]}}
cameras:
  - {id: a, url: "rtsp://h/x", username: u, password: hunter2}
  - {id: b, url: "rtsp://u:hunter2@h/x?password=hunter2"}
bridges:
  - {name: q, rabbitmq: {url: "amqp://u:hunter2@h/v"}}
  - {name: r, redis: {url: "redis://:hunter2@h/v"}}
  - {name: m, mqtt: {url: "mqtt://u:hunter2@h"}}
`)
	out, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	hex := fmt.Sprintf("%x", "hunter2")
	for name, text := range map[string]string{"config": printed(t, *c), "YAML": string(out), "camera": printed(t, c.Cameras[0]),
		"secret": printed(t, c.Cameras[0].Password), "url": printed(t, c.Cameras[1].URL)} {
		if strings.Contains(text, "hunter2") || strings.Contains(text, hex) {
			t.Errorf("%s shows the secret: %s", name, text)
		}
	}
	if got := config.Secret("").String(); got != "" {
		t.Errorf("empty secret: got %q, want it empty", got)
	}
}

func TestURL_MasksSecretsAlone(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"rtsp://h:554/x?channel=1":             "rtsp://h:554/x?channel=1",
		"rtsp://u:p@h:554/x":                   "rtsp://u:***@h:554/x",
		"rtsp://u:p/q?r#s@t@h/x":               "rtsp://u:***@h/x",
		"rtsp://u:%zz@h/x":                     "rtsp://u:***@h/x",
		"rtsp://u:p:q@h:port/x":                "rtsp://u:***@h:port/x",
		"tls://token@h":                        "tls://***@h",
		"redis://:p@h/0":                       "redis://***@h/0",
		"http://h/x?user=a&Password=b=c":       "http://h/x?user=***&Password=***",
		"http://h/x?a=1&pass=x@y&b=2":          "http://h/x?a=1&pass=***&b=2",
		"http://h/x?p%61ss=x&b=2":              "http://h/x?p%61ss=***&b=2",
		"rtsp://h/user=a&password=b&channel=1": "rtsp://h/user=***&password=***&channel=1",
		"srt://h:1?passphrase=x&mode=caller":   "srt://h:1?passphrase=***&mode=caller",
		"udp://@239.0.0.1:1234":                "udp://@239.0.0.1:1234",
		"file:/a@b:c/clip.mp4":                 "file:/a@b:c/clip.mp4",
		"v4l2:/dev/video0":                     "v4l2:/dev/video0",
		"lavfi:color=red@0.5:size=640x360":     "lavfi:color=red@0.5:size=640x360",
		"lavfi:movie=rtsp\\://u\\:p@h":         "***",
		"u:p@h/x":                              "***",
		"hunter2":                              "***",
		"rtsp:u:p@h":                           "***",
	} {
		if got := config.URL(text).String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if got := config.URL(text).Reveal(); got != text {
			t.Errorf("Reveal: got %s, want %s", got, text)
		}
	}
}

func TestURL_PublicHasNoUser(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "",
		"rtsp://u:p@h:554/x":                "rtsp://h:554/x",
		"rtsp://u:p@q/r@h:554/x":            "rtsp://h:554/x",
		"rtsp://u@h/x?channel=1&token=t":    "rtsp://h/x?channel=1&token=***",
		"amqp://h:5672/v":                   "amqp://h:5672/v",
		"udp://@239.0.0.1:1234":             "udp://@239.0.0.1:1234",
		"file:///a@b/clip.mp4":              "file:///a@b/clip.mp4",
		"lavfi:color=red@0.5:size=640x360":  "lavfi:color=red@0.5:size=640x360",
		"http://h/user=a&password=b&camera": "http://h/user=***&password=***&camera",
		"u:p@h":                             "***",
	} {
		if got := config.URL(text).Public(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestParse_NoMessageShowsASecret(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "url"), "amqp://u:hunter2 @h:hunter2/")
	for _, text := range []string{
		"cameras: [{id: a, url: 'rtsp://u:hunter2@h:hunter2/%zz'}]",
		"cameras: [{id: a, url: 'rtsp://u:hunter2 x@h'}]",
		"cameras: [{id: a, url: \"rtsp://u:hunter2\\x01@h\"}]",
		"cameras: [{id: a, url: 'ftp://u:hunter2@h'}]",
		"cameras: [{id: a, url: 'rtsp://u:hunter2/@'}]",
		"cameras: [{id: a, url: hunter2}]",
		"cameras: [{id: a, url: 'u:hunter2@h'}]",
		"cameras: [{id: a, url: [hunter2]}]",
		"cameras: [{id: a, url: 'rtsp://u:hunter2@h', username: u, password: hunter2}]",
		"cameras: [{id: a, url: 'rtsp://h', password: hunter2}]",
		"cameras: [{id: a, url: 'rtsp://h', username: u, password: [hunter2]}]",
		"cameras: [{id: a, url: 'rtsp://h', username: u, password: {hunter2: x}}]",
		"cameras: [{id: a, url: 'rtsp://h', username: u, password: 'x${hunter2 y'}]",
		"cameras: [{id: a, url: 'rtsp://h', username: u, password: 'x${hunter2 y}'}]",
		"cameras:\n  - id: a\n    password: !hunter2",
		"cameras:\n  - id: a\n    password: !hunter2 x",
		"cameras:\n  - id: a\n    password: &hunter2",
		"cameras:\n  - id: a\n    password: *hunter2",
		"cameras:\n  - id: a\n    password: |hunter2",
		"cameras:\n  - id: a\n    password: >hunter2",
		"cameras:\n  - id: a\n    password: %hunter2",
		"cameras:\n  - id: a\n    password: @hunter2",
		"cameras:\n  - id: a\n    password: 'hunter2",
		"cameras:\n  - id: a\n    password: \"hunter2",
		"cameras:\n  - id: a\n    password: \"hunter2\" x",
		"cameras:\n  - id: a\n    password: [hunter2",
		"cameras:\n  - id: a\n    password: {hunter2",
		"cameras:\n  - id: a\n    password: a: hunter2",
		"cameras:\n  - id: a\n    password: hunter2\n  b",
		"bridges: [{name: q, rabbitmq: {url: 'amqp://u:hunter2@h:1:2'}}]",
		"bridges: [{name: q, rabbitmq: {url: 'http://u:hunter2@h'}}]",
		"bridges: [{name: q, rabbitmq: {url: 'amqp://u:hunter2@'}}]",
		"bridges: [{name: q, rabbitmq: {url_file: '${FILE}'}}]",
		"bridges: [{name: q, redis: {url: '${PASSWORD}'}}]",
		"bridges: [{name: q, mqtt: {url: 'mqtt://u:hunter2@h:1:2'}}]",
		"bridges: [{name: q, mqtt: {url: 'mqtt://u:hunter2@h/x'}}]",
		"bridges: [{name: q, mqtt: {url: 'http://u:hunter2@h'}}]",
		"site: a\nnats: {leaf: {remotes: [{url: 'tls://hunter2@h:x'}]}}",
	} {
		_, warnings, err := config.Parse("f.yaml", []byte(text), env("FILE", file, "PASSWORD", "hunter2"))
		if err == nil {
			t.Errorf("%s\ngot no error, want one", text)
			continue
		}
		if all := fmt.Sprintf("%v %#v %+v %v", err, err, err, warnings); strings.Contains(all, "hunter2") {
			t.Errorf("%s\ngot %s, want it without the secret", text, all)
		}
	}
}

func TestParse_SecretsComeFromFiles(t *testing.T) {
	dir := t.TempDir()
	url := write(t, filepath.Join(dir, "url"), "redis://:p@h\r\n")
	password := write(t, filepath.Join(dir, "password"), " x\n\n")
	c, warnings := parse(t, "cameras: [{id: a, url: 'rtsp://h', username: u, password_file: '${P}'}]\nbridges: [{name: r, redis: {url_file: '${U}'}}]",
		"P", password, "U", url)
	if got, want := c.Cameras[0].Password.Reveal(), " x\n"; got != want {
		t.Errorf("password: got %q, want the file's but for one line end, %q", got, want)
	}
	if got, want := c.Bridges[0].Redis.URL.Reveal(), "redis://:p@h"; got != want {
		t.Errorf("url: got %q, want %q", got, want)
	}
	if len(warnings) != 0 {
		t.Errorf("got warnings %v, want none", warnings)
	}
}

func TestParse_ACamerasAddressComesFromAFile(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "url"), "rtsp://h/x?token=hunter2\n")
	c, warnings := parse(t, "cameras: [{id: a, url_file: '${U}'}]\n"+sink, "U", file)
	if got, want := c.Cameras[0].URL.Reveal(), "rtsp://h/x?token=hunter2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(warnings) != 0 {
		t.Errorf("got warnings %v, want none: the secret is not in the file", warnings)
	}
}
