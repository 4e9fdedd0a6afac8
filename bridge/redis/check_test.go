package redis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/test/harness"
	"github.com/edge-video/edge-video/test/sinktest"
)

// TestCheck_FindsWhatIsForbiddenAndLeavesNothing also holds a server to what the questions rest upon: that it looks at rights first.
func TestCheck_FindsWhatIsForbiddenAndLeavesNothing(t *testing.T) {
	r := harness.StartRedis(t, harness.RedisOptions{Args: []string{"--proto-max-bulk-len", "2mb"}})
	do(t, r, "config", "set", "notify-keyspace-events", "KA")
	heard := r.Client().PSubscribe(t.Context(), "__key*__:*")
	t.Cleanup(func() { _ = heard.Close() })
	if _, err := heard.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, r, "acl", "setuser", "all", "on", ">hunter2", "~*", "+@all")
	do(t, r, "acl", "setuser", "reader", "on", ">hunter2", "~*", "+@read", "+ping", "+hello", "+client")
	do(t, r, "acl", "setuser", "other", "on", ">hunter2", "~other:*", "+@all")
	do(t, r, "acl", "setuser", "frames", "on", ">hunter2", "~frames:*", "+@all")
	do(t, r, "acl", "setuser", "noeval", "on", ">hunter2", "~*", "+@all", "-eval")
	for _, c := range []struct {
		user, password string
		bytes          int
		want           string // "" is nothing
		fault          bridge.Fault
	}{
		{user: "all", password: "hunter2", bytes: 1 << 20},
		{user: "all", password: "wrong", bytes: 10, want: "credentials", fault: bridge.FaultCredentials},
		{user: "reader", password: "hunter2", bytes: 10, want: "storing frames:dock-1", fault: bridge.FaultPermission},
		{user: "other", password: "hunter2", bytes: 10, want: "storing frames:dock-1", fault: bridge.FaultPermission},
		{user: "frames", password: "hunter2", bytes: 10, want: "adding to arrived:dock-1", fault: bridge.FaultPermission},
		{user: "noeval", password: "hunter2", bytes: 10, want: "storing latest:dock-1", fault: bridge.FaultPermission},
		{user: "all", password: "hunter2", bytes: 3 << 20, want: "proto-max-bulk-len"},
	} {
		s := newSink(t, redis.Config{URL: "redis://" + c.user + ":" + c.password + "@" + r.Addr(), Key: template(t, "frames:{camera}"),
			TTL:    time.Minute,
			Latest: template(t, "latest:{camera}"), Metadata: redis.Metadata{Stream: template(t, "arrived:{camera}")}})
		err := s.Check(t.Context(), sinktest.Frame("dock-1", 1, c.bytes))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.user, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q in it", c.user, err, c.want)
		case c.want != "" && c.fault == "" && !errors.Is(err, bridge.ErrRejected):
			t.Errorf("%s: %v, want a frame that is rejected", c.user, err)
		case c.fault != "" && bridge.FaultOf(err) != c.fault:
			t.Errorf("%s: %v, want fault %s", c.user, err, c.fault)
		}
	}
	if n, err := r.Client().DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("%d keys, %v, want none", n, err)
	}
	do(t, r, "set", "marker", "1")
	m, err := heard.ReceiveMessage(t.Context())
	if err != nil || !strings.Contains(m.Channel+m.Payload, "marker") {
		t.Errorf("listeners heard %v, %v, want only of the marker", m, err)
	}
}
