package node_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func serverConfig(t *testing.T) node.ServerConfig {
	t.Helper()
	return node.ServerConfig{Site: "test", Node: "node-1", DataDir: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", MaxFrame: 1 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}}}
}

// launch runs a server until ctx ends; its error comes by the channel.
func launch(ctx context.Context, t *testing.T, c node.ServerConfig) (*node.Server, <-chan error) {
	t.Helper()
	s, err := node.NewServer(c, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return s, ended
}

// startServer runs a server until stop is called or the test ends, and returns when it is ready.
func startServer(t *testing.T, c node.ServerConfig) (s *node.Server, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s, ended := launch(ctx, t, c)
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			t.Errorf("running the server: %v", err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case err := <-ended:
		stopped = true
		t.Fatalf("starting the server: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the server does not get ready")
	}
	return s, stop
}

// refused is why a server does not start.
func refused(t *testing.T, c node.ServerConfig) error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, ended := launch(ctx, t, c)
	select {
	case err := <-ended:
		return err
	case <-s.Ready():
		cancel()
		<-ended
		t.Fatal("the server started")
	case <-time.After(30 * time.Second):
		t.Fatal("the server neither starts nor says why not")
	}
	return nil
}

// jetStream is on an in-process connection, closed when the test ends.
func jetStream(t *testing.T, s *node.Server) jetstream.JetStream {
	t.Helper()
	nc, err := s.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// wantError fails unless the error holds all the texts.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got error %v, want one with %q", err, text)
		}
	}
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// limits is what the tests compare of a stream's configuration.
type limits struct {
	Subject  string
	MaxAge   time.Duration
	MaxBytes int64
	Discard  jetstream.DiscardPolicy
}

func streamLimits(t *testing.T, js jetstream.JetStream) map[string]limits {
	t.Helper()
	got := map[string]limits{}
	for _, name := range []string{schema.StreamFrames, schema.StreamEvents, schema.StreamDead, schema.StreamStored} {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatalf("stream %s: %v", name, err)
		}
		c := stream.CachedInfo().Config
		got[name] = limits{strings.Join(c.Subjects, " "), c.MaxAge, c.MaxBytes, c.Discard}
		if c.Storage != jetstream.FileStorage || !c.AllowDirect || c.Replicas != 1 || c.Duplicates != 10*time.Second || c.Compression != jetstream.NoCompression ||
			c.MaxMsgSize != 1<<20+64<<10 || c.Retention != jetstream.LimitsPolicy {
			t.Errorf("stream %s: %+v", name, c)
		}
	}
	return got
}

func TestServer_StreamsFollowTheConfiguration(t *testing.T) {
	c := serverConfig(t)
	s, stop := startServer(t, c)
	if err := s.Err(); err != nil {
		t.Errorf("ready with error %v", err)
	}
	js := jetStream(t, s)
	want := map[string]limits{
		schema.StreamFrames: {"frames.test.>", time.Hour, 64 << 20, jetstream.DiscardOld},
		schema.StreamEvents: {"events.test.>", 7 * 24 * time.Hour, 256 << 20, jetstream.DiscardOld},
		schema.StreamDead:   {"dead.test.>", 0, 16 << 20, jetstream.DiscardOld},
		schema.StreamStored: {"stored.test.>", time.Hour, 16 << 20, jetstream.DiscardOld},
	}
	if d := cmp.Diff(streamLimits(t, js), want); d != "" {
		t.Errorf("streams (-got +want):\n%s", d)
	}
	for _, bucket := range []string{schema.BucketCameras, schema.BucketBridges} {
		kv, err := js.KeyValue(t.Context(), bucket)
		if err != nil {
			t.Fatalf("bucket %s: %v", bucket, err)
		}
		if st, err := kv.Status(t.Context()); err != nil || st.History() != 1 {
			t.Errorf("bucket %s: %+v, %v", bucket, st, err)
		}
	}
	if _, err := js.Publish(t.Context(), "frames.test.cam", []byte("kept")); err != nil {
		t.Fatal(err)
	}

	stop()
	c.Stream.MaxAge, c.Stream.MaxBytes = 30*time.Minute, 32<<20
	want[schema.StreamFrames] = limits{"frames.test.>", 30 * time.Minute, 32 << 20, jetstream.DiscardOld}
	want[schema.StreamDead] = limits{"dead.test.>", 0, 8 << 20, jetstream.DiscardOld}
	want[schema.StreamStored] = limits{"stored.test.>", 30 * time.Minute, 8 << 20, jetstream.DiscardOld}
	s, _ = startServer(t, c)
	js = jetStream(t, s)
	if d := cmp.Diff(streamLimits(t, js), want); d != "" {
		t.Errorf("streams after the change (-got +want):\n%s", d)
	}
	stream, err := js.Stream(t.Context(), schema.StreamFrames)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := stream.GetLastMsgForSubject(t.Context(), "frames.test.cam"); err != nil || string(m.Data) != "kept" {
		t.Errorf("after the restart got %+v, %v; want the message of before", m, err)
	}
}

// TestServer_CleanStopWritesTheIndex holds what makes the next start quick: JetStream need not read every frame again.
func TestServer_CleanStopWritesTheIndex(t *testing.T) {
	c := serverConfig(t)
	index := filepath.Join(c.DataDir, "jetstream", "FRAMES", "streams", schema.StreamFrames, "msgs", "index.db")
	s, stop := startServer(t, c)
	if _, err := jetStream(t, s).Publish(t.Context(), "frames.test.cam", make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(index); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("before the stop: %v, want no index", err)
	}
	stop()
	if _, err := os.Stat(index); err != nil {
		t.Errorf("after the stop: %v", err)
	}
	if _, err := s.InProcessConn(); !errors.Is(err, node.ErrServerDown) {
		t.Errorf("connecting to the stopped server: %v, want %v", err, node.ErrServerDown)
	}
}

func TestServer_SecondNodeOnTheSameDirectoryIsRefused(t *testing.T) {
	c := serverConfig(t)
	startServer(t, c)
	err := refused(t, c)
	if !errors.Is(err, node.ErrLocked) {
		t.Errorf("got %v, want %v", err, node.ErrLocked)
	}
	wantError(t, err, c.DataDir, "its own data_dir")
}

func TestServer_PortInUseIsFoundBeforeAnythingIsCreated(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for key, change := range map[string]func(*node.ServerConfig){
		"nats.listen":         func(c *node.ServerConfig) { c.Listen = taken.Addr().String() },
		"nats.leaf.listen":    func(c *node.ServerConfig) { c.Leaf.Listen = taken.Addr().String() },
		"nats.cluster.listen": func(c *node.ServerConfig) { c.Cluster = node.ClusterConfig{Name: "c", Listen: taken.Addr().String()} },
	} {
		t.Run(key, func(t *testing.T) {
			c := serverConfig(t)
			change(&c)
			wantError(t, refused(t, c), key+":", taken.Addr().String(), "in use")
			if _, err := os.Stat(c.DataDir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("data_dir: %v, want it not to exist", err)
			}
		})
	}
}

// TestServer_StopDuringStart asks it to stop at several moments of its start; the next start must work.
func TestServer_StopDuringStart(t *testing.T) {
	c := serverConfig(t)
	s, stop := startServer(t, c)
	js := jetStream(t, s)
	for range 20 {
		if _, err := js.Publish(t.Context(), "frames.test.cam", make([]byte, 200_000)); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	for _, after := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), after)
		_, ended := launch(ctx, t, c)
		<-ctx.Done()
		began := time.Now()
		select {
		case err := <-ended:
			if took := time.Since(began); err != nil || took > 3*time.Second {
				t.Errorf("stopped %v after its start: ended with %v in %v, want nil within 3 s", after, err, took)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("stopped %v after its start: does not end", after)
		}
		cancel()
	}
	s, _ = startServer(t, c)
	stream, err := jetStream(t, s).Stream(t.Context(), schema.StreamFrames)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != 20 {
		t.Errorf("%d messages in the stream, want 20", got)
	}
}

func TestServer_PersistModeCannotChange(t *testing.T) {
	for _, async := range []bool{false, true} {
		c := serverConfig(t)
		c.Stream.Sync.Async = async
		_, stop := startServer(t, c)
		stop()
		_, stop = startServer(t, c) // unchanged it goes on
		stop()
		c.Stream.Sync.Async = !async
		wantError(t, refused(t, c), "stream.sync cannot change", "change it back")
	}
}

func TestServer_SyncAlwaysStores(t *testing.T) {
	c := serverConfig(t)
	c.Stream.Sync = node.Sync{Always: true}
	s, _ := startServer(t, c)
	if _, err := jetStream(t, s).Publish(t.Context(), "frames.test.cam", []byte("x")); err != nil {
		t.Error(err)
	}
}

func TestServer_ReplicasNeedACluster(t *testing.T) {
	c := serverConfig(t)
	c.Stream.Replicas = 3
	wantError(t, refused(t, c), "FRAMES", "replicas")
}

func TestServer_OtherListenersOpen(t *testing.T) {
	c := serverConfig(t)
	leaf := address(harness.FreePort(t))
	c.Leaf.Listen = leaf
	startServer(t, c)
	dial(t, leaf)

	c = serverConfig(t)
	c.Listen = "" // in-process only
	s, _ := startServer(t, c)
	if _, err := jetStream(t, s).Publish(t.Context(), "frames.test.cam", []byte("x")); err != nil {
		t.Error(err)
	}
}

// TestServer_ClusterHoldsReplicas joins three nodes of a site.
func TestServer_ClusterHoldsReplicas(t *testing.T) {
	t.Parallel()
	var routes []string
	for range 3 {
		routes = append(routes, "nats://"+address(harness.FreePort(t)))
	}
	type result struct {
		s   *node.Server
		end <-chan error
	}
	ctx, cancel := context.WithCancel(context.Background())
	var nodes []result
	defer func() {
		cancel()
		for _, n := range nodes {
			if err := <-n.end; err != nil {
				t.Errorf("running the server: %v", err)
			}
		}
	}()
	for i, route := range routes {
		c := serverConfig(t)
		c.Node = fmt.Sprintf("node-%d", i+1)
		c.Stream.Replicas = 3
		c.Cluster = node.ClusterConfig{Name: "test", Listen: strings.TrimPrefix(route, "nats://"), Routes: routes}
		s, end := launch(ctx, t, c)
		nodes = append(nodes, result{s, end})
	}
	for i, n := range nodes {
		select {
		case <-n.s.Ready():
		case err := <-n.end:
			nodes = append(nodes[:i], nodes[i+1:]...)
			t.Fatalf("node %d: %v", i+1, err)
		}
	}
	for _, route := range routes {
		dial(t, strings.TrimPrefix(route, "nats://"))
	}
	if _, err := jetStream(t, nodes[0].s).Publish(t.Context(), "frames.test.cam", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for i, n := range nodes {
		js := jetStream(t, n.s)
		harness.WaitFor(t, 10*time.Second, fmt.Sprintf("node %d to see three replicas", i+1), func() bool {
			stream, err := js.Stream(t.Context(), schema.StreamFrames)
			if err != nil {
				return false
			}
			info := stream.CachedInfo()
			return info.State.Msgs == 1 && info.Cluster != nil && len(info.Cluster.Replicas) == 2
		})
	}
}

// TestServer_ClusterNodeWaitsForTheOthers says what it waits for, and ends when it is asked to.
func TestServer_ClusterNodeWaitsForTheOthers(t *testing.T) {
	t.Parallel()
	c := serverConfig(t)
	c.Cluster = node.ClusterConfig{Name: "test", Listen: address(harness.FreePort(t)),
		Routes: []string{"nats://" + address(harness.FreePort(t)), "nats://" + address(harness.FreePort(t))}}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, ended := launch(ctx, t, c)
	harness.WaitFor(t, 10*time.Second, "the reason", func() bool { return strings.Contains(fmt.Sprint(s.Err()), "other nodes of the cluster") })
	select {
	case <-s.Ready():
		t.Error("ready without the others")
	default:
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("got error %v of the stop, want none", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not end")
	}
}

func dial(t *testing.T, address string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Errorf("nothing listens at %s: %v", address, err)
		return
	}
	c.Close()
}

// outside connects from outside the process.
func outside(t *testing.T, address string, o ...nats.Option) (*nats.Conn, error) {
	t.Helper()
	nc, err := nats.Connect("nats://"+address, append(o, nats.MaxReconnects(0), nats.Timeout(5*time.Second))...)
	if err == nil {
		t.Cleanup(nc.Close)
	}
	return nc, err
}
