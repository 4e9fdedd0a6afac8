package harness

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// SentinelMaster is the name by which Sentinels know the master.
	SentinelMaster = "cameras"
	// SentinelPassword is that of the Sentinels themselves.
	SentinelPassword = "watcher"
)

// Sentinels are three Redis Sentinels, which watch a master with one replica. They take half a second without an answer for a master that
// is down.
type Sentinels struct {
	Master, Replica *Redis // as they begin
	t               testing.TB
	services        []*service
	ports           []int
}

// StartSentinels starts a master with the options, a replica and the Sentinels, and returns when a failover can be survived. That takes
// seconds: share it between subtests.
func StartSentinels(t testing.TB, o RedisOptions) *Sentinels {
	t.Helper()
	o.Args = append([]string{"--repl-diskless-sync-delay", "0"}, o.Args...)
	if o.Password != "" {
		o.Args = append(o.Args, "--masterauth", o.Password)
	}
	s := &Sentinels{t: t, Master: StartRedis(t, o)}
	o.Args = append(o.Args, "--replicaof", "127.0.0.1", fmt.Sprint(s.Master.port))
	s.Replica = StartRedis(t, o)
	WaitFor(t, 20*time.Second, "the replica to follow", func() bool {
		return strings.Contains(s.Replica.client.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	for n := range 3 {
		s.start(n, o.Password)
	}
	for n := range s.services {
		WaitFor(t, 30*time.Second, "the Sentinels to find each other and the replica", func() bool {
			seen := s.state(n)
			return seen["num-slaves"] == "1" && seen["num-other-sentinels"] == "2"
		})
	}
	return s
}

func (s *Sentinels) start(n int, password string) {
	s.t.Helper()
	port, dir := FreePort(s.t), s.t.TempDir()
	lines := []string{
		fmt.Sprint("port ", port), "bind 127.0.0.1", "requirepass " + SentinelPassword, "dir " + dir,
		fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", SentinelMaster, s.Master.port),
		"sentinel down-after-milliseconds " + SentinelMaster + " 500",
		"sentinel failover-timeout " + SentinelMaster + " 5000",
	}
	if password != "" {
		lines = append(lines, "sentinel auth-pass "+SentinelMaster+" "+password)
	}
	config := filepath.Join(dir, "sentinel.conf")
	writeFile(s.t, config, strings.Join(lines, "\n")+"\n")
	started := newService(s.t, program{name: fmt.Sprint("sentinel-", n), pkg: "redis-server", path: "redis-server",
		args: []string{config, "--sentinel"}, dir: dir}, func() error { return dialTCP(hostPort(port)) })
	started.Start()
	s.ports, s.services = append(s.ports, port), append(s.services, started)
}

// state is what the n-th Sentinel knows of the master; nil if it does not say.
func (s *Sentinels) state(n int) map[string]string {
	client := redis.NewSentinelClient(&redis.Options{Addr: hostPort(s.ports[n]), Password: SentinelPassword, MaxRetries: -1, DialTimeout: time.Second})
	defer client.Close()
	return client.Master(s.t.Context(), SentinelMaster).Val()
}

// Addrs are where the Sentinels listen.
func (s *Sentinels) Addrs() (all []string) {
	for _, port := range s.ports {
		all = append(all, hostPort(port))
	}
	return all
}

// Kill ends the n-th Sentinel with SIGKILL.
func (s *Sentinels) Kill(n int) { s.services[n].Kill() }

// WaitMaster waits until the n-th Sentinel names r as the master.
func (s *Sentinels) WaitMaster(n int, r *Redis) {
	s.t.Helper()
	WaitFor(s.t, 30*time.Second, "the Sentinel to name the new master", func() bool { return s.state(n)["port"] == fmt.Sprint(r.port) })
}
