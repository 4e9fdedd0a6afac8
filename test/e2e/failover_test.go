package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// TestFailover_FramesGoOnAtTheReplica kills two masters under load: one that Sentinel watches, and the one of a cluster that has the
// frames' stream.
func TestFailover_FramesGoOnAtTheReplica(t *testing.T) {
	t.Parallel()
	group := harness.StartSentinels(t, harness.RedisOptions{Password: "pass"})
	cluster := harness.StartRedisCluster(t, harness.RedisOptions{Password: "pass"})
	master := cluster.Owner("frames")
	replica := cluster.AddReplica(slices.Index(cluster.Nodes, master))
	password := filepath.Join(t.TempDir(), "sentinel")
	if err := os.WriteFile(password, []byte(harness.SentinelPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	n := harness.StartNode(t, harness.NodeOptions{Program: program, Cameras: lines(madeUp("cam-1"), madeUp("cam-2")), Bridges: lines(
		redisBridge("watched", "url: 'redis://:pass@%s', addresses: ['%s'], sentinel: {master: %s, password_file: %s}",
			group.Addrs()[0], group.Addrs()[1], harness.SentinelMaster, password),
		redisBridge("divided", "url: 'redis://:pass@%s', addresses: ['%s'], cluster: true", cluster.Addrs()[0], cluster.Addrs()[1]))})
	js := n.JetStream()
	harness.WaitFor(t, 30*time.Second, "frames in both", func() bool {
		return storedCount(t, js, "*") > 20 && caughtUp(t, js, "watched") && caughtUp(t, js, "divided")
	})
	group.Master.Kill()
	master.Kill()
	before := stored(t, js) // a master may have confirmed some of these before its replica had them
	harness.WaitFor(t, 30*time.Second, "frames of after", func() bool { return storedCount(t, js, "*") > len(before)+20 })
	after := slices.DeleteFunc(stored(t, js), func(f *schema.Frame) bool {
		return slices.ContainsFunc(before, func(b *schema.Frame) bool { return b.ID() == f.ID() })
	})
	waitPassed(t, js, 30*time.Second, "watched", "divided")
	checkArrivals(t, "Sentinel's master", after, inRedis(t, group.Replica.Client()))
	all := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{replica.Addr()}, Password: "pass"})
	defer all.Close()
	checkArrivals(t, "the cluster", after, inRedis(t, all))
}

func redisBridge(name, keys string, values ...any) string {
	return fmt.Sprintf("  - {name: %s, timeout: 2s, breaker: {failures: 3, open: 1s, max_open: 4s}, redis: {key: 'frames:{camera}:{epoch}:{seq}', metadata: {stream: frames}, %s}}\n",
		name, fmt.Sprintf(keys, values...))
}
