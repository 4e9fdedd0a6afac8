package node_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
)

// TestServer_WithoutAnUplinkNothingIsLeftOfOne also where another node, which still had one, has made its consumer anew meanwhile.
func TestServer_WithoutAnUplinkNothingIsLeftOfOne(t *testing.T) {
	t.Parallel()
	c := serverConfig(t)
	during := func(do func(jetstream.JetStream)) {
		t.Helper()
		s, stop := startServer(t, c)
		do(jetStream(t, s))
		stop()
	}
	fill := func(policy jetstream.DeliverPolicy) func(jetstream.JetStream) {
		return func(js jetstream.JetStream) {
			t.Helper()
			if _, err := js.CreateConsumer(t.Context(), schema.StreamFrames, jetstream.ConsumerConfig{Durable: schema.UplinkConsumer, DeliverPolicy: policy,
				AckPolicy: jetstream.AckExplicitPolicy, Metadata: map[string]string{schema.MetadataKey: "node-2"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	none := func(js jetstream.JetStream) {
		t.Helper()
		if _, err := js.Consumer(t.Context(), schema.StreamFrames, schema.UplinkConsumer); !errors.Is(err, jetstream.ErrConsumerNotFound) {
			t.Errorf("looking for the consumer that fills UPLINK: %v", err)
		}
		if _, err := js.Stream(t.Context(), schema.StreamUplink); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("looking for UPLINK: %v", err)
		}
	}
	c.Uplink = &node.UplinkConfig{MaxAge: time.Hour, MaxBytes: 16 << 20}
	during(fill(jetstream.DeliverNewPolicy))
	c.Uplink = nil
	during(func(js jetstream.JetStream) {
		none(js)
		fill(jetstream.DeliverNewPolicy)(js)
	})
	during(func(js jetstream.JetStream) {
		none(js)
		fill(jetstream.DeliverAllPolicy)(js)
	})
	during(func(js jetstream.JetStream) {
		if _, err := js.Consumer(t.Context(), schema.StreamFrames, schema.UplinkConsumer); err != nil {
			t.Errorf("looking for a bridge that has the name: %v", err)
		}
	})
}
