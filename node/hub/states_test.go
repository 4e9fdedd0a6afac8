package hub_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// say puts a camera's state into a bucket.
func (p *party) say(key, state string) {
	p.t.Helper()
	kv, err := p.js.KeyValue(p.t.Context(), schema.BucketCameras)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := kv.PutString(p.t.Context(), key, state); err != nil {
		p.t.Fatal(err)
	}
}

// said is the state of a camera in a bucket, "" where there is none.
func (p *party) said(key string) string {
	p.t.Helper()
	kv, err := p.js.KeyValue(p.t.Context(), schema.BucketCameras)
	if err != nil {
		p.t.Fatal(err)
	}
	e, err := kv.Get(p.t.Context(), key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return ""
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return string(e.Value())
}

func (p *party) waitSaid(key, state string) {
	p.t.Helper()
	harness.WaitFor(p.t, 30*time.Second, key+" to be "+state, func() bool { return p.said(key) == state })
}

// TestHub_TakesOfASiteTheStatesOfItsOwnCamerasAlone begins with the consumer and the source of a hub that took all, and ends with a site that
// sends all.
func TestHub_TakesOfASiteTheStatesOfItsOwnCamerasAlone(t *testing.T) {
	t.Parallel()
	h, view, address := startHub(t, nil)
	site, link := lisbon(t, h, address, 4<<20)
	link.Cut()
	consumer := jetstream.ConsumerConfig{Durable: schema.HubConsumer("hub"), DeliverSubject: "mirror.lisbon.KV_cameras", AckPolicy: jetstream.AckFlowControlPolicy,
		FlowControl: true, IdleHeartbeat: time.Second, MaxAckPending: 128, MaxDeliver: -1}
	if _, err := site.js.CreateOrUpdatePushConsumer(t.Context(), "KV_cameras", consumer); err != nil {
		t.Fatal(err)
	}
	stream, err := h.js.Stream(t.Context(), "KV_cameras")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.Sources = []*jetstream.StreamSource{{Name: "KV_cameras", External: &jetstream.ExternalStream{APIPrefix: "$JS.lisbon.API", DeliverPrefix: "mirror.lisbon"},
		Consumer: &jetstream.StreamConsumerSource{Name: consumer.Durable, DeliverSubject: consumer.DeliverSubject}}}
	if _, err := h.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	h.say("porto.dock-1", "of porto")
	link.Restore()
	harness.WaitFor(t, 30*time.Second, "the hub to be led to the site's own states", func() bool {
		c, err := site.js.PushConsumer(t.Context(), "KV_cameras", consumer.Durable)
		if err != nil || c.CachedInfo().Config.FilterSubject != "$KV.cameras.lisbon.>" {
			return false
		}
		bucket, err := h.js.Stream(t.Context(), "KV_cameras")
		return err == nil && len(bucket.CachedInfo().Config.Sources) == 1 && len(bucket.CachedInfo().Config.Sources[0].SubjectTransforms) == 1
	})
	site.say("porto.dock-1", "of lisbon")
	site.say("hub.x", "of lisbon")
	site.say("lisbon.dock-1", "up")
	h.waitSaid("lisbon.dock-1", "up")
	if porto, own, other := h.said("porto.dock-1"), h.said("hub.x"), h.said("lisbon.x"); porto != "of porto" || own != "" || other != "" {
		t.Errorf("a site's states of other names came over: %q, %q and %q", porto, own, other)
	}

	// The hub sees to the consumer until it sees the link.
	harness.WaitFor(t, 30*time.Second, "the link to be seen", func() bool { return view.Sites()[0].Connected })
	if _, err := site.js.UpdatePushConsumer(t.Context(), "KV_cameras", consumer); err != nil {
		t.Fatal(err)
	}
	site.say("porto.dock-1", "of lisbon")
	site.say("lisbon.dock-2", "up")
	h.waitSaid("lisbon.dock-2", "up")
	h.waitSaid("lisbon.dock-1", "of lisbon")
	if got := h.said("porto.dock-1"); got != "of porto" {
		t.Errorf("a site wrote over the state of another's camera: %q", got)
	}
}
