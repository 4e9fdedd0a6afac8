package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
	"github.com/edge-video/edge-video/test/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJournal_EventsArriveInOrderAndStatesAreTheNewest(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	j := journal.New(s.js, "lisbon", "gate-7", slog.New(slog.DiscardHandler))
	stop := run(t, j)
	began := time.Now()
	for i := range 50 {
		j.Event(event(i))
		j.State(schema.BucketBridges, "broker", schema.BridgeStatus{Delivered: uint64(i)})
		j.State(schema.BucketCameras, fmt.Sprint("dock-", i%2), schema.CameraStatus{LastSeq: uint64(i)})
	}
	events := s.waitEvents(t, 50)
	stop()
	for i, e := range events {
		if e.Count != uint64(i) || e.Site != "lisbon" || e.Node != "gate-7" || e.Time.Before(began.UTC()) || e.Time.Location() != time.UTC {
			t.Errorf("event %d is %+v", i, e)
		}
	}
	for key, want := range map[string]string{"bridges lisbon.broker": `"delivered":49,`, "cameras lisbon.dock-0": `"last_seq":48,`, "cameras lisbon.dock-1": `"last_seq":49,`} {
		if got := s.value(t, key); !strings.Contains(got, want) {
			t.Errorf("%s holds %s, want %s in it", key, got, want)
		}
	}
}

func TestJournal_UnreachableStreamLosesAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	j := journal.New(s.js, "lisbon", "gate-7", slog.New(slog.DiscardHandler))
	stop := run(t, j)
	j.Event(event(0))
	s.waitEvents(t, 1)
	s.stop()
	for i := 1; i < 20; i++ {
		j.Event(event(i))
		j.State(schema.BucketBridges, "broker", schema.BridgeStatus{Delivered: uint64(i)})
	}
	// the connection keeps what it cannot send, so that each try would arrive
	harness.WaitFor(t, 30*time.Second, "two tries", func() bool { return s.tries.Load() >= 3 })
	s.start(t)
	s.waitEvents(t, 20)
	stop()
	var got []uint64
	for _, e := range s.events(t) {
		got = append(got, e.Count)
	}
	if want := numbers(0, 20); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if got := s.value(t, "bridges lisbon.broker"); !strings.Contains(got, `"delivered":19,`) {
		t.Errorf("state %s, want the newest", got)
	}
}

func TestJournal_FullGivesUpTheOldestAndNeverBlocks(t *testing.T) {
	t.Parallel()
	w := &writer{held: make(chan struct{})}
	j := journal.New(w, "lisbon", "gate-7", slog.New(slog.DiscardHandler))
	stop := run(t, j)
	for i := range 1000 {
		j.Event(event(i))
	}
	harness.WaitFor(t, 30*time.Second, "a write", func() bool { return w.calls.Load() == 1 })
	began := time.Now()
	for i := 1000; i < 3000; i++ { // while the first are on their way
		j.Event(event(i))
		j.State(schema.BucketBridges, "broker", schema.BridgeStatus{Delivered: uint64(i)})
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("2000 events took %v while nothing could be written", d)
	}
	w.fail.Store(true)
	close(w.held)
	harness.WaitFor(t, 30*time.Second, "the first write to fail", func() bool { return w.failed.Load() > 0 })
	for i := 3000; i < 3010; i++ {
		j.Event(event(i))
	}
	w.fail.Store(false)
	harness.WaitFor(t, 30*time.Second, "the newest event", func() bool {
		got := w.written()
		return len(got) > 0 && got[len(got)-1] == 3009
	})
	stop()
	if got, want := w.written(), numbers(3010-1024, 3010); !slices.Equal(got, want) {
		t.Errorf("%d events from %d to %d, want the newest 1024", len(got), got[0], got[len(got)-1])
	}
	if got := w.states(); !slices.Equal(got, []uint64{2999}) {
		t.Errorf("states %v, want the newest alone", got)
	}
}

func TestJournal_FailedStateDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	w := &writer{held: make(chan struct{})}
	j := journal.New(w, "lisbon", "gate-7", slog.New(slog.DiscardHandler))
	stop := run(t, j)
	j.State(schema.BucketBridges, "broker", schema.BridgeStatus{Delivered: 1})
	harness.WaitFor(t, 30*time.Second, "a write", func() bool { return w.calls.Load() == 1 })
	j.State(schema.BucketBridges, "broker", schema.BridgeStatus{Delivered: 2})
	w.fail.Store(true)
	close(w.held)
	harness.WaitFor(t, 30*time.Second, "the write to fail", func() bool { return w.failed.Load() > 0 })
	w.fail.Store(false)
	harness.WaitFor(t, 30*time.Second, "the state", func() bool { return len(w.states()) > 0 })
	stop()
	if got := w.states(); !slices.Equal(got, []uint64{2}) {
		t.Errorf("states %v, want the newest alone", got)
	}
}

func TestJournal_StopWritesWhatWaits(t *testing.T) {
	t.Parallel()
	w := &writer{}
	j := journal.New(w, "lisbon", "gate-7", slog.New(slog.DiscardHandler))
	for i := range 10 {
		j.Event(event(i))
	}
	j.State(schema.BucketBridges, "broker", schema.BridgeStatus{Delivered: 7})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := w.written(); !slices.Equal(got, numbers(0, 10)) || !slices.Equal(w.states(), []uint64{7}) {
		t.Errorf("events %v and states %v after the stop", got, w.states())
	}
}

func TestJournal_StopDoesNotWaitForAStreamThatHangs(t *testing.T) {
	t.Parallel()
	w := &writer{held: make(chan struct{})} // for ever
	j := journal.New(w, "lisbon", "gate-7", slog.New(slog.DiscardHandler))
	stop := run(t, j)
	j.Event(event(0))
	j.State(schema.BucketBridges, "broker", schema.BridgeStatus{})
	harness.WaitFor(t, 30*time.Second, "a write", func() bool { return w.calls.Load() == 1 })
	began := time.Now()
	stop()
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("stopped after %v, want two seconds at most", d)
	}
}

func event(i int) schema.Event {
	return schema.Event{Class: schema.ClassBridge, Name: "broker", Kind: schema.KindDead, Count: uint64(i)}
}

func numbers(from, to uint64) (all []uint64) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

// run runs a journal until the returned function, which waits for its end.
func run(t *testing.T, j *journal.Journal) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v, want nil", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// writer is a JetStream that takes messages when told to.
type writer struct {
	jetstream.JetStream
	held          chan struct{} // writes wait for its close, unless it is nil
	fail          atomic.Bool
	calls, failed atomic.Int64

	mu     sync.Mutex
	bodies map[string][]uint64 // by the subject's root
}

func (w *writer) Publish(ctx context.Context, subject string, body []byte, _ ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	w.calls.Add(1)
	if w.held != nil {
		select {
		case <-w.held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if w.fail.Load() {
		w.failed.Add(1)
		return nil, errors.New("not now")
	}
	var v struct{ Count, Delivered uint64 }
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, err
	}
	root, _, _ := strings.Cut(subject, ".")
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bodies == nil {
		w.bodies = map[string][]uint64{}
	}
	w.bodies[root] = append(w.bodies[root], v.Count+v.Delivered)
	return &jetstream.PubAck{}, nil
}

func (w *writer) of(root string) []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.bodies[root])
}

func (w *writer) written() []uint64 { return w.of("events") }
func (w *writer) states() []uint64  { return w.of("$KV") }

// natsServer is a real server with the journal's stream and buckets.
type natsServer struct {
	opts  *server.Options
	srv   *server.Server
	nc    *nats.Conn
	js    *counted
	tries *atomic.Int64
}

// counted counts the writes.
type counted struct {
	jetstream.JetStream
	n atomic.Int64
}

func (c *counted) Publish(ctx context.Context, subject string, body []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	defer c.n.Add(1)
	return c.JetStream.Publish(ctx, subject, body, opts...)
}

func startServer(t *testing.T) *natsServer {
	t.Helper()
	s := &natsServer{opts: &server.Options{Host: "127.0.0.1", Port: harness.FreePort(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}}
	s.start(t)
	t.Cleanup(s.stop)
	var err error
	if s.nc, err = nats.Connect(s.srv.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.nc.Close)
	js, err := jetstream.New(s.nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	s.js = &counted{JetStream: js}
	s.tries = &s.js.n
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: schema.StreamEvents, Subjects: []string{"events.lisbon.>"}}); err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{schema.BucketCameras, schema.BucketBridges} {
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucket}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *natsServer) start(t *testing.T) {
	t.Helper()
	var err error
	if s.srv, err = server.NewServer(s.opts); err != nil {
		t.Fatal(err)
	}
	s.srv.Start()
	if !s.srv.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	if s.nc != nil {
		harness.WaitFor(t, 30*time.Second, "the connection", s.nc.IsConnected)
	}
}

func (s *natsServer) stop() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
}

// waitEvents waits until the stream holds n events.
func (s *natsServer) waitEvents(t *testing.T, n uint64) []schema.Event {
	t.Helper()
	harness.WaitFor(t, 30*time.Second, fmt.Sprint(n, " events"), func() bool {
		st, err := s.js.Stream(t.Context(), schema.StreamEvents)
		return err == nil && st.CachedInfo().State.Msgs >= n
	})
	return s.events(t)
}

func (s *natsServer) events(t *testing.T) (all []schema.Event) {
	t.Helper()
	st, err := s.js.Stream(t.Context(), schema.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range st.CachedInfo().State.LastSeq {
		m, err := st.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		var e schema.Event
		if err := json.Unmarshal(m.Data, &e); err != nil || m.Subject != e.Subject() {
			t.Fatalf("%s: %s, %v", m.Subject, m.Data, err)
		}
		all = append(all, e)
	}
	return all
}

// value is what a bucket holds; key is "<bucket> <key>".
func (s *natsServer) value(t *testing.T, key string) string {
	t.Helper()
	bucket, name, _ := strings.Cut(key, " ")
	kv, err := s.js.KeyValue(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	e, err := kv.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.Value())
}
