package bridge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// stream is a NATS server with the streams of a site.
type stream struct {
	t    *testing.T
	opts *server.Options
	srv  *server.Server
	nc   *nats.Conn
	js   jetstream.JetStream
	reg  prometheus.Registerer // of the next worker; nil is one of its own
}

func startStream(t *testing.T, change ...func(*server.Options)) *stream {
	t.Helper()
	s := &stream{t: t, opts: &server.Options{Host: "127.0.0.1", Port: harness.FreePort(t), JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}}
	for _, c := range change {
		c(s.opts)
	}
	s.start()
	t.Cleanup(s.stop)
	var err error
	if s.nc, err = nats.Connect(s.srv.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.nc.Close)
	if s.js, err = jetstream.New(s.nc, jetstream.WithDefaultTimeout(30*time.Second)); err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"FRAMES": "frames.lisbon.>", "EVENTS": "events.lisbon.>", "DEAD": "dead.lisbon.>", "STORED": "stored.lisbon.>"} {
		if _, err := s.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Storage: jetstream.FileStorage}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: schema.BucketBridges}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stream) start() {
	s.t.Helper()
	var err error
	if s.srv, err = server.NewServer(s.opts); err != nil {
		s.t.Fatal(err)
	}
	s.srv.Start()
	if !s.srv.ReadyForConnections(20 * time.Second) {
		s.t.Fatal("the server does not start")
	}
	if s.nc != nil {
		harness.WaitFor(s.t, 30*time.Second, "the connection", func() bool { return s.nc.FlushTimeout(time.Second) == nil })
	}
}

func (s *stream) stop() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
}

// publish stores frames first to last.
func (s *stream) publish(first, last uint64) {
	s.t.Helper()
	for seq := first; seq <= last; seq++ {
		f := frame(seq)
		s.publishMsg(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data})
	}
}

func (s *stream) publishMsg(m *nats.Msg) {
	s.t.Helper()
	if _, err := s.js.PublishMsg(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) consumer(name string) *jetstream.ConsumerInfo {
	s.t.Helper()
	c, err := s.js.Consumer(s.t.Context(), schema.StreamFrames, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return &jetstream.ConsumerInfo{}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return c.CachedInfo()
}

// waitAcked waits until the bridge's consumer has nothing left up to the given stream sequence.
func (s *stream) waitAcked(seq uint64) {
	s.t.Helper()
	harness.WaitFor(s.t, 30*time.Second, fmt.Sprintf("%d frames acknowledged", seq), func() bool {
		i := s.consumer("broker")
		return i.AckFloor.Stream >= seq && i.NumAckPending == 0
	})
}

// status is what the bucket says of a bridge.
func (s *stream) status(name string) (st schema.BridgeStatus) {
	s.t.Helper()
	kv, err := s.js.KeyValue(s.t.Context(), schema.BucketBridges)
	if err != nil {
		s.t.Fatal(err)
	}
	var e jetstream.KeyValueEntry
	harness.WaitFor(s.t, 30*time.Second, "the state in the bucket", func() bool { e, err = kv.Get(s.t.Context(), "lisbon."+name); return err == nil })
	if err := json.Unmarshal(e.Value(), &st); err != nil {
		s.t.Fatal(err)
	}
	return st
}

// dead are the messages that bridges gave up.
func (s *stream) dead(n int) (all []*jetstream.RawStreamMsg) {
	s.t.Helper()
	st, err := s.js.Stream(s.t.Context(), schema.StreamDead)
	if err != nil {
		s.t.Fatal(err)
	}
	harness.WaitFor(s.t, 30*time.Second, fmt.Sprintf("%d messages in DEAD", n), func() bool {
		i, err := st.Info(s.t.Context())
		return err == nil && i.State.Msgs >= uint64(n)
	})
	for seq := range n {
		m, err := st.GetMsg(s.t.Context(), uint64(seq+1))
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// verdict is what a sink does with a frame.
type verdict int

const (
	confirm verdict = iota
	hold            // says nothing until told otherwise
	lose            // the connection is lost
	reject
)

// fakeSink does what its functions say.
type fakeSink struct {
	connect func(attempt int) error
	judge   func(f *schema.Frame) verdict

	mu       sync.Mutex
	attempts int
	live     bool
	pending  []waiting
	arrived  []uint64 // every Send
	confirms []uint64
	judging  sync.Mutex // done is called by one at a time
}

type waiting struct {
	f    *schema.Frame
	done func(error)
}

func (s *fakeSink) Connect(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts++
	if s.connect != nil {
		if err := s.connect(s.attempts); err != nil {
			return fmt.Errorf("%w: %w", bridge.ErrNotConnected, err)
		}
	}
	s.live = true
	return nil
}

func (s *fakeSink) Send(_ context.Context, f *schema.Frame, done func(error)) {
	s.mu.Lock()
	s.arrived = append(s.arrived, f.Seq)
	s.pending = append(s.pending, waiting{f, done})
	s.mu.Unlock()
	s.settle()
}

// settle answers frames in order until one is held.
func (s *fakeSink) settle() {
	s.judging.Lock()
	defer s.judging.Unlock()
	for {
		s.mu.Lock()
		if len(s.pending) == 0 {
			s.mu.Unlock()
			return
		}
		w := s.pending[0]
		err := error(bridge.ErrNotConnected)
		if s.live {
			v := confirm
			if s.judge != nil {
				v = s.judge(w.f)
			}
			switch v {
			case hold:
				s.mu.Unlock()
				return
			case lose:
				s.live = false
			case reject:
				err = fmt.Errorf("%w: too square", bridge.ErrRejected)
			case confirm:
				s.confirms = append(s.confirms, w.f.Seq)
				err = nil
			}
		}
		s.pending = s.pending[1:]
		s.mu.Unlock()
		w.done(err)
	}
}

func (s *fakeSink) Close() error {
	s.mu.Lock()
	s.live = false
	s.mu.Unlock()
	s.settle()
	return nil
}

func (s *fakeSink) seen() (arrived, confirms []uint64, attempts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]uint64(nil), s.arrived...), append([]uint64(nil), s.confirms...), s.attempts
}

func (s *fakeSink) setJudge(judge func(f *schema.Frame) verdict) {
	s.mu.Lock()
	s.judge = judge
	s.mu.Unlock()
	s.settle()
}

func always(v verdict) func(*schema.Frame) verdict { return func(*schema.Frame) verdict { return v } }

// bridging is a worker at work.
type bridging struct {
	*bridge.Worker
	stop func()
}

func config() bridge.Config {
	return bridge.Config{Site: "lisbon", Node: "gate-7", Name: "broker", Cameras: []string{"*"}, MaxFrame: 1 << 20, Timeout: 10 * time.Second,
		Breaker: bridge.BreakerConfig{Failures: 3, Open: 100 * time.Millisecond, MaxOpen: 400 * time.Millisecond}}
}

func (s *stream) worker(c bridge.Config, sink bridge.Sink, connect func(string) (*nats.Conn, error)) *bridge.Worker {
	reg := s.reg
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	return bridge.NewWorker(c, sink, connect, slog.New(slog.DiscardHandler), reg)
}

func (s *stream) run(c bridge.Config, sink bridge.Sink) *bridging {
	s.t.Helper()
	return s.runOver(c, sink, func(name string) (*nats.Conn, error) {
		return nats.Connect(s.srv.ClientURL(), nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				if errors.Is(err, nats.ErrSlowConsumer) {
					s.t.Errorf("the worker's connection: %v", err)
				}
			}))
	})
}

// runOver runs a worker over the given connection.
func (s *stream) runOver(c bridge.Config, sink bridge.Sink, connect func(string) (*nats.Conn, error)) *bridging {
	s.t.Helper()
	b := &bridging{Worker: s.worker(c, sink, connect)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					s.t.Errorf("Run: %v, want nil", err)
				}
			case <-time.After(15 * time.Second):
				s.t.Fatal("Run does not return")
			}
		})
	}
	s.t.Cleanup(b.stop)
	return b
}

// firstArrivals drops repeats.
func firstArrivals(seqs []uint64) (first []uint64) {
	seen := map[uint64]bool{}
	for _, seq := range seqs {
		if !seen[seq] {
			seen[seq] = true
			first = append(first, seq)
		}
	}
	return first
}

func count(first, last uint64) (all []uint64) {
	for seq := first; seq <= last; seq++ {
		all = append(all, seq)
	}
	return all
}
