package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// stored reads every frame of FRAMES up to the last one there now.
func stored(t *testing.T, js jetstream.JetStream) []*schema.Frame {
	t.Helper()
	return framesOf(t, js, schema.StreamFrames)
}

// framesOf reads every frame of a stream up to the last one there now.
func framesOf(t *testing.T, js jetstream.JetStream, name string) (frames []*schema.Frame) {
	t.Helper()
	eachFrame(t, js, name, func(f *schema.Frame, _ time.Time) { frames = append(frames, f) })
	return frames
}

// eachFrame hands out the same with the time at which each was stored.
func eachFrame(t *testing.T, js jetstream.JetStream, name string, take func(f *schema.Frame, stored time.Time)) {
	t.Helper()
	var info *jetstream.StreamInfo
	var consumer jetstream.Consumer
	// What a cluster is asked may go to a node that has just died, and is answered where it is asked again.
	ask := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, name)
		if err != nil {
			return err
		}
		info = stream.CachedInfo()
		consumer, err = stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
		return err
	}
	var err error
	harness.WaitFor(t, time.Minute, "stream "+name+" to be readable", func() bool {
		err = ask(t.Context())
		return err == nil || !errors.Is(err, context.DeadlineExceeded)
	})
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Msgs == 0 {
		return
	}
	it, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(256, 16<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer it.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		f, err := schema.Decode(m.Subject(), m.Headers(), m.Data())
		if err != nil {
			t.Fatalf("decoding a stored frame: %v", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		take(f, meta.Timestamp)
		if meta.Sequence.Stream >= info.State.LastSeq {
			return
		}
	}
}

// storedCount is how many frames FRAMES holds of a camera, "*" for all.
func storedCount(t *testing.T, js jetstream.JetStream, camera string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, schema.StreamFrames)
	if err != nil {
		return 0 // the node is down
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(schema.FrameSubject("test", camera)))
	if err != nil {
		return 0
	}
	n := uint64(0)
	for _, c := range info.State.Subjects {
		n += c
	}
	return int(n)
}

// events reads the events of one kind about a camera or bridge.
func events(t *testing.T, js jetstream.JetStream, class schema.EventClass, name string, kind schema.EventKind) []schema.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, schema.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	var all []schema.Event
	for seq := uint64(1); ; {
		m, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(schema.EventSubject("test", class, name, kind)))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var e schema.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
		seq = m.Sequence + 1
	}
}

// arrival is a frame as a sink got it.
type arrival struct {
	id   string
	body []byte
}

// queue is a durable RabbitMQ queue that takes every frame.
type queue struct {
	broker *harness.RabbitMQ
	name   string
}

// bindQueue declares the node's exchange as the node does, and a queue behind it.
func bindQueue(t *testing.T, broker *harness.RabbitMQ) *queue {
	t.Helper()
	ch, err := broker.Dial().Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDeclare("cameras", amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("frames", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind("frames", "camera.#", "cameras", false, nil); err != nil {
		t.Fatal(err)
	}
	return &queue{broker: broker, name: "frames"}
}

// take removes and returns everything in the queue.
func (q *queue) take(t *testing.T) []arrival {
	t.Helper()
	ch, err := q.broker.Dial().Channel()
	if err != nil {
		t.Fatal(err)
	}
	var all []arrival
	for {
		m, ok, err := ch.Get(q.name, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		all = append(all, arrival{id: m.MessageId, body: m.Body})
	}
}

// inRedis returns the frames that Redis holds, in the order of their first arrival as the metadata stream "frames" has it.
func inRedis(t *testing.T, client goredis.Cmdable) []arrival {
	t.Helper()
	entries, err := client.XRange(t.Context(), "frames", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var all []arrival
	for _, e := range entries {
		body, err := client.Get(t.Context(), fmt.Sprint(e.Values["key"])).Bytes()
		if err != nil && !errors.Is(err, goredis.Nil) {
			t.Fatal(err)
		}
		all = append(all, arrival{id: fmt.Sprint(e.Values["id"]), body: body})
	}
	return all
}

// checkArrivals holds a sink to its guarantee: every frame of want arrived with equal bytes, and first arrivals are in the order of
// the stream for each camera. It returns how many came more than once.
func checkArrivals(t *testing.T, sink string, want []*schema.Frame, got []arrival) (again int) {
	t.Helper()
	first := map[string]int{}
	for i, a := range got {
		if _, seen := first[a.id]; seen {
			again++
			continue
		}
		first[a.id] = i
	}
	last := map[string]int{}
	missing, disorder := 0, 0
	for _, f := range want {
		i, ok := first[f.ID()]
		if !ok {
			if missing++; missing <= 3 {
				t.Errorf("%s: frame %s is in the stream and did not arrive", sink, f.ID())
			}
			continue
		}
		if !bytes.Equal(got[i].body, f.Data) {
			t.Errorf("%s: frame %s arrived with other bytes", sink, f.ID())
		}
		if before, ok := last[f.Camera]; ok && i < before {
			if disorder++; disorder <= 3 {
				t.Errorf("%s: frame %s first arrived before its predecessor", sink, f.ID())
			}
		}
		last[f.Camera] = i
	}
	if missing > 3 || disorder > 3 {
		t.Errorf("%s: %d of %d frames missing, %d out of order", sink, missing, len(want), disorder)
	}
	return again
}

// checkPictures decodes every JPEG and compares its size with the headers.
func checkPictures(t *testing.T, frames []*schema.Frame) {
	t.Helper()
	for _, f := range frames {
		img, err := jpeg.Decode(bytes.NewReader(f.Data))
		if err != nil {
			t.Errorf("frame %s does not decode: %v", f.ID(), err)
			continue
		}
		if b := img.Bounds(); b.Dx() != f.Width || b.Dy() != f.Height {
			t.Errorf("frame %s: headers say %dx%d, the picture is %dx%d", f.ID(), f.Width, f.Height, b.Dx(), b.Dy())
		}
	}
}

// ofCamera are the frames of one camera.
func ofCamera(frames []*schema.Frame, camera string) []*schema.Frame {
	var some []*schema.Frame
	for _, f := range frames {
		if f.Camera == camera {
			some = append(some, f)
		}
	}
	return some
}

// rate is frames a second by their capture times.
func rate(frames []*schema.Frame) float64 {
	if len(frames) < 2 {
		return 0
	}
	return float64(len(frames)-1) / frames[len(frames)-1].Captured.Sub(frames[0].Captured).Seconds()
}

// checkNoGap fails where a frame number is missing within an epoch.
func checkNoGap(t *testing.T, frames []*schema.Frame) {
	t.Helper()
	for i := 1; i < len(frames); i++ {
		if a, b := frames[i-1], frames[i]; a.Epoch == b.Epoch && b.Seq != a.Seq+1 {
			t.Errorf("camera %s: frame %d follows %d", b.Camera, b.Seq, a.Seq)
		}
	}
}

// pending is what a bridge has still to deliver.
func pending(t *testing.T, js jetstream.JetStream, bridge string) int {
	t.Helper()
	return pendingIn(t, js, schema.StreamFrames, bridge)
}

// pendingIn is what a bridge that reads a stream has still to deliver.
func pendingIn(t *testing.T, js jetstream.JetStream, stream, bridge string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	consumer, err := js.Consumer(ctx, stream, bridge)
	if err != nil {
		return 1 << 30 // not there yet
	}
	info := consumer.CachedInfo()
	return int(info.NumPending) + info.NumAckPending
}

// waitPassed waits until each bridge's sink has confirmed every frame that FRAMES holds now.
func waitPassed(t *testing.T, js jetstream.JetStream, within time.Duration, bridges ...string) {
	t.Helper()
	stream, err := js.Stream(t.Context(), schema.StreamFrames)
	if err != nil {
		t.Fatal(err)
	}
	last := stream.CachedInfo().State.LastSeq
	harness.WaitFor(t, within, fmt.Sprintf("%v to pass the frames that were read", bridges), func() bool {
		for _, bridge := range bridges {
			consumer, err := js.Consumer(t.Context(), schema.StreamFrames, bridge)
			if err != nil || consumer.CachedInfo().AckFloor.Stream < last {
				return false
			}
		}
		return true
	})
}

// madeUp is a made-up camera of 10 pictures a second.
func madeUp(id string) string {
	return fmt.Sprintf("  - {id: %s, url: 'lavfi:testsrc2=size=320x240:rate=10'}\n", id)
}

// brokerBridge and cacheBridge are bridges to the two sinks, with delays that suit a test.
func brokerBridge(url string) string {
	return fmt.Sprintf("  - {name: broker, timeout: 2s, breaker: {failures: 3, open: 1s, max_open: 4s}, rabbitmq: {url: '%s'}}\n", url)
}

func cacheBridge(url string) string {
	return fmt.Sprintf("  - {name: cache, timeout: 2s, breaker: {failures: 3, open: 1s, max_open: 4s}, redis: {url: '%s', key: 'frames:{camera}:{epoch}:{seq}', ttl: 1h, metadata: {stream: frames, max_len: 1000000}}}\n", url)
}

func lines(parts ...string) string { return strings.TrimRight(strings.Join(parts, ""), "\n") }
