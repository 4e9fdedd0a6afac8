package migrate_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/migrate"
)

var update = flag.Bool("update", false, "write what comes out as what is wanted")

// secretWords are in the old files of testdata, where nobody else may see them.
var secretWords = []string{"s3same", "w/rd", "w%2Frd", "w@tch", "w%40tch", "t0psecret", "123456"}

// fixtures are old files of every form that there was.
func fixtures(t testing.TB) []string {
	t.Helper()
	toml, err := filepath.Glob("testdata/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if all := append(toml, yaml...); len(all) >= 7 {
		return all
	}
	t.Fatal("fixtures are missing")
	return nil
}

// convert converts a file of testdata.
func convert(t *testing.T, file, secretsDir string) *migrate.Result {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := migrate.Convert(file, data, secretsDir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConvert_WritesWhatIsWanted(t *testing.T) {
	for _, file := range fixtures(t) {
		r := convert(t, file, "")
		golden := filepath.Join("testdata", filepath.Base(file)+".golden")
		got := string(r.Config) + "\n--- notes\n" + strings.Join(r.Notes, "\n") + "\n"
		for _, s := range r.Secrets {
			got += s.Name + " from " + s.Key + "\n"
		}
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(got, string(want)); d != "" {
			t.Errorf("%s, -got +want:\n%s", file, d)
		}
	}
}

// TestConvert_LoadsWithItsSecrets loads every result as a node would, with secrets in files and in variables.
func TestConvert_LoadsWithItsSecrets(t *testing.T) {
	for _, file := range fixtures(t) {
		dir := filepath.Join(t.TempDir(), "odd ${name}'s")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		inFiles, inVariables := convert(t, file, dir), convert(t, file, "")
		env := map[string]string{}
		for i, s := range inFiles.Secrets {
			if err := os.WriteFile(filepath.Join(dir, s.Name), []byte(s.Value.Reveal()+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			env[inVariables.Secrets[i].Name] = s.Value.Reveal()
		}
		var printed []string
		for _, r := range []*migrate.Result{inFiles, inVariables} {
			path := filepath.Join(t.TempDir(), "node.yaml")
			if err := os.WriteFile(path, r.Config, 0o600); err != nil {
				t.Fatal(err)
			}
			c, warnings, err := config.Load(path, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, w := range warnings {
				if strings.Contains(w.What, "plain text") {
					t.Errorf("%s: got warning %s, want no secret in the file", file, w)
				}
			}
			for _, cam := range c.Cameras {
				printed = append(printed, cam.URL.Reveal()+" "+cam.Username+" "+cam.Password.Reveal())
			}
			for _, b := range c.Bridges {
				if b.RabbitMQ != nil {
					printed = append(printed, b.RabbitMQ.URL.Reveal())
				}
				if b.Redis != nil {
					printed = append(printed, b.Redis.URL.Reveal())
				}
				if b.MQTT != nil {
					printed = append(printed, b.MQTT.URL.Reveal())
				}
			}
		}
		if half := len(printed) / 2; !cmp.Equal(printed[:half], printed[half:]) {
			t.Errorf("%s: from files %q, from variables %q, want the same", file, printed[:half], printed[half:])
		}
	}
}

// TestConvert_LosesNoKey finds every key of every old file in the new one: used, or in a comment.
func TestConvert_LosesNoKey(t *testing.T) {
	file := "testdata/first.toml"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"[surprise]\nkey = 1", "[amqp.more]\nkey = 1", "[surprise]\nkey = []", "[surprise]\n\"odd\\nkey\" = \"a\\nb: c\""} {
		r, err := migrate.Convert(file, []byte(string(data)+key), "")
		if err != nil {
			t.Fatal(err)
		}
		if text := string(r.Config); !strings.Contains(text, "surprise.key") && !strings.Contains(text, "amqp.more.key") && !strings.Contains(text, `surprise."odd\nkey"`) {
			t.Errorf("%s is in no comment:\n%s", key, text)
		}
	}
}

func TestConvert_ShowsNoSecret(t *testing.T) {
	for _, file := range fixtures(t) {
		for _, dir := range []string{"", "/run/secrets"} {
			r := convert(t, file, dir)
			text := string(r.Config) + strings.Join(r.Notes, "\n")
			for _, word := range secretWords {
				if strings.Contains(text, word) {
					t.Errorf("%s: the result shows %s", file, word)
				}
			}
		}
	}
}

func TestConvert_KeepsWhatTheCameraNeeds(t *testing.T) {
	values := map[string]string{}
	for _, s := range convert(t, "testdata/first.toml", "").Secrets {
		values[s.Name] = s.Value.Reveal()
	}
	want := map[string]string{"CAMERA_DOCK_1_PASSWORD": "w@tch", "CAMERA_DOCK_2_URL": "rtsp://10.0.0.6:554/user=admin&password=t0psecret&channel=1",
		"RABBITMQ_URL": "amqp://gate:s3same@rabbit.example:5672/tenant-1", "REDIS_URL": "redis://gate:p%40ss%3Aw%2Frd@redis.example:6379"}
	if d := cmp.Diff(values, want); d != "" {
		t.Errorf("-got +want:\n%s", d)
	}
}

// TestConvert_NamesTheCulprit holds every fault of an old file to a message with line, key and remedy.
func TestConvert_NamesTheCulprit(t *testing.T) {
	const head = "fps: 10\nquality: 5\namqp: {url: 'amqp://h', exchange: x}\n"
	for name, c := range map[string][3]string{
		"TOML syntax":           {"old.toml", "target_fps = 1\nprotocol = amqp\n", "old.toml:2: TOML syntax: "},
		"TOML key twice":        {"old.toml", "target_fps = 1\ntarget_fps = 2\n", "old.toml:2: TOML syntax: "},
		"YAML syntax":           {"old.yaml", "fps: 1\namqp: [\n", "old.yaml:2: YAML syntax: "},
		"YAML key twice":        {"old.yaml", "fps: 1\nfps: 2\n", "old.yaml:2: fps: is given twice"},
		"key in two cases":      {"old.yaml", "fps: 1\nFPS: 2\n", "old.yaml:2: fps: is given twice, first on line 1"},
		"nothing known":         {"old.yaml", "a: 1\n", "old.yaml: is no configuration of the old edge-video"},
		"empty":                 {"old.yaml", "", "old.yaml: is no configuration of the old edge-video"},
		"a new one":             {"old.yaml", "site: a\ncameras: []\nbridges: []\n", "old.yaml: is a configuration of this program already"},
		"fps that is text":      {"old.yaml", "fps: fast\n", "old.yaml:1: fps: is not a number; write"},
		"fps that is a list":    {"old.yaml", "fps: [1]\n", "old.yaml:1: fps: holds other values where a single one is expected"},
		"fps of nothing":        {"old.yaml", "fps: 0.000001\n", "old.yaml:1: fps: is less than a picture in"},
		"quality":               {"old.yaml", "fps: 1\nquality: 40\n", "old.yaml:2: quality: is not a whole number from 2"},
		"protocol":              {"old.toml", "protocol = 'smtp'\n", "old.toml:1: protocol: is neither amqp nor mqtt"},
		"mqtt scheme":           {"old.toml", "protocol = 'mqtt'\nmqtt = {broker = 'ws://hunter2@h'}\n", "old.toml:2: mqtt.broker: has a scheme that no bridge has; write tcp"},
		"mqtt without broker":   {"old.toml", "protocol = 'mqtt'\n", "old.toml: mqtt.broker: is missing; write"},
		"metadata exchange":     {"old.toml", "amqp = {amqp_url = 'amqp://h', exchange = 'x'}\n[metadata]\nenabled = true\n", "old.toml:3: metadata.exchange: is missing; name"},
		"metadata key":          {"old.toml", "amqp = {amqp_url = 'amqp://h', exchange = 'x'}\n[metadata]\nenabled = true\nexchange = 'y'\n", "old.toml:3: metadata.routing_key: is missing; write"},
		"cameras as a mapping":  {"old.yaml", head + "cameras:\n  a: {url: 'rtsp://h'}\n", "old.yaml:5: cameras: is not a list"},
		"camera without id":     {"old.yaml", head + "cameras:\n  - url: 'rtsp://h'\n", "old.yaml:5: cameras[0].id: is missing; give"},
		"camera without url":    {"old.yaml", head + "cameras:\n  - id: a\n", "old.yaml:5: cameras[0].url: is missing; write"},
		"password without user": {"old.yaml", head + "cameras:\n  - {id: a, url: 'rtsp://:hunter2@h'}\n", "old.yaml:5: cameras[0].url: holds a password without a user"},
		"unknown scheme":        {"old.yaml", head + "cameras:\n  - {id: a, url: 'gopher://u:hunter2@h'}\n", "old.yaml: cameras[0].url: in the new configuration "},
		"no exchange":           {"old.yaml", "fps: 1\namqp: {url: 'amqp://h'}\n", "old.yaml:2: amqp.exchange: is missing"},
		"exchange of no broker": {"old.yaml", "fps: 1\namqp: {url: 'amqp://h', exchange: \"a\\nb\"}\n",
			"old.yaml: bridges[0].rabbitmq.exchange: in the new configuration "},
		"brace":        {"old.yaml", "fps: 1\namqp: {url: 'amqp://h', exchange: x, routing_key_prefix: '{a'}\n", "old.yaml:2: amqp.routing_key_prefix: holds a brace"},
		"duration":     {"old.yaml", "fps: 1\nredis: {enabled: true, ttl: soon}\n", "old.yaml:2: redis.ttl: is not a duration"},
		"truth":        {"old.toml", "target_fps = 1\nredis = {enabled = 'maybe'}\n", "old.toml:2: redis.enabled: is neither true nor false"},
		"registration": {"old.toml", "target_fps = 1\n[registration]\nenabled = true\n", "old.toml:3: registration.api_url: is missing; write"},
		"port":         {"old.yaml", "fps: 1\nmonitoring: {metrics_port: 70000}\n", "old.yaml:2: monitoring.metrics_port: is not a port"},
		"too large":    {"old.yaml", "fps: 1\n" + strings.Repeat("# x\n", 1<<18), "old.yaml: is larger than 1MiB"},
		"not text":     {"old.toml", "target_fps = 1\nprotocol = '\xff'\n", "old.toml:2: "},
	} {
		r, err := migrate.Convert(c[0], []byte(c[1]), "")
		if err == nil || !strings.HasPrefix(err.Error(), c[2]) || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "; ") {
			t.Errorf("%s: got %v and %v, want an error that begins with %q and has a remedy", name, r, err, c[2])
		}
	}
}

// FuzzConvert holds every result to load, and everything else to an error that names the file.
func FuzzConvert(f *testing.F) {
	for _, file := range fixtures(f) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, filepath.Ext(file) == ".toml")
	}
	f.Fuzz(func(t *testing.T, data []byte, toml bool) {
		file := "old.yaml"
		if toml {
			file = "old.toml"
		}
		r, err := migrate.Convert(file, data, "")
		if err != nil {
			if !strings.HasPrefix(err.Error(), file) {
				t.Errorf("got %q, want the file named", err)
			}
			return
		}
		env := func(name string) (string, bool) {
			for _, s := range r.Secrets {
				if s.Name == name {
					return s.Value.Reveal(), true
				}
			}
			return "", false
		}
		if _, _, err := config.Parse("f.yaml", r.Config, env); err != nil {
			t.Errorf("got %v, want the result to load:\n%s", err, r.Config)
		}
		if _, err := migrate.Convert(file, data, "/run/secrets"); err != nil {
			t.Errorf("with secrets in files: got %v, want what works with variables to work with them", err)
		}
	})
}
