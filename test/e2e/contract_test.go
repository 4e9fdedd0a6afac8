package e2e_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// migrated is a node with the configuration that edge-video migrate makes of an old file.
func migrated(t *testing.T, name, old string) harness.NodeOptions {
	t.Helper()
	dir := t.TempDir()
	from, to := filepath.Join(dir, name), filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(from, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, "migrate", from, "--output", to).CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	if out, err := exec.Command(program, "check", "--config", to).CombinedOutput(); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	section := ""
	for line := range strings.Lines(string(text)) {
		if key, _, ok := strings.Cut(line, ":"); ok && regexp.MustCompile(`^[a-z]+$`).MatchString(key) {
			section = key
		} else if strings.HasPrefix(line, " ") {
			sections[section] += line
		}
	}
	return harness.NodeOptions{Program: program, Cameras: strings.TrimRight(sections["cameras"], "\n"),
		Bridges: strings.TrimRight(sections["bridges"], "\n"), More: "capture:\n" + sections["capture"]}
}

// consumer is one of the programs that consumed what the old edge-video sent: it has a queue of its own, and sees each message as it
// comes.
type consumer struct {
	mu   sync.Mutex
	seen []message
}

// message is what a consumer got, with the picture that was in Redis at that moment where the message names one.
type message struct {
	amqp.Delivery
	fields  map[string]any // of a body that is JSON
	key     string         // the picture's key in Redis
	picture []byte         // nil where there is none
}

// consume binds a queue to what is sent to an exchange under a key, and reads it until the test ends.
func consume(t *testing.T, broker *harness.RabbitMQ, cache *goredis.Client, exchange, key string) *consumer {
	t.Helper()
	ch, err := broker.Dial().Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(q.Name, key, exchange, false, nil); err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &consumer{}
	var reading sync.WaitGroup
	reading.Go(func() {
		for d := range deliveries {
			m := message{Delivery: d}
			switch d.ContentType {
			case "application/json":
				if json.Unmarshal(d.Body, &m.fields) == nil {
					m.key, _ = m.fields["redis_key"].(string)
				}
			case "text/plain":
				m.key = string(d.Body)
			}
			if m.key != "" {
				m.picture, _ = cache.Get(t.Context(), m.key).Bytes()
			}
			c.mu.Lock()
			c.seen = append(c.seen, m)
			c.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = ch.Close() // the broker may be gone
		reading.Wait()
	})
	return c
}

func (c *consumer) all() []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.seen)
}

// wait waits for n messages that are as asked for.
func (c *consumer) wait(t *testing.T, what string, n int, as func(m message) bool) {
	t.Helper()
	harness.WaitFor(t, 30*time.Second, what, func() bool {
		found := 0
		for _, m := range c.all() {
			if as(m) {
				found++
			}
		}
		return found >= n
	})
}

// of says that a message is of a camera.
func of(camera string) func(m message) bool {
	return func(m message) bool { return m.Headers["camera_id"] == camera || m.fields["camera_id"] == camera }
}

// sizeOf decodes a picture.
func sizeOf(t *testing.T, picture []byte) string {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatalf("a picture of %d bytes does not decode: %v", len(picture), err)
	}
	return fmt.Sprintf("%dx%d", img.Bounds().Dx(), img.Bounds().Dy())
}

// TestContract_ConsumersOfTheOldEdgeVideoNeedNoChange runs a node with what was each generation's configuration, for consumers that know
// nothing of it.
func TestContract_ConsumersOfTheOldEdgeVideoNeedNoChange(t *testing.T) {
	t.Parallel()
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	cache := harness.StartRedis(t, harness.RedisOptions{Password: "hunter2"})
	t.Run("first generation", func(t *testing.T) { firstGeneration(t, broker, cache) })
	t.Run("first generation with MQTT", firstGenerationMQTT)
	t.Run("second generation", func(t *testing.T) { secondGeneration(t, broker) })
	t.Run("third generation", func(t *testing.T) { thirdGeneration(t, broker, cache) })
}

func firstGeneration(t *testing.T, broker *harness.RabbitMQ, cache *harness.Redis) {
	pictures := consume(t, broker, cache.Client(), "first", "camera.#")
	frames := consume(t, broker, cache.Client(), "first.metadata", "camera.metadata.event")
	cameras := consume(t, broker, cache.Client(), "first.metadata", "camera.metadata.event.status")
	system := consume(t, broker, cache.Client(), "first.metadata", "camera.metadata.event.system")
	n := harness.StartNode(t, migrated(t, "config.toml", fmt.Sprintf(`
target_fps = 10
protocol = "amqp"
[amqp]
amqp_url = %q
exchange = "first"
routing_key_prefix = "camera."
[redis]
enabled = true
address = %q
password = "hunter2"
ttl_seconds = 300
prefix = "frames"
[metadata]
enabled = true
exchange = "first.metadata"
routing_key = "camera.metadata.event"
[[cameras]]
id = "large"
url = "lavfi:testsrc2=size=320x240:rate=10"
[[cameras]]
id = "small"
url = "lavfi:testsrc2=size=176x144:rate=10"
[[cameras]]
id = "absent"
url = "rtsp://viewer:hunter2@127.0.0.1:%d/stream"
`, broker.URL(), cache.Addr(), harness.FreePort(t))))
	sizes := map[string]string{"large": "320x240", "small": "176x144"}
	for camera, size := range sizes {
		pictures.wait(t, "pictures of "+camera, 10, of(camera))
		frames.wait(t, "metadata of "+camera, 10, of(camera))
		cameras.wait(t, camera+" being active", 1, func(m message) bool { return of(camera)(m) && m.fields["state"] == "active" })
		for _, m := range slices.DeleteFunc(pictures.all(), func(m message) bool { return !of(camera)(m) })[:10] {
			got := []any{m.RoutingKey, m.ContentType, m.DeliveryMode, m.MessageId != "", sizeOf(t, m.Body)}
			if want := []any{"camera." + camera, "application/octet-stream", amqp.Transient, true, size}; !slices.Equal(got, want) {
				t.Errorf("picture %v, want %v", got, want)
			}
		}
	}
	names := []string{"camera_id", "encoding", "event_type", "height", "redis_key", "size_bytes", "timestamp", "width"}
	for _, m := range frames.all() {
		size := fmt.Sprintf("%v %vx%v %v", m.fields["camera_id"], m.fields["width"], m.fields["height"], m.fields["size_bytes"])
		if m.picture == nil {
			t.Fatalf("metadata of %s came before its picture was in Redis", m.key)
		}
		camera := fmt.Sprint(m.fields["camera_id"])
		if got := fmt.Sprintf("%s %s %d", camera, sizeOf(t, m.picture), len(m.picture)); got != size || sizes[camera] == "" {
			t.Errorf("metadata says %s, the picture is %s", size, got)
		}
		_, err := time.Parse(time.RFC3339Nano, fmt.Sprint(m.fields["timestamp"]))
		known := slices.Equal(slices.Sorted(maps.Keys(m.fields)), names) && m.fields["event_type"] == "frame" && m.fields["encoding"] == "jpeg"
		if err != nil || !known || !regexp.MustCompile(`^/:frames:`+camera+`:\d{19}:\d{5}$`).MatchString(m.key) {
			t.Errorf("metadata %s", m.Body)
		}
	}
	cameras.wait(t, "the absent camera being inactive", 1, func(m message) bool { return of("absent")(m) && m.fields["state"] == "inactive" })
	for _, m := range cameras.all() {
		failed := of("absent")(m) && m.fields["state"] == "inactive"
		if m.fields["event_type"] != "camera_status" || strings.Contains(string(m.Body), "hunter2") ||
			failed && (m.fields["consecutive_failures"].(float64) < 1 || m.fields["last_error"] == "" || m.fields["message"] == "") {
			t.Errorf("status %s", m.Body)
		}
	}
	all := func(m message) bool {
		got := []any{m.fields["event_type"], m.fields["total_cameras"], m.fields["active_cameras"], m.fields["inactive_cameras"]}
		return slices.Equal(got, []any{"system_status", 3.0, 2.0, 1.0})
	}
	system.wait(t, "two of three cameras being active", 1, all)
	told := len(system.all())
	n.Kill()
	n.Start()
	harness.WaitFor(t, 30*time.Second, "the same after a restart", func() bool {
		since := system.all()[told:]
		return len(since) > 0 && all(since[len(since)-1])
	})
}

// firstGenerationMQTT has a subscriber of MQTT 3.1.1 get pictures.
func firstGenerationMQTT(t *testing.T) {
	broker := harness.StartMosquitto(t, harness.MosquittoOptions{Password: "hunter2"})
	harness.StartNode(t, migrated(t, "config.toml", fmt.Sprintf(`
target_fps = 10
protocol = "mqtt"
[mqtt]
broker = "tcp://guest:hunter2@%s"
topic_prefix = "camera/"
[[cameras]]
id = "cam1"
url = "lavfi:testsrc2=size=320x240:rate=10"
`, broker.Addr())))
	host, port, _ := strings.Cut(broker.Addr(), ":")
	out, err := exec.CommandContext(t.Context(), "mosquitto_sub", "-V", "mqttv311", "-h", host, "-p", port, "-u", "guest", "-P", "hunter2",
		"-t", "camera/#", "-q", "1", "-C", "10", "-W", "30", "-F", "%t %q %x").CombinedOutput()
	if err != nil {
		t.Fatalf("mosquitto_sub: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		begin, body, _ := strings.Cut(strings.TrimSpace(line), " 1 ")
		picture, err := hex.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		if size := sizeOf(t, picture); begin != "camera/cam1" || size != "320x240" {
			t.Errorf("a picture of %s on topic %s", size, begin)
		}
	}
}

func secondGeneration(t *testing.T, broker *harness.RabbitMQ) {
	shared, own := consume(t, broker, nil, "second", "camera.*"), consume(t, broker, nil, "second.own", "entrance")
	harness.StartNode(t, migrated(t, "config.yaml", fmt.Sprintf(`
fps: 10
quality: 5
amqp: {url: '%s', exchange: second, routing_key_prefix: camera.}
circuit_breaker: {enabled: true}
cameras:
  - {id: cam1, url: 'lavfi:testsrc2=size=320x240:rate=10'}
  - {id: cam2, url: 'lavfi:testsrc2=size=176x144:rate=10', exchange: second.own, routing_key: entrance}
`, broker.URL())))
	sizes := map[string]string{"cam1": "320x240", "cam2": "176x144"}
	for camera, c := range map[string]*consumer{"cam1": shared, "cam2": own} {
		c.wait(t, "pictures of "+camera, 10, of(camera))
		for _, m := range c.all() {
			if !of(camera)(m) || sizeOf(t, m.Body) != sizes[camera] || m.MessageId == "" {
				t.Errorf("picture %s of %v, %s", m.MessageId, m.Headers["camera_id"], sizeOf(t, m.Body))
			}
		}
	}
}

func thirdGeneration(t *testing.T, broker *harness.RabbitMQ, cache *harness.Redis) {
	keys := consume(t, broker, cache.Client(), "third", "camera.#")
	harness.StartNode(t, migrated(t, "config.yaml", fmt.Sprintf(`
fps: 10
quality: 5
amqp: {url: '%s', exchange: third, routing_key_prefix: camera.}
redis: {enabled: true, address: '%s', password: hunter2, db: 0, vhost: tenant-7, prefix: frames, ttl: 120s}
resilience: {watchdog_timeout: 15s}
cameras:
  - {id: cam1, url: 'lavfi:testsrc2=size=320x240:rate=10'}
  - {id: cam2, url: 'lavfi:testsrc2=size=176x144:rate=10'}
`, broker.URL(), cache.Addr())))
	last, sizes := map[string]string{}, map[string]string{"cam1": "320x240", "cam2": "176x144"}
	for camera := range sizes {
		keys.wait(t, "keys of "+camera, 20, of(camera))
	}
	for _, m := range keys.all() {
		camera := fmt.Sprint(m.Headers["camera_id"])
		if m.picture == nil {
			t.Fatalf("key %s came before its picture was in Redis", m.key)
		}
		got := []any{m.ContentType, m.Headers["redis_key"], m.Expiration, m.DeliveryMode, m.RoutingKey, sizeOf(t, m.picture)}
		want := []any{"text/plain", m.key, "120000", amqp.Transient, "camera." + camera, sizes[camera]}
		if !slices.Equal(got, want) || !regexp.MustCompile(`^tenant-7:frames:`+camera+`:\d{19}$`).MatchString(m.key) {
			t.Errorf("message %v, want %v", got, want)
		}
		if m.key <= last[camera] {
			t.Errorf("key %s came behind %s", m.key, last[camera])
		}
		last[camera] = m.key
	}
}

// TestContract_EachHalfSurvivesItsOwnOutage takes RabbitMQ away while Redis is there, then Redis while RabbitMQ is there, and kills the node,
// and the process that stores pictures, meanwhile. In the end every picture has been told of, in order, and is where its reference says.
func TestContract_EachHalfSurvivesItsOwnOutage(t *testing.T) {
	t.Parallel()
	const away = 3 * time.Second
	broker := harness.StartRabbitMQ(t, harness.RabbitMQOptions{})
	cache := harness.StartRedis(t, harness.RedisOptions{Persistent: true})
	q := bindQueue(t, broker)
	const pace = "timeout: 2s, breaker: {failures: 3, open: 1s, max_open: 2s}"
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")), Bridges: lines(
		fmt.Sprintf("  - {name: cache, in_node: false, %s, redis: {url: '%s', key: 'frames:{camera}:{epoch}:{seq}', ttl: 1h}}\n", pace, cache.URL()),
		fmt.Sprintf("  - {name: keys, source: stored, of: cache, %s, rabbitmq: {url: '%s', body: key}}\n", pace, broker.URL()),
		fmt.Sprintf("  - {name: status, source: events, rabbitmq: {url: '%s', exchange: status, routing_key: status, body: status}}\n", broker.URL()))})
	storing := harness.StartBridge(t, program, n.Config, "storing")
	js := n.JetStream()
	told := func() bool { return caughtUp(t, js, "cache") && pendingIn(t, js, schema.StreamStored, "keys") <= 10 }
	harness.WaitFor(t, 30*time.Second, "references", func() bool { return storedCount(t, js, "*") > 20 && told() })

	for range 3 {
		before := n.Metric("edge_video_bridge_delivered_total", `bridge="keys"`)
		harness.WaitFor(t, 30*time.Second, "more references", func() bool { return n.Metric("edge_video_bridge_delivered_total", `bridge="keys"`) > before+10 })
		storing.Kill()
		storing.Start()
	}

	broker.Stop()
	began := time.Now()
	harness.WaitFor(t, 2*away, "references that wait while pictures are stored", func() bool {
		return time.Since(began) > away && pendingIn(t, js, schema.StreamStored, "keys") > 40 && caughtUp(t, js, "cache")
	})
	n.Kill()
	n.Start()
	broker.Start()
	caught := func() bool { return n.Readyz().Status != 0 && told() }
	harness.WaitFor(t, time.Minute, "references to be told after the outage of RabbitMQ", caught)

	cache.Stop()
	began = time.Now()
	harness.WaitFor(t, 2*away, "pictures that wait", func() bool { return time.Since(began) > away && pending(t, js, "cache") > 40 })
	if p := pendingIn(t, js, schema.StreamStored, "keys"); p > 0 {
		t.Errorf("%d references wait though RabbitMQ is there", p)
	}
	cache.Start()
	harness.WaitFor(t, time.Minute, "references to be told after the outage of Redis", told)

	out := exits(t, 0, n, "drill", "keys", "2s")
	if !regexp.MustCompile(`held for 2(\.\d)?s: [1-9]\d* frames buffered, 0 lost, 0 refused`).MatchString(out) {
		t.Errorf("a drill of references:\n%s", out)
	}
	if out := exits(t, 1, n, "replay", "--bridge", "status", "--from", "-1m"); !strings.Contains(out, "states of cameras are not delivered again") {
		t.Errorf("a replay of states:\n%s", out)
	}
	frames := stored(t, js)
	var got []arrival
	harness.WaitFor(t, 30*time.Second, "the references of the frames that were read", func() bool {
		got = append(got, referred(t, q, cache.Client())...)
		return slices.ContainsFunc(got, func(a arrival) bool { return a.id == frames[len(frames)-1].ID() })
	})
	t.Logf("%d frames; %d of their references came again", len(frames), checkArrivals(t, "references", frames, got))
}

// referred takes what is in the queue, and fetches the pictures.
func referred(t *testing.T, q *queue, cache *goredis.Client) (all []arrival) {
	t.Helper()
	for _, a := range q.take(t) {
		picture, err := cache.Get(t.Context(), string(a.body)).Bytes()
		if err != nil {
			t.Fatalf("the picture of reference %s is not in Redis: %v", a.body, err)
		}
		all = append(all, arrival{id: a.id, body: picture})
	}
	return all
}
