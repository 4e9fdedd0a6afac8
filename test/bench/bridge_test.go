package bench_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/mqtt"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

const (
	bridgeFrames = 20_000
	bridgeRounds = 3 // each side's median counts
	bridgeBytes  = 64 << 10
	// bareWindow and barePipeline are how the bare clients keep many in flight.
	bareWindow   = 256
	barePipeline = 16
)

// BenchmarkBridgeRedis is how many frames of 64 KiB a second a bridge delivers from a backlog, beside the bare client storing the same in
// the same Redis. How fast either is depends on whether the system has memory at hand or has to find it: where that is a host's, the bare
// client has done 5,000 to 20,000 a second on one and the same machine.
func BenchmarkBridgeRedis(b *testing.B) {
	body := randomBody(b)
	cache := harness.StartRedis(b, harness.RedisOptions{})
	key, err := bridge.ParseTemplate("frames:{seq}", nil)
	if err != nil {
		b.Fatal(err)
	}
	compare(b, func() { bareRedis(b, cache, body) }, func(reg prometheus.Registerer) (bridge.Sink, error) {
		return redis.New(redis.Config{URL: cache.URL(), Key: key, TTL: 10 * time.Second, Timeout: 10 * time.Second}, slog.New(slog.DiscardHandler), reg)
	}, body)
}

// BenchmarkBridgeMQTT is the same with a broker of MQTT.
func BenchmarkBridgeMQTT(b *testing.B) {
	body := randomBody(b)
	broker := harness.StartMosquitto(b, harness.MosquittoOptions{Config: []string{"set_tcp_nodelay true", fmt.Sprint("max_inflight_messages ", bareWindow)}})
	topic, err := bridge.ParseTemplate("cameras/{camera}", nil)
	if err != nil {
		b.Fatal(err)
	}
	compare(b, func() { bareMQTT(b, broker, body) }, func(reg prometheus.Registerer) (bridge.Sink, error) {
		return mqtt.New(mqtt.Config{URL: broker.URL(), Topic: topic, ClientID: "bench", Timeout: 10 * time.Second}, slog.New(slog.DiscardHandler), reg)
	}, body)
}

// BenchmarkBridgeRabbitMQ is the same with RabbitMQ, a durable queue bound.
func BenchmarkBridgeRabbitMQ(b *testing.B) {
	body := randomBody(b)
	broker := harness.StartRabbitMQ(b, harness.RabbitMQOptions{})
	for name, persistent := range map[string]bool{"persistent": true, "transient": false} {
		b.Run(name, func(b *testing.B) {
			ch, err := broker.Dial().Channel()
			if err != nil {
				b.Fatal(err)
			}
			bindDurable(b, ch)
			key, err := bridge.ParseTemplate("camera.{camera}", nil)
			if err != nil {
				b.Fatal(err)
			}
			compare(b, func() { bareRabbitMQ(b, broker, body, persistent); purge(b, ch) }, func(reg prometheus.Registerer) (bridge.Sink, error) {
				purge(b, ch)
				return rabbitmq.New(rabbitmq.Config{URL: broker.URL(), Exchange: "cameras", RoutingKey: key, Persistent: persistent,
					Timeout: 10 * time.Second, Name: "bench"}, slog.New(slog.DiscardHandler), reg)
			}, body)
			purge(b, ch)
		})
	}
}

func randomBody(b *testing.B) []byte {
	b.Helper()
	body := make([]byte, bridgeBytes)
	if _, err := rand.Read(body); err != nil {
		b.Fatal(err)
	}
	return body
}

// compare times the bare client and a bridge.
func compare(b *testing.B, bare func(), newSink func(prometheus.Registerer) (bridge.Sink, error), body []byte) {
	b.Helper()
	for b.Loop() {
		var theirs, ours []float64
		for range bridgeRounds {
			began := time.Now()
			bare()
			theirs = append(theirs, bridgeFrames/time.Since(began).Seconds())
			reg := prometheus.NewRegistry()
			sink, err := newSink(reg)
			if err != nil {
				b.Fatal(err)
			}
			ours = append(ours, drainBacklog(b, sink, reg, body))
		}
		slices.Sort(theirs)
		slices.Sort(ours)
		b.ReportMetric(ours[bridgeRounds/2], "frames/s")
		b.ReportMetric(theirs[bridgeRounds/2], "bare-frames/s")
		b.ReportMetric(ours[bridgeRounds/2]/theirs[bridgeRounds/2], "ratio")
		b.ReportMetric(0, "ns/op")
	}
}

// drainBacklog fills a stream and times a worker that empties it.
func drainBacklog(b *testing.B, sink bridge.Sink, reg prometheus.Registerer, body []byte) float64 {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	s, stop := startServer(b, benchServer(b, "bench"))
	defer stop()
	nc, err := s.Connect("fill")
	if err != nil {
		b.Fatal(err)
	}
	fillStream(b, nc, bridgeFrames, body)
	nc.Close()
	syscall.Sync() // what was just written must not compete with what is measured
	w := bridge.NewWorker(bridge.Config{Site: "bench", Node: "node-1", Name: "bench", Cameras: []string{"*"}, Timeout: 10 * time.Second, MaxFrame: 4 << 20,
		Breaker: bridge.BreakerConfig{Failures: 5, Open: time.Second, MaxOpen: time.Second}}, sink, s.Connect, log, reg)
	working, stopWorker := context.WithCancel(b.Context())
	worked := make(chan error, 1)
	began := time.Now()
	go func() { worked <- w.Run(working) }()
	harness.WaitFor(b, 2*time.Minute, "the backlog to be delivered", func() bool { return w.Health().Delivered >= bridgeFrames })
	took := time.Since(began)
	stopWorker()
	if err := <-worked; err != nil {
		b.Error(err)
	}
	return bridgeFrames / took.Seconds()
}

func fillStream(b *testing.B, nc *nats.Conn, frames int, body []byte) {
	b.Helper()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(bareWindow))
	if err != nil {
		b.Fatal(err)
	}
	for i := range frames {
		f := frame(i, body)
		if _, err := js.PublishMsgAsync(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

func frame(i int, body []byte) *schema.Frame {
	return &schema.Frame{Site: "bench", Camera: fmt.Sprintf("cam-%d", i%4), Node: "node-1", Epoch: 1, Seq: uint64(i + 1), Captured: time.Now(),
		ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: body}
}

func bareRedis(b *testing.B, cache *harness.Redis, body []byte) {
	b.Helper()
	client := cache.Client()
	for i := 0; i < bridgeFrames; i += barePipeline {
		_, err := client.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
			for k := range barePipeline {
				p.Set(b.Context(), fmt.Sprintf("bare:%d", i+k), body, 10*time.Second)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// bareMQTT publishes with quality of service 1 and a window of 256 in flight, each from a goroutine of its own: that is how the client
// keeps many.
func bareMQTT(b *testing.B, broker *harness.Mosquitto, body []byte) {
	b.Helper()
	conn, err := net.Dial("tcp", broker.Addr())
	if err != nil {
		b.Fatal(err)
	}
	client := paho.NewClient(paho.ClientConfig{Conn: packets.NewThreadSafeConn(conn)})
	if _, err := client.Connect(b.Context(), &paho.Connect{ClientID: "bare", CleanStart: true, KeepAlive: 30}); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = client.Disconnect(&paho.Disconnect{}) }()
	var g errgroup.Group
	g.SetLimit(bareWindow)
	for i := range bridgeFrames {
		g.Go(func() error {
			_, err := client.Publish(b.Context(), &paho.Publish{QoS: 1, Topic: fmt.Sprintf("cameras/cam-%d", i%4), Payload: body})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func bindDurable(b *testing.B, ch *amqp.Channel) {
	b.Helper()
	if err := ch.ExchangeDeclare("cameras", amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		b.Fatal(err)
	}
	if _, err := ch.QueueDeclare("bench", true, false, false, false, nil); err != nil {
		b.Fatal(err)
	}
	if err := ch.QueueBind("bench", "camera.#", "cameras", false, nil); err != nil {
		b.Fatal(err)
	}
}

func purge(b *testing.B, ch *amqp.Channel) {
	b.Helper()
	if _, err := ch.QueuePurge("bench", false); err != nil {
		b.Fatal(err)
	}
}

// bareRabbitMQ publishes with confirms, a window of 256 in flight.
func bareRabbitMQ(b *testing.B, broker *harness.RabbitMQ, body []byte, persistent bool) {
	b.Helper()
	ch, err := broker.Dial().Channel()
	if err != nil {
		b.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		b.Fatal(err)
	}
	mode := amqp.Transient
	if persistent {
		mode = amqp.Persistent
	}
	window := make([]*amqp.DeferredConfirmation, 0, bareWindow)
	for i := range bridgeFrames {
		if len(window) == bareWindow {
			window[0].Wait()
			window = append(window[:0], window[1:]...)
		}
		c, err := ch.PublishWithDeferredConfirm("cameras", fmt.Sprintf("camera.cam-%d", i%4), true, false,
			amqp.Publishing{DeliveryMode: mode, ContentType: schema.ContentJPEG, Body: body})
		if err != nil {
			b.Fatal(err)
		}
		window = append(window, c)
	}
	for _, c := range window {
		c.Wait()
	}
}
