package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

func TestDiff_ListsEveryDifferenceAndNoSecret(t *testing.T) {
	const two = "cameras:\n  - {id: a, url: 'rtsp://h/1', username: u, password: '${P}'}\n  - {id: b, url: 'rtsp://h/2', mode: copy}\n"
	const bridge = "bridges: [{name: x, redis: {url: 'redis://h', ttl: 5m}}]\n"
	for name, c := range map[string]struct {
		from, to string
		want     []string
	}{
		"nothing":              {two, two, nil},
		"order":                {two, "cameras:\n  - {id: b, url: 'rtsp://h/2', mode: copy}\n  - {id: a, url: 'rtsp://h/1', username: u, password: '${P}'}\n", nil},
		"a camera's key":       {two, "cameras:\n  - {id: a, url: 'rtsp://h/1', username: u, password: '${P}', fps: 5}\n  - {id: b, url: 'rtsp://h/2', mode: copy}\n", []string{"cameras[a].fps: 10 -> 5"}},
		"a default of cameras": {two, "capture: {fps: 5}\n" + two, []string{"capture.fps: 10 -> 5", "cameras[a].fps: 10 -> 5"}},
		"a secret":             {two, "cameras:\n  - {id: a, url: 'rtsp://h/1', username: u, password: '${Q}'}\n  - {id: b, url: 'rtsp://h/2', mode: copy}\n", []string{"cameras[a].password: changed"}},
		"a secret in a url":    {"cameras: [{id: a, url: 'rtsp://u:${P}@h/1'}]\n", "cameras: [{id: a, url: 'rtsp://u:${Q}@h/1'}]\n", []string{"cameras[a].url: changed"}},
		"cameras":              {two, "cameras:\n  - {id: b, url: 'rtsp://h/2', mode: copy}\n  - {id: c, url: 'rtsp://h/3'}\n", []string{"cameras[c]: added", "cameras[a]: removed"}},
		"a sink's key":         {two + bridge, two + "bridges: [{name: x, redis: {url: 'redis://h', ttl: 1m}}]\n", []string{"bridges[x].redis.ttl: 5m -> 1m"}},
		"another bridge":       {two + bridge, two, []string{"bridges[x]: removed"}},
		"a list":               {two + bridge, two + "bridges: [{name: x, cameras: [a], redis: {url: 'redis://h', ttl: 5m}}]\n", []string{"bridges[x].cameras: [*] -> [a]"}},
		"a registration":       {two, "registration: {url: 'https://h', namespace: t}\n" + two, []string{"registration.url: added", "registration.namespace: added"}},
		"what needs a restart": {two, "stream: {max_age: 1h, sync: always}\n" + two, []string{"stream.max_age: 6h -> 1h (needs a restart of the node)", "stream.sync: 2s -> always (needs a restart of the node)"}},
		"a list of nothing":    {two, "capture: {input_args: []}\n" + two, nil},
		"what has no effect":   {"capture: {mode: copy}\ncameras: [{id: b, url: 'rtsp://h/2'}]\n", "capture: {mode: copy, fps: 5}\ncameras: [{id: b, url: 'rtsp://h/2'}]\n", nil},
		"another kind of camera": {two, "cameras:\n  - {id: a, url: 'rtsp://h/1', username: u, password: '${P}'}\n  - {id: b, url: 'rtsp://h/2', mode: jpeg}\n",
			[]string{"cameras[b].mode: copy -> jpeg"}},
	} {
		t.Run(name, func(t *testing.T) {
			from, _ := parse(t, c.from, "P", "secret", "Q", "other")
			to, _ := parse(t, c.to, "P", "secret", "Q", "other")
			var got []string
			for _, change := range config.Diff(from, to) {
				got = append(got, change.String())
			}
			if d := cmp.Diff(got, c.want); d != "" {
				t.Errorf("-got +want:\n%s", d)
			}
		})
	}
}
