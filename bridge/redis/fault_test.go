package redis_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// wantFault checks the class of an error, and that it names what the server said.
func wantFault(t *testing.T, err error, want bridge.Fault, words string) {
	t.Helper()
	if got := bridge.FaultOf(err); err == nil || got != want || !errors.Is(err, bridge.ErrNotConnected) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %s (%v), want %s that names %q", got, err, want, words)
	}
}

// faultAt is how connecting and sending one frame ends.
func faultAt(t *testing.T, url string) error {
	t.Helper()
	s := newSink(t, redis.Config{URL: url, Key: template(t, "frames:{seq}"), TTL: time.Minute, Timeout: time.Second})
	if err := s.Connect(t.Context()); err != nil {
		return err
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	return sinktest.Send(t, s, sinktest.Frame("dock-1", 1, 1000))[0]
}

func TestFault_IsNamedByWhatAnOperatorMustChange(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	do(t, r, "acl", "setuser", "writer", "on", ">right", "~frames:*", "+ping", "+set")
	do(t, r, "acl", "setuser", "watcher", "on", ">right", "~*", "+ping")
	as := func(user string) string { return "redis://" + user + "@" + r.Addr() }
	if err := faultAt(t, as("writer:right")); err != nil {
		t.Errorf("got %v with every right that is needed", err)
	}
	wantFault(t, faultAt(t, as("writer:wrong")), bridge.FaultCredentials, "WRONGPASS")
	wantFault(t, faultAt(t, as("nobody:right")), bridge.FaultCredentials, "WRONGPASS")
	wantFault(t, faultAt(t, as("watcher:right")), bridge.FaultPermission, "NOPERM")
	wantFault(t, faultAt(t, r.URL()[:len(r.URL())-1]+"99"), bridge.FaultMissing, "DB index is out of range")
	wantFault(t, faultAt(t, fmt.Sprintf("redis://127.0.0.1:%d", harness.FreePort(t))), bridge.FaultRefused, "refused")

	do(t, r, "config", "set", "requirepass", "right")
	wantFault(t, faultAt(t, r.URL()), bridge.FaultCredentials, "NOAUTH")
	do(t, r, "config", "set", "requirepass", "")

	do(t, r, "config", "set", "maxmemory", "1")
	wantFault(t, faultAt(t, r.URL()), bridge.FaultFull, "OOM")
	do(t, r, "config", "set", "maxmemory", "0")

	do(t, r, "config", "set", "min-replicas-to-write", "1")
	wantFault(t, faultAt(t, r.URL()), bridge.FaultBlocked, "NOREPLICAS")
	do(t, r, "config", "set", "min-replicas-to-write", "0")

	do(t, r, "replicaof", "127.0.0.1", fmt.Sprint(harness.FreePort(t)))
	wantFault(t, faultAt(t, r.URL()), bridge.FaultReadOnly, "READONLY")
	do(t, r, "replicaof", "no", "one")

	do(t, r, "config", "set", "maxclients", "1")
	wantFault(t, faultAt(t, r.URL()), bridge.FaultBlocked, "max number of clients")
	do(t, r, "config", "set", "maxclients", "100")

	r.Pause()
	defer r.Resume()
	wantFault(t, faultAt(t, r.URL()), bridge.FaultTimeout, "")
}

func TestFault_RightsLostWhileConnected(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{})
	do(t, r, "acl", "setuser", "writer", "on", ">right", "~frames:*", "+ping", "+set")
	s := connected(t, redis.Config{URL: "redis://writer:right@" + r.Addr(), Key: template(t, "frames:{seq}"), TTL: time.Minute})
	if err := sinktest.Send(t, s, sinktest.Frame("dock-1", 1, 10))[0]; err != nil {
		t.Fatal(err)
	}
	do(t, r, "acl", "setuser", "writer", "-set")
	wantFault(t, sinktest.Send(t, s, sinktest.Frame("dock-1", 2, 10))[0], bridge.FaultPermission, "NOPERM")
}

func TestFault_ServerThatCannotSave(t *testing.T) {
	dir := t.TempDir()
	r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--save", "3600 1", "--dir", dir, "--dbfilename", "taken"}})
	if err := os.MkdirAll(filepath.Join(dir, "taken", "by-a-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	do(t, r, "set", "x", "y")
	do(t, r, "bgsave")
	var err error
	harness.WaitFor(t, 10*time.Second, "the save to fail", func() bool { err = faultAt(t, r.URL()); return err != nil })
	wantFault(t, err, bridge.FaultBlocked, "MISCONF")
}

func TestFault_ServerThatIsLoading(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--save", "3600 1", "--rdbcompression", "no",
		"--key-load-delay", "200000", "--loading-process-events-interval-bytes", "1024"}})
	for i := range 10 {
		do(t, r, "set", fmt.Sprint("frame:", i), strings.Repeat("x", 10_000))
	}
	do(t, r, "save")
	r.Stop()
	started := make(chan struct{})
	go func() {
		defer close(started)
		r.Start()
	}()
	var err error
	harness.WaitFor(t, 20*time.Second, "a fault of a server that listens", func() bool {
		err = faultAt(t, r.URL())
		if err == nil {
			t.Fatal("the server was never seen to load")
		}
		return bridge.FaultOf(err) != bridge.FaultRefused
	})
	wantFault(t, err, bridge.FaultLoading, "LOADING")
	<-started
}

// A server says that a value is too long only by ending the connection, also those of the frames before it.
func TestSink_FrameAboveTheServersLimitIsTriedOnceAndRefused(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--proto-max-bulk-len", "1mb"}})
	for _, size := range []int{1<<20 + 1, 1600 << 10, 20 << 20} {
		s := newSink(t, redis.Config{URL: r.URL(), Key: template(t, "frames:{seq}"), TTL: time.Minute, Timeout: 5 * time.Second})
		frames := []*schema.Frame{sinktest.Frame("c", 1, 1000), sinktest.Frame("c", 2, 1<<20), sinktest.Frame("c", 3, size), sinktest.Frame("c", 4, 1000)}
		for connections := 1; len(frames) > 0; connections++ {
			if err := s.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			var left []*schema.Frame
			for i, err := range sinktest.Send(t, s, frames...) {
				switch large := frames[i].Seq == 3; {
				case errors.Is(err, bridge.ErrNotConnected):
					left = append(left, frames[i])
				case large != errors.Is(err, bridge.ErrRejected):
					t.Fatalf("%d bytes: frame %d: %v", size, frames[i].Seq, err)
				case large && !strings.Contains(err.Error(), "proto-max-bulk-len"):
					t.Errorf("%v does not say what to change", err)
				}
			}
			if frames = left; len(frames) > 0 && connections == 3 {
				t.Fatalf("%d bytes: %d frames are still not answered after %d connections", size, len(frames), connections)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
