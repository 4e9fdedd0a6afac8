package node_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node"
)

// gathered are the values of a registry's metrics by name and the values of labels.
func gathered(t testing.TB, reg *prometheus.Registry, labels ...string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				if slices.Contains(labels, l.GetName()) {
					key += " " + l.GetValue()
				}
			}
			all[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return all
}

// TestFigures_AreThoseOfTheServerUnderTheNamesThatDashboardsKnow compares them with what was published and taken.
func TestFigures_AreThoseOfTheServerUnderTheNamesThatDashboardsKnow(t *testing.T) {
	s, stop := startServer(t, serverConfig(t))
	js := jetStream(t, s)
	for range 5 {
		if _, err := js.Publish(t.Context(), "frames.test.cam", []byte("picture")); err != nil {
			t.Fatal(err)
		}
	}
	c, err := js.CreateConsumer(t.Context(), "FRAMES", jetstream.ConsumerConfig{Durable: "broker", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), "FRAMES", jetstream.ConsumerConfig{}); err != nil {
		t.Fatal(err)
	}
	for _, ack := range []bool{true, false} {
		m, err := c.Next()
		if err != nil {
			t.Fatal(err)
		}
		if ack {
			if err := m.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Figures())
	all := gathered(t, reg, "stream_name", "consumer_name")
	want := map[string]float64{
		"jetstream_stream_total_messages FRAMES": 5, "jetstream_stream_first_seq FRAMES": 1, "jetstream_stream_last_seq FRAMES": 5,
		"jetstream_stream_consumer_count FRAMES":                  2,
		"jetstream_consumer_num_pending broker FRAMES":            3,
		"jetstream_consumer_num_ack_pending broker FRAMES":        1,
		"jetstream_consumer_num_redelivered broker FRAMES":        0,
		"jetstream_consumer_num_waiting broker FRAMES":            0,
		"jetstream_consumer_delivered_stream_seq broker FRAMES":   2,
		"jetstream_consumer_delivered_consumer_seq broker FRAMES": 2,
		"jetstream_consumer_ack_floor_stream_seq broker FRAMES":   1,
		"jetstream_consumer_ack_floor_consumer_seq broker FRAMES": 1,
		"jetstream_server_jetstream_disabled":                     0,
	}
	for key, value := range want {
		if got, ok := all[key]; !ok || got != value {
			t.Errorf("%s is %v, want %v", key, got, value)
		}
	}
	for _, key := range []string{"jetstream_stream_total_bytes FRAMES", "gnatsd_varz_connections", "gnatsd_varz_in_msgs", "gnatsd_varz_in_bytes",
		"gnatsd_varz_mem", "gnatsd_varz_subscriptions", "gnatsd_varz_jetstream_stats_storage", "gnatsd_varz_jetstream_config_max_storage",
		"jetstream_server_total_streams", "jetstream_server_total_consumers", "jetstream_server_total_messages", "jetstream_server_max_storage"} {
		if all[key] <= 0 {
			t.Errorf("%s is %v", key, all[key])
		}
	}
	before := gathered(t, reg, "server_id", "server_name", "domain", "account", "is_stream_leader", "is_meta_leader")
	if _, ok := before["jetstream_stream_last_seq FRAMES test true true test-node-1 test-node-1"]; !ok {
		t.Errorf("labels are others: %v", slices.Sorted(maps.Keys(before)))
	}
	stop()
	for deadline := time.Now().Add(10 * time.Second); len(gathered(t, reg)) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("there are figures of a server that is down")
		}
		<-time.After(50 * time.Millisecond)
	}
}

// TestFigures_ManyScrapesAtOnceCostOneLook has the server change between two of them.
func TestFigures_ManyScrapesAtOnceCostOneLook(t *testing.T) {
	s, _ := startServer(t, serverConfig(t))
	js := jetStream(t, s)
	reg := prometheus.NewRegistry()
	reg.MustRegister(s.Figures())
	first := gathered(t, reg, "stream_name")
	began := time.Now()
	if _, err := js.Publish(t.Context(), "frames.test.cam", nil); err != nil {
		t.Fatal(err)
	}
	again := gathered(t, reg, "stream_name")
	if time.Since(began) < time.Second && !cmp.Equal(first, again) {
		t.Errorf("the second scrape looked again: %s", cmp.Diff(first, again))
	}
}

// BenchmarkFigures is a scrape of the embedded server alone, at a hub of 60 sites with two bridges; each is a look at it.
func BenchmarkFigures(b *testing.B) {
	s, err := node.NewServer(benchConfig(b), discard)
	if err != nil {
		b.Fatal(err)
	}
	stop := running(b, s.Run)
	<-s.Ready()
	nc, err := s.Connect("bench")
	if err != nil {
		b.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	for i := range 60 {
		for _, kind := range []string{"FRAMES", "EVENTS"} {
			name := fmt.Sprintf("%s_site%d", kind, i)
			if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}, MaxBytes: 1 << 20}); err != nil {
				b.Fatal(err)
			}
			for _, bridge := range []string{"broker", "cache"} {
				if _, err := js.CreateConsumer(b.Context(), name, jetstream.ConsumerConfig{Durable: bridge}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportAllocs()
	series := 0
	for b.Loop() {
		reg := prometheus.NewRegistry()
		reg.MustRegister(s.Figures()) // a new one, which has not looked yet
		series = len(gathered(b, reg, "stream_name", "consumer_name"))
	}
	b.ReportMetric(float64(series), "series")
	nc.Close()
	stop()
}
