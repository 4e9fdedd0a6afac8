package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// env looks variables up in pairs of name and value.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// parse reads text that must be valid.
func parse(t *testing.T, text string, vars ...string) (*config.Config, []config.Warning) {
	t.Helper()
	c, warnings, err := config.Parse("f.yaml", []byte(text), env(vars...))
	if err != nil {
		t.Fatalf("got error:\n%v\nwant none for:\n%s", err, text)
	}
	return c, warnings
}

// problems reads text that must be refused, and returns the problems one a line.
func problems(t *testing.T, text string, vars ...string) []string {
	t.Helper()
	c, _, err := config.Parse("f.yaml", []byte(text), env(vars...))
	if list := new(config.Error); !errors.As(err, &list) || c != nil {
		t.Fatalf("got configuration %v and error %v, want an *Error alone for:\n%s", c != nil, err, text)
	}
	return strings.Split(err.Error(), "\n")
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func diff(a, b *config.Config) string {
	return cmp.Diff(a, b, cmpopts.IgnoreUnexported(config.Config{}))
}

const sample = `
site: lisbon                   # default local
node: gate-7                   # default the host name
data_dir: /var/lib/edge-video  # default ./data
nats:
  listen: 127.0.0.1:4222       # "" = in-process only
  config: ""                   # a plain nats-server.conf for accounts, TLS, websocket, MQTT
  leaf:    {listen: "", remotes: [{url: "tls://hub:7422", credentials: site.creds}]}
  cluster: {name: "", listen: "", routes: []}
stream:
  max_age: 6h
  max_bytes: 10GiB
  sync: 2s                     # or always, or async
  replicas: 1
hub:    {mirror: false, max_age: 24h, max_bytes: 5GiB}   # per site
capture:                       # defaults for every camera
  mode: jpeg
  fps: 10
  quality: 5                   # FFmpeg scale, 2 best to 31
  width: 0                     # 0 = as the camera sends it
  stall_timeout: 15s
  hwaccel: none                # none | auto | cuda | vaapi | qsv | ...
  starts_per_second: 10        # so that a fleet does not start all at once
  max_frame: 4MiB
  queue_bytes: 16MiB           # per camera, drops the oldest
cameras:
  - id: dock-1
    url: rtsp://10.0.0.5:554/stream1
    username: viewer
    password_file: dock-1.secret
bridges:
  - name: broker               # also the durable consumer's name
    cameras: ["*"]             # *, an id, or <site>.<id> on a hub
    start: oldest              # where a new bridge begins: oldest still held, or newest
    order: oldest
    breaker: {failures: 5, open: 2s, max_open: 1m}
    rabbitmq: {url: "${RABBITMQ_URL}", exchange: cameras, routing_key: "camera.{camera}", persistent: true}
  - name: cache
    redis:    {url: "${REDIS_URL}", key: "frames:{camera}:{unixnano}", ttl: 5m}
http:   {listen: 127.0.0.1:8080}
log:    {level: info, format: tint}   # or json
`

func TestLoad_SampleGivesEveryKey(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "site.creds", "creds")
	write(t, "dock-1.secret", "p@ss\n")
	path := write(t, "edge-video.yaml", sample)
	got, warnings, err := config.Load(path, env("RABBITMQ_URL", "amqp://u:p@broker/cam", "REDIS_URL", "redis://cache:6379/1"))
	if err != nil || len(warnings) != 0 {
		t.Fatalf("got warnings %v and error %v, want none", warnings, err)
	}
	want := config.Default()
	want.Site, want.Node, want.DataDir = "lisbon", "gate-7", "/var/lib/edge-video"
	want.NATS.Leaf.Remotes = []config.Remote{{URL: "tls://hub:7422", Credentials: "site.creds"}}
	want.Cameras = []config.Camera{{
		ID: "dock-1", URL: "rtsp://10.0.0.5:554/stream1", Username: "viewer", Password: "p@ss", PasswordFile: "dock-1.secret",
		Reading: config.Reading{Mode: "jpeg", FPS: 10, Quality: 5, StallTimeout: 15 * time.Second, HWAccel: "none",
			RTSPTransport: "tcp", InputArgs: []string{}, OutputArgs: []string{}, MaxFrame: 4 * config.MiB, QueueBytes: 16 * config.MiB},
	}}
	breaker := config.Breaker{Failures: 5, Open: 2 * time.Second, MaxOpen: time.Minute}
	want.Bridges = []config.Bridge{{
		Name: "broker", Source: "frames", Cameras: []string{"*"}, Workers: "one", InNode: true, Start: "oldest", Order: "oldest", Breaker: breaker, Timeout: 10 * time.Second,
		RabbitMQ: &config.RabbitMQ{URL: "amqp://u:p@broker/cam", Exchange: "cameras", RoutingKey: "camera.{camera}", Overrides: []config.Override{},
			Body: "picture", Declare: true, Persistent: true},
	}, {
		Name: "cache", Source: "frames", Cameras: []string{"*"}, Workers: "one", InNode: true, Start: "oldest", Order: "oldest", Breaker: breaker, Timeout: 10 * time.Second,
		Redis: &config.Redis{URL: "redis://cache:6379/1", Addresses: []string{}, Key: "frames:{camera}:{unixnano}", TTL: config.TTL(5 * time.Minute), TTLMin: time.Minute, TTLMax: 10 * time.Minute,
			Metadata: config.Metadata{MaxLen: 10_000}},
	}}
	if d := diff(got, want); d != "" {
		t.Errorf("sample, -got +want:\n%s", d)
	}
	if got := got.Bridges[0].RabbitMQ.Constants()["vhost"]; got != "cam" {
		t.Errorf("vhost: got %q, want cam", got)
	}
}

func TestLoad_EmptyFileIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "---\nnats:\nsite:\n...\n", "{}", "null", "cameras: ~\nbridges: []"} {
		got, warnings := parse(t, text)
		if d := diff(got, config.Default()); d != "" {
			t.Errorf("%q, -got +want:\n%s", text, d)
		}
		if len(warnings) != 2 {
			t.Errorf("%q: got warnings %v, want one for cameras and one for bridges", text, warnings)
		}
	}
}

func TestLoad_UnreadableFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	large := write(t, filepath.Join(dir, "large"), strings.Repeat("#", 2<<20))
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot be read: no such file or directory; name a readable YAML file",
		dir:                             "cannot be read: is a directory; name a readable YAML file",
		large:                           "is larger than 1MiB; name a readable YAML file",
	} {
		_, _, err := config.Load(path, env())
		if list := new(config.Error); !errors.As(err, &list) || err.Error() != path+": "+want {
			t.Errorf("got %v, want %s: %s", err, path, want)
		}
	}
}

func TestLoad_CamerasInheritCapture(t *testing.T) {
	got, _ := parse(t, `
cameras:
  - {id: a, url: "lavfi:testsrc2"}
  - {id: b, url: "lavfi:testsrc2", fps: 0.5, stall_timeout: 4s, queue_bytes: 9MB}
capture: {fps: 2, width: 640, mode: jpeg}
`)
	want := config.Default().Capture.Reading
	want.FPS, want.Width = 2, 640
	if d := cmp.Diff(got.Cameras[0].Reading, want); d != "" {
		t.Errorf("camera without keys, -got +want:\n%s", d)
	}
	want.FPS, want.StallTimeout, want.QueueBytes = 0.5, 4*time.Second, 9_000_000
	if d := cmp.Diff(got.Cameras[1].Reading, want); d != "" {
		t.Errorf("camera with keys, -got +want:\n%s", d)
	}
}

func TestLoad_AnchorsAndMergesWork(t *testing.T) {
	got, _ := parse(t, `
cameras:
  - &first
    id: a
    url: &url "lavfi:testsrc2"
    fps: 3
    width: 640
  - &second
    <<: *first
    id: b
    width: 320
  - <<: [*second, *first]
    id: c
  - {id: d, url: *url}
`)
	for i, want := range []string{"a 3 640", "b 3 320", "c 3 320", "d 10 0"} {
		c := got.Cameras[i]
		if c.URL != "lavfi:testsrc2" {
			t.Errorf("url: got %q, want that of the anchor", c.URL)
		}
		if got := strings.Join([]string{c.ID, number(c.FPS), number(float64(c.Width))}, " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestProblem_NamesTheLineOfKeyOrSection(t *testing.T) {
	c, _ := parse(t, "site: a\nstream:\n  max_age: 1h\ncameras:\n  - id: x\n    url: 'file:/x'\n")
	for path, want := range map[string]string{
		"stream.max_age":  "f.yaml:3: stream.max_age: bad; mend",
		"stream.max_byte": "f.yaml:2: stream.max_byte: bad; mend",
		"cameras[0].fps":  "f.yaml:5: cameras[0].fps: bad; mend",
		"cameras[0].url":  "f.yaml:6: cameras[0].url: bad; mend",
		"http.listen":     "f.yaml: http.listen: bad; mend",
	} {
		if got := c.Problem(path, "bad", "mend").Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, want := config.Default().Problem("http.listen", "bad", "").Error(), "http.listen: bad"; got != want {
		t.Errorf("without a file: got %s, want %s", got, want)
	}
}
