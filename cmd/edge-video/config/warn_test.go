package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

func TestParse_WarnsOfWhatHasNoEffect(t *testing.T) {
	const source = "\n    url: 'rtsp://h/x'\n"
	for name, c := range map[string]struct {
		text string
		want []string // beginnings
	}{
		"empty": {"", []string{"f.yaml: cameras: no camera is configured", "f.yaml: bridges: no bridge is configured"}},
		"keys of copy": {"cameras:\n  - id: a" + source + "    mode: copy\n    fps: 3\n    quality: 3\n    width: 640\n    hwaccel: auto\n" + sink,
			[]string{"f.yaml:5: cameras[0].fps: has no effect in mode copy; remove it", "f.yaml:6: cameras[0].quality: ", "f.yaml:7: cameras[0].width: ",
				"f.yaml:8: cameras[0].hwaccel: "}},
		"keys of keyframes": {"cameras:\n  - id: a" + source + "    mode: keyframes\n    fps: 3\n    quality: 3\n" + sink,
			[]string{"f.yaml:5: cameras[0].fps: has no effect in mode keyframes"}},
		"keys of capture": {"capture:\n  mode: copy\n  fps: 5\n  quality: 3\ncameras:\n  - id: a" + source + "  - id: b" + source + "    mode: keyframes\n" + sink,
			[]string{"f.yaml:3: capture.fps: has no effect in mode copy; remove it"}},
		"keys of capture in use":   {"capture:\n  mode: copy\n  fps: 5\n  quality: 3\ncameras:\n  - id: a" + source + "    mode: jpeg\n" + sink, nil},
		"plain password":           {cam("username: u\npassword: x") + sink, []string{"f.yaml:5: cameras[0].password: stands in the file in plain text; write password_file"}},
		"plain sentinel password":  {cache("url: redis://h\nsentinel: {master: m, password: x}"), []string{"f.yaml:6: bridges[0].redis.sentinel.password: stands in the file in plain text; write password_file"}},
		"plain password in url":    {"cameras: [{id: a, url: 'rtsp://u:p@h'}]\n" + sink, []string{"f.yaml:1: cameras[0].url: holds user or password in plain text"}},
		"plain password of a sink": {oneCamera + strings.Replace(sink, "redis://h", "redis://u:p@h", 1), []string{"f.yaml:2: bridges[0].redis.url: holds user or password"}},
		"password from variable":   {cam("username: u\npassword: ${P}") + sink, nil},
		"password of url variable": {"cameras: [{id: a, url: 'rtsp://u:${P}@h'}]\n" + sink, nil},
		"key without epoch":        {oneCamera + strings.Replace(sink, "}}", ", key: '{camera}:{seq}'}}", 1), []string{"f.yaml:2: bridges[0].redis.key: has {seq} without {epoch}"}},
		"key of few bits":          {oneCamera + strings.Replace(sink, "}}", ", key: '{camera}:{seq}:{uuid}'}}", 1), []string{"f.yaml:2: bridges[0].redis.key: tells frames apart by the 32 bits of {uuid} alone"}},
		"camera of another site":   {oneCamera + strings.Replace(sink, "name", "cameras: [porto.a], name", 1), []string{`f.yaml:2: bridges[0].cameras[0]: no frame of "porto.a" can come`}},
		"camera of no node":        {oneCamera + strings.Replace(sink, "name", "cameras: [local.b], name", 1), []string{`f.yaml:2: bridges[0].cameras[0]: no frame of "local.b" can come`}},
		"camera of the cluster":    {"nats: {cluster: {name: a, listen: '127.0.0.1:1'}}\n" + oneCamera + strings.Replace(sink, "name", "cameras: [local.b], name", 1), nil},
		"transport of HTTP":        {"cameras: [{id: a, url: 'http://h', rtsp_transport: udp}]\n" + sink, []string{"f.yaml:1: cameras[0].rtsp_transport: has no effect with http; remove it"}},
		"transport of RTSPS":       {"cameras: [{id: a, url: 'rtsps://h', rtsp_transport: udp}]\n" + sink, []string{"f.yaml:1: cameras[0].rtsp_transport: has no effect with rtsps, which is TCP"}},
		"open password of a remote": {"site: a\nnats: {leaf: {remotes: [{url: 'nats-leaf://u:${P}@h'}]}}\n" + "cameras: [{id: a, url: 'lavfi:testsrc2'}]\n" + sink,
			[]string{"f.yaml:2: nats.leaf.remotes[0].url: sends a password unencrypted; write tls or wss"}},
		"plain token": {oneCamera + sink + "registration: {url: 'http://h', token: t}", []string{"f.yaml:3: registration.token: stands in the file in plain text; write token_file",
			"f.yaml:3: registration.url: sends credentials unencrypted; write https"}},
		"token from variable":     {oneCamera + sink + "registration: {url: 'https://h', token: '${P}'}", nil},
		"thinning of video":       {"cameras: [{id: a, url: 'rtsp://h', mode: copy}]\n" + strings.Replace(sink, "name", "fps: 2, name", 1), []string{"f.yaml:2: bridges[0].fps: of camera a, in mode copy, the bridge delivers keyframes alone"}},
		"age beyond the stream's": {oneCamera + strings.Replace(sink, "name", "max_age: 6h, name", 1), []string{"f.yaml:2: bridges[0].max_age: has no effect: the stream holds frames no longer than stream.max_age 6h"}},
		"camera that is not stored": {"cameras: [{id: a, url: 'rtsp://h'}, {id: c, url: 'rtsp://h'}]\nbridges:\n  - {name: b, cameras: [a], redis: {url: 'redis://h'}}\n" +
			"  - {name: k, source: stored, of: b, cameras: [c], rabbitmq: {url: 'amqp://h', body: key}}\n", []string{"f.yaml:4: bridges[1].cameras: bridge b does not take camera c"}},
		"cluster without replicas": {"nats: {cluster: {name: a, listen: '127.0.0.1:1', routes: ['nats-route://h:1']}}\n" + oneCamera + sink,
			[]string{"f.yaml: stream.replicas: is 1 in a cluster: the loss of one node can stop all of them; write 3"}},
		"transport for all":          {"capture: {rtsp_transport: udp}\n" + oneCamera + sink, nil},
		"nothing of note in default": {oneCamera + sink, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, got := parse(t, c.text, "P", "secret")
			same := slices.EqualFunc(got, c.want, func(w config.Warning, want string) bool { return strings.HasPrefix(w.String(), want) })
			if !same {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}

const sink = "bridges: [{name: b, redis: {url: 'redis://h'}}]\n"
