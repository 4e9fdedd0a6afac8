package page_test

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// made is a camera that the test makes up: it writes state, frames and events as a node would, and is silent when told.
type made struct {
	t     *testing.T
	js    jetstream.JetStream
	id    string
	epoch int64
	seq   atomic.Uint64
	size  [2]int
	since time.Time
	stop  context.CancelFunc
	done  sync.WaitGroup
}

func makeUp(t *testing.T, js jetstream.JetStream, id string) *made {
	m := &made{t: t, js: js, id: id, epoch: time.Now().UnixMilli(), size: [2]int{320, 180}, since: time.Now()}
	t.Cleanup(m.silence)
	return m
}

// state writes the camera's state.
func (m *made) state(state schema.CameraState, fault string) {
	m.t.Helper()
	kv, err := m.js.KeyValue(m.t.Context(), schema.BucketCameras)
	if err != nil {
		m.t.Fatal(err)
	}
	fps := 0.0
	if state == schema.CameraUp {
		fps = 10
	}
	body, err := json.Marshal(schema.CameraStatus{State: state, Since: m.since, FPS: fps, Epoch: m.epoch, LastSeq: max(1, m.seq.Load()), Error: fault, Node: "node-1"})
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := kv.Put(m.t.Context(), schema.StatusKey("test", m.id), body); err != nil {
		m.t.Fatal(err)
	}
}

// frame stores one picture of now.
func (m *made) frame(ctx context.Context) {
	seq := m.seq.Add(1)
	f := schema.Frame{Site: "test", Camera: m.id, Node: "node-1", Epoch: m.epoch, Seq: seq, Captured: time.Now().UTC().Truncate(time.Microsecond),
		ContentType: schema.ContentJPEG, Width: m.size[0], Height: m.size[1], Data: harness.GenerateJPEG(m.t, m.size[0], m.size[1], 70, int(seq))}
	if _, err := m.js.PublishMsg(ctx, &nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data}); err != nil && ctx.Err() == nil {
		m.t.Errorf("storing a frame: %v", err)
	}
}

// speak has it store ten pictures a second until it is silenced.
func (m *made) speak() {
	m.silence()
	ctx, stop := context.WithCancel(m.t.Context())
	m.stop = stop
	m.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			m.frame(ctx)
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
}

func (m *made) silence() {
	if m.stop != nil {
		m.stop()
		m.done.Wait()
		m.stop = nil
	}
}

// event tells an event of the camera.
func (m *made) event(e schema.Event) {
	m.t.Helper()
	e.Time, e.Site, e.Node, e.Class, e.Name = time.Now().UTC(), "test", "node-1", schema.ClassCamera, m.id
	body, err := json.Marshal(e)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := m.js.Publish(m.t.Context(), e.Subject(), body); err != nil {
		m.t.Fatal(err)
	}
}
