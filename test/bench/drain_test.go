package bench_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const (
	backlogBytes = 2 << 30
	liveCameras  = 4
)

// bridged is a node with four cameras over RTSP, 720p to JPEG at 10 fps, and a bridge to each of two brokers that can be cut off.
type bridged struct {
	*fleet
	broker, cache *harness.Proxy
}

func startBridged(b *testing.B) bridged {
	b.Helper()
	broker, cache := harness.StartRabbitMQ(b, harness.RabbitMQOptions{}), harness.StartRedis(b, harness.RedisOptions{})
	ch, err := broker.Dial().Channel()
	if err != nil {
		b.Fatal(err)
	}
	consumeDropping(b, ch)
	f := bridged{broker: harness.StartProxy(b, broker.Addr()), cache: harness.StartProxy(b, cache.Addr())}
	bridges := fmt.Sprintf("  - {name: broker, breaker: {open: 1s, max_open: 2s}, rabbitmq: {url: '%s'}}\n", broker.URLAt(f.broker.Addr())) +
		fmt.Sprintf("  - {name: cache, breaker: {open: 1s, max_open: 2s}, redis: {url: '%s', key: 'frames:{camera}:{epoch}:{seq}', ttl: 1m}}\n",
			cache.URLAt(f.cache.Addr()))
	p := harness.StartPlayer(b, harness.MakeClip(b, time.Minute), 30)
	f.fleet = startFleet(b, liveCameras, func(n int) string { return fmt.Sprintf("url: '%s', fps: %d", p.URL(n), fps) }, "\nbridges:\n"+bridges)
	return f
}

// consumeDropping binds a queue that keeps the newest thousand messages, as the queue of a viewer does.
func consumeDropping(b *testing.B, ch *amqp.Channel) {
	b.Helper()
	if err := ch.ExchangeDeclare("cameras", amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		b.Fatal(err)
	}
	if _, err := ch.QueueDeclare("viewer", true, false, false, false, amqp.Table{"x-max-length": 1000}); err != nil {
		b.Fatal(err)
	}
	if err := ch.QueueBind("viewer", "camera.#", "cameras", false, nil); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDrain is how both bridges catch up with 2 GiB that gathered while their brokers were away, beside four cameras that go on.
func BenchmarkDrain(b *testing.B) {
	for b.Loop() {
		f := startBridged(b)
		f.broker.Cut()
		f.cache.Cut()
		frames := fill(b, f.node.JetStream(), backlogBytes)
		pending := func() float64 { return f.node.Metric("edge_video_bridge_pending_frames") }
		harness.WaitFor(b, time.Minute, "both bridges to see the backlog", func() bool { return pending() >= 2*float64(frames) })
		// A backlog gathers over hours, not at the rate of a disk.
		harness.WaitFor(b, time.Minute, "the memory of the filling to be given back", func() bool { return resident(f.node.PID()) < 200*mib })
		before, dropped := f.stored(), f.node.Metric("edge_video_frames_dropped_total")
		began, most := time.Now(), 0.0
		f.broker.Restore()
		f.cache.Restore()
		done, had := map[string]time.Duration{}, map[string]float64{"broker": f.delivered("broker"), "cache": f.delivered("cache")}
		harness.WaitFor(b, 10*time.Minute, "the backlog to be gone", func() bool {
			most = max(most, resident(f.node.PID()))
			for _, name := range []string{"broker", "cache"} {
				if done[name] == 0 && f.delivered(name)-had[name] >= float64(frames) {
					done[name] = time.Since(began)
				}
			}
			return len(done) == 2
		})
		took := time.Since(began)
		b.ReportMetric(float64(frames)/done["broker"].Seconds(), "rabbitmq-frames/s")
		b.ReportMetric(float64(frames)/done["cache"].Seconds(), "redis-frames/s")
		b.ReportMetric(most/mib, "node-MiB-most")
		b.ReportMetric((f.stored()-before)/took.Seconds(), "captured-frames/s")
		b.ReportMetric(f.node.Metric("edge_video_frames_dropped_total")-dropped, "dropped")
		b.ReportMetric(0, "ns/op")
		f.node.Stop()
	}
}

// delivered is how many frames a bridge has delivered.
func (f bridged) delivered(bridge string) float64 {
	return f.node.Metric("edge_video_bridge_delivered_total", `bridge="`+bridge+`"`)
}

// fill publishes frames of 64 KiB as a fifth camera's, and returns how many.
func fill(b *testing.B, js jetstream.JetStream, bytes int) int {
	b.Helper()
	body := randomBody(b)
	n := bytes / bridgeBytes
	for i := range n {
		f := &schema.Frame{Site: "test", Camera: "backlog", Node: "node-1", Epoch: 1, Seq: uint64(i + 1), Captured: time.Now(),
			ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: body}
		m := &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return n
}

// BenchmarkDelivery is the time from a frame's capture to the sinks' confirmation, four cameras at 10 fps, both sinks up. The quantile
// is that of the node's own histogram, taken linearly within its bucket.
func BenchmarkDelivery(b *testing.B) {
	for b.Loop() {
		f := startBridged(b)
		pause(b, settle)
		before := f.delivery()
		pause(b, window)
		after := f.delivery()
		for name, counts := range after {
			for i := range counts {
				counts[i] -= before[name][i]
			}
			b.ReportMetric(1000*quantile(counts, 0.99), name+"-p99-ms")
		}
		b.ReportMetric(0, "ns/op")
		f.node.Stop()
	}
}

// latencyBounds are the first bounds of the histogram, in seconds.
var latencyBounds = [...]float64{.01, .02, .03, .05, .07, .1, .15, .2, .3, .5, 1}

// delivery is, by bridge, how many frames were delivered within each of the bounds, and in all.
func (f bridged) delivery() map[string][]float64 {
	all := map[string][]float64{}
	for _, name := range []string{"broker", "cache"} {
		bridge := `bridge="` + name + `"`
		for _, bound := range latencyBounds {
			all[name] = append(all[name], f.node.Metric("edge_video_delivery_latency_seconds_bucket", bridge, fmt.Sprintf(`le="%g"`, bound)))
		}
		all[name] = append(all[name], f.node.Metric("edge_video_delivery_latency_seconds_count", bridge))
	}
	return all
}

// quantile is in seconds; beyond the last bound it is that bound.
func quantile(counts []float64, q float64) float64 {
	want, from, below := q*counts[len(counts)-1], 0.0, 0.0
	for i, bound := range latencyBounds {
		if counts[i] >= want && counts[i] > below {
			return from + (bound-from)*(want-below)/(counts[i]-below)
		}
		from, below = bound, counts[i]
	}
	return from
}
