package config_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

const reference = "../../../deploy/edge-video.yaml"

func readReference(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestReference_IsTheDefault(t *testing.T) {
	got, _, err := config.Load(reference, env())
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(got, config.Default()); d != "" {
		t.Errorf("-reference +Default:\n%s", d)
	}
}

func TestReference_ExamplesAreTheDefaults(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{"hub.creds": "x", "dock-1": "x", "registration-token": "x", "gate-url": "rtsp://h/x?token=t", "redis-url": "redis://h", "mqtt-url": "mqtt://h"} {
		write(t, dir+"/"+file, text)
	}
	text := regexp.MustCompile(`(?m)^#([a-z]| {2})`).ReplaceAllString(readReference(t), "$1")
	got, warnings := parse(t, text, "CREDENTIALS_DIRECTORY", dir, "DOCK_2_PASSWORD", "x", "RABBITMQ_URL", "amqp://h")
	if len(warnings) != 0 {
		t.Errorf("got warnings %v, want none", warnings)
	}
	if len(got.Cameras) != 3 || len(got.Bridges) < 3 || len(got.NATS.Leaf.Remotes) != 1 {
		t.Fatalf("got %d cameras, %d bridges, %d remotes, want 3, 3 or more and 1", len(got.Cameras), len(got.Bridges), len(got.NATS.Leaf.Remotes))
	}
	for _, c := range got.Cameras {
		if d := cmp.Diff(c.Reading, config.Default().Capture.Reading); d != "" {
			t.Errorf("camera %s, -example +default:\n%s", c.ID, d)
		}
	}
	for _, b := range got.Bridges[:3] { // the others are examples of what to set
		want := config.DefaultBridge()
		want.Name = b.Name
		if b.RabbitMQ != nil {
			sink := config.DefaultRabbitMQ()
			sink.URL, sink.URLFile = b.RabbitMQ.URL, b.RabbitMQ.URLFile
			want.RabbitMQ = &sink
		}
		if b.Redis != nil {
			sink := config.DefaultRedis()
			sink.URL, sink.URLFile = b.Redis.URL, b.Redis.URLFile
			want.Redis = &sink
		}
		if b.MQTT != nil {
			sink := config.DefaultMQTT()
			sink.URL, sink.URLFile = b.MQTT.URL, b.MQTT.URLFile
			want.MQTT = &sink
		}
		if d := cmp.Diff(b, want); d != "" {
			t.Errorf("bridge %s, -example +default:\n%s", b.Name, d)
		}
	}
	got.Site, got.Node = config.Default().Site, config.Default().Node
	got.Registration.Token, got.Registration.TokenFile = "", ""
	if len(got.HTTP.Users) != 1 || len(got.HTTP.Tokens) != 1 {
		t.Errorf("got %d users and %d tokens, want one each", len(got.HTTP.Users), len(got.HTTP.Tokens))
	}
	got.HTTP.Users, got.HTTP.Tokens = []config.User{}, []config.Token{}
	got.NATS.Leaf.Remotes, got.Cameras, got.Bridges = []config.Remote{}, []config.Camera{}, []config.Bridge{}
	if d := diff(got, config.Default()); d != "" {
		t.Errorf("the rest, -reference +Default:\n%s", d)
	}
}

func TestReference_NamesEveryKey(t *testing.T) {
	text := readReference(t)
	sections := map[string]string{}
	var name string
	for line := range strings.Lines(text) {
		if m := regexp.MustCompile(`^#?([a-z_]+):`).FindStringSubmatch(line); m != nil {
			name = m[1]
		}
		sections[name] += line
	}
	for key, inner := range keys(reflect.TypeFor[config.Config]()) {
		if _, ok := sections[key]; !ok {
			t.Errorf("section %s is missing", key)
		}
		for _, k := range inner {
			if !regexp.MustCompile(`(^|[^a-z_])` + k + `\b`).MatchString(sections[key]) {
				t.Errorf("key %s is missing in section %s", k, key)
			}
		}
	}
}

// keys lists the keys of a struct, each with all keys below it.
func keys(t reflect.Type) map[string][]string {
	all := map[string][]string{}
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[config.Sync]() {
		return all
	}
	for f := range t.Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		below := keys(f.Type)
		if f.Anonymous {
			for k, v := range below {
				all[k] = v
			}
			continue
		}
		if !f.IsExported() {
			continue
		}
		all[key] = nil
		for k, v := range below {
			all[key] = append(append(all[key], k), v...)
		}
	}
	return all
}
