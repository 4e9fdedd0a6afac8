package config_test

import (
	"strings"
	"testing"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

func TestYAML_LoadsToTheSameConfiguration(t *testing.T) {
	for _, text := range []string{
		"",
		"site: '12'\nnode: 'null'\ndata_dir: \"a: b # $${c} '\\\"\\n\"\nlog: {level: debug, format: json}\n",
		"stream: {max_age: 90m, max_bytes: 500MB, sync: always}\nhub: {max_age: 1h0m1s}\nhttp: {listen: ''}\n",
		"site: a\nnats: {leaf: {remotes: [{url: 'tls://h'}]}, cluster: {name: a, listen: '127.0.0.1:1', routes: ['nats://h:1', 'tls://i']}}\n",
		"capture: {mode: copy}\ncameras: [{id: a, url: 'file:/x y'}, {id: 'true', url: 'rtsp://h/${x}', username: '1.0', mode: jpeg, fps: 0.2}]\n",
		"cameras: [{id: a, url: 'rtsp://h/x', rtsp_transport: udp, input_args: ['-headers', 'A: $${b}'], output_args: ['-bf', '-1'], masks: [{x: 0.1, y: 0, width: 0.9, height: 1e-3}]}]\n",
		header + "    rabbitmq: {url: 'amqp://h/v', persistent: false}\n  - name: c\n    cameras: [a]\n    redis: {url: 'redis://h', ttl: 1s, metadata: {stream: x}}\n",
	} {
		text = strings.ReplaceAll(text, "h/${x}", "h/$${x}")
		want, _ := parse(t, text)
		out, err := want.YAML()
		if err != nil {
			t.Fatal(err)
		}
		got, warnings := parse(t, string(out))
		if d := diff(got, want); d != "" {
			t.Errorf("-got +want:\n%s\nof:\n%s", d, out)
		}
		for _, w := range warnings {
			if strings.Contains(w.What, "no effect") {
				t.Errorf("got warning %s, want none for:\n%s", w, out)
			}
		}
	}
}

func TestYAML_MasksAndNamesFiles(t *testing.T) {
	dir := t.TempDir()
	password := write(t, dir+"/p", "secret")
	url := write(t, dir+"/u", "redis://:secret@h")
	c, _ := parse(t, `
cameras:
  - {id: a, url: "rtsp://u:secret@h/x", mode: copy}
  - {id: b, url: "rtsp://h/x", username: u, password: secret}
  - {id: c, url: "rtsp://h/x", username: u, password_file: "${P}"}
bridges: [{name: r, redis: {url_file: "${U}"}}]
`, "P", password, "U", url)
	out, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(string(out), "cameras:\n")
	got, _, _ = strings.Cut(got, "http:")
	want := `  - id: a
    url: rtsp://u:***@h/x
    mode: copy
    stall_timeout: 15s
    rtsp_transport: tcp
    input_args: []
    output_args: []
    max_frame: 4MiB
    queue_bytes: 16MiB
  - id: b
    url: rtsp://h/x
    username: u
    password: "***"
    mode: jpeg
    fps: 10
    quality: 5
    width: 0
    stall_timeout: 15s
    hwaccel: none
    rtsp_transport: tcp
    input_args: []
    output_args: []
    max_frame: 4MiB
    queue_bytes: 16MiB
  - id: c
    url: rtsp://h/x
    username: u
    password_file: ` + password + `
    mode: jpeg
    fps: 10
    quality: 5
    width: 0
    stall_timeout: 15s
    hwaccel: none
    rtsp_transport: tcp
    input_args: []
    output_args: []
    max_frame: 4MiB
    queue_bytes: 16MiB
bridges:
  - name: r
    source: frames
    of: ""
    cameras:
      - "*"
    workers: one
    in_node: true
    start: oldest
    order: oldest
    max_age: 0s
    fps: 0
    rate: 0
    breaker:
      failures: 5
      open: 2s
      max_open: 1m
    timeout: 10s
    redis:
      url_file: ` + url + `
      cluster: false
      sentinel:
        master: ""
        username: ""
        password: ""
      addresses: []
      key: frames:{camera}:{unixnano}
      vhost: ""
      prefix: ""
      ttl: 5m
      ttl_min: 1m
      ttl_max: 10m
      latest: ""
      metadata:
        stream: ""
        max_len: 10000
      tls:
        ca: ""
        certificate: ""
        key: ""
        server_name: ""
registration:
  url: ""
  bridge: ""
  namespace: ""
  retry: 1m
  timeout: 10s
  tls:
    ca: ""
    certificate: ""
    key: ""
    server_name: ""
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if _, _, err := config.Parse("effective.yaml", out, env()); err != nil {
		t.Errorf("got %v, want the effective configuration to load", err)
	}
}
