package rabbitmq_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// reference is a frame whose picture is elsewhere.
func reference(seq uint64) *schema.Frame {
	f := sinktest.Frame("dock-1", seq, 1)
	f.Data = nil
	f.Kept = &schema.Kept{Key: "tenant-7:frames:dock-1:1795419845298003000", TTL: 2 * time.Minute, Bytes: 65_536}
	return f
}

// eventFrame is an event as a bridge hands it over.
func eventFrame(t *testing.T, e schema.Event) *schema.Frame {
	t.Helper()
	e.Site, e.Node, e.Time = "lisbon", "gate-7", time.Date(2026, 11, 23, 7, 44, 5, 298003100, time.UTC)
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return &schema.Frame{Site: "lisbon", Camera: e.Name, Node: "gate-7", Epoch: 1, Seq: uint64(len(e.Kind)), Captured: e.Time, ContentType: "application/json", Data: body}
}

// published sends one frame and returns the message that comes of it.
func published(t *testing.T, r *harness.RabbitMQ, c rabbitmq.Config, f *schema.Frame) amqp.Delivery {
	t.Helper()
	ch := channel(t, r)
	bind(t, ch, "contracts", "contracts-queue", nil)
	if _, err := ch.QueuePurge("contracts-queue", false); err != nil {
		t.Fatal(err)
	}
	c.URL, c.Exchange, c.RoutingKey = r.URL(), "contracts", template(t, "camera.metadata.event")
	s := newSink(t, prometheus.NewRegistry(), c)
	sinktest.Connect(t, s)
	if err := sinktest.Send(t, s, f)[0]; err != nil {
		t.Fatal(err)
	}
	d, ok, err := ch.Get("contracts-queue", true)
	if err != nil || !ok {
		t.Fatalf("nothing in the queue: %v", err)
	}
	return d
}

func keyIsTheBody(t *testing.T, r *harness.RabbitMQ) {
	f := reference(7)
	d := published(t, r, rabbitmq.Config{Body: rabbitmq.BodyKey}, f)
	got := []any{string(d.Body), d.ContentType, d.Expiration, d.MessageId, d.DeliveryMode, d.Headers["camera_id"], d.Headers["redis_key"], d.Headers[schema.HeaderWidth]}
	want := []any{f.Kept.Key, "text/plain", "120000", f.ID(), amqp.Transient, "dock-1", f.Kept.Key, f.Header()[schema.HeaderWidth][0]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	for expires, c := range map[string]rabbitmq.Config{"5000": {Expiration: 5 * time.Second}, "": {}} {
		c.Body = rabbitmq.BodyKey
		f := reference(8)
		f.Kept.TTL = 0
		if d := published(t, r, c, f); d.Expiration != expires {
			t.Errorf("expires after %q, want %q", d.Expiration, expires)
		}
	}
}

func metadataIsJSON(t *testing.T, r *harness.RabbitMQ) {
	f := reference(7)
	f.Captured, f.Width, f.Height = time.Date(2026, 11, 23, 7, 44, 5, 298003000, time.UTC), 640, 360
	d := published(t, r, rabbitmq.Config{Body: rabbitmq.BodyMetadata, Persistent: true}, f)
	const want = `{"event_type":"frame","camera_id":"dock-1","timestamp":"2026-11-23T07:44:05.298003Z",` +
		`"redis_key":"tenant-7:frames:dock-1:1795419845298003000","width":640,"height":360,"encoding":"jpeg","size_bytes":65536}`
	if string(d.Body) != want || d.ContentType != "application/json" || d.RoutingKey != "camera.metadata.event" || d.MessageId != f.ID() ||
		d.Expiration != "" || d.DeliveryMode != amqp.Persistent || d.Headers["camera_id"] != "dock-1" {
		t.Errorf("%+v: %s, want %s", d, d.Body, want)
	}
}

func statusIsJSON(t *testing.T, r *harness.RabbitMQ) {
	camera := func(s schema.CameraState, e schema.Event) schema.Event {
		e.Class, e.Name, e.Kind, e.State = schema.ClassCamera, "dock-1", schema.KindState, string(s)
		return e
	}
	const head = `{"event_type":"camera_status","camera_id":"dock-1","timestamp":"2026-11-23T07:44:05.2980031Z","state":`
	for _, c := range []struct {
		event     schema.Event
		key, body string
	}{
		{camera(schema.CameraUp, schema.Event{}), ".status", head + `"active","message":"the camera delivers pictures"}`},
		{camera(schema.CameraStalled, schema.Event{Count: 1, Message: "no picture for 15s"}), ".status",
			head + `"inactive","consecutive_failures":1,"last_error":"no picture for 15s","message":"the camera has stopped delivering pictures"}`},
		{camera(schema.CameraBackoff, schema.Event{Count: 3, Message: "refused"}), ".status",
			head + `"inactive","consecutive_failures":3,"last_error":"refused","message":"the camera delivers no pictures"}`},
		{camera(schema.CameraDown, schema.Event{}), ".status", head + `"offline","message":"the node does not read the camera any more"}`},
		{schema.Event{Class: schema.ClassNode, Name: "gate-7", Kind: schema.KindCameras, Cameras: 4, Active: 3}, ".system",
			`{"event_type":"system_status","timestamp":"2026-11-23T07:44:05.2980031Z","total_cameras":4,"active_cameras":3,"inactive_cameras":1,` +
				`"message":"3 of 4 cameras deliver pictures"}`},
	} {
		f := eventFrame(t, c.event)
		d := published(t, r, rabbitmq.Config{Body: rabbitmq.BodyStatus}, f)
		if string(d.Body) != c.body || d.RoutingKey != "camera.metadata.event"+c.key || d.ContentType != "application/json" || d.MessageId != f.ID() || len(d.Headers) > 0 {
			t.Errorf("%+v: %s, want %s", d, d.Body, c.body)
		}
	}
}

// whatIsNoneOfTheKindIsRejected holds that a frame with nothing to make the body of is refused, and the next one arrives.
func whatIsNoneOfTheKindIsRejected(t *testing.T, r *harness.RabbitMQ) {
	bind(t, channel(t, r), "contracts", "contracts-queue", nil)
	good := map[rabbitmq.Body]*schema.Frame{rabbitmq.BodyKey: reference(1), rabbitmq.BodyMetadata: reference(1),
		rabbitmq.BodyStatus: eventFrame(t, schema.Event{Class: schema.ClassNode, Name: "gate-7", Kind: schema.KindCameras})}
	for body, next := range good {
		s := newSink(t, prometheus.NewRegistry(), rabbitmq.Config{URL: r.URL(), Exchange: "contracts", RoutingKey: template(t, "x"), Body: body})
		sinktest.Connect(t, s)
		bad := []*schema.Frame{sinktest.Frame("dock-1", 1, 500), eventFrame(t, schema.Event{Class: schema.ClassBridge, Name: "b", Kind: schema.KindState})}
		for i, err := range sinktest.Send(t, s, append(bad, next)...) {
			if rejected := errors.Is(err, bridge.ErrRejected); rejected != (i < len(bad)) || !rejected && err != nil {
				t.Errorf("body %s, frame %d: %v", body, i, err)
			}
		}
	}
}
