package harness

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions are what a test may want of Redis. The zero value keeps nothing over a stop.
type RedisOptions struct {
	Password   string        // asked of every client, where not empty
	Persistent bool          // keep the data over Stop and Start
	TLS        *Certificates // listens for rediss as well, and asks clients for a certificate
	Args       []string      // further arguments, as in "--maxmemory", "1mb"

	port int // 0 is any
}

// Redis is a redis-server of the test's own.
type Redis struct {
	*service
	port     int
	tls      int // port for rediss, 0 is none
	password string
	client   *redis.Client
}

// StartRedis starts a redis-server and returns when it answers.
func StartRedis(t testing.TB, o RedisOptions) *Redis {
	t.Helper()
	r := &Redis{port: o.port, password: o.Password}
	if r.port == 0 {
		r.port = FreePort(t)
	}
	dir := t.TempDir()
	args := []string{"--port", fmt.Sprint(r.port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""}
	if o.Password != "" {
		args = append(args, "--requirepass", o.Password)
	}
	if o.Persistent {
		// without fsync: what redis-server wrote survives its own end, and that is all a test ends
		args = append(args, "--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0")
	}
	if c := o.TLS; c != nil {
		r.tls = FreePort(t)
		args = append(args, "--tls-port", fmt.Sprint(r.tls), "--tls-ca-cert-file", c.CA, "--tls-cert-file", c.Server, "--tls-key-file", c.ServerKey)
	}
	p := program{name: "redis-server", pkg: "redis-server", path: "redis-server", args: append(args, o.Args...), dir: dir}
	r.client = redis.NewClient(&redis.Options{Addr: r.Addr(), Password: o.Password, MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second})
	t.Cleanup(func() { _ = r.client.Close() })
	r.service = newService(t, p, r.ping)
	r.Start()
	return r
}

// Addr is where it listens.
func (r *Redis) Addr() string { return hostPort(r.port) }

// TLSAddr is where it listens for TLS.
func (r *Redis) TLSAddr() string { return hostPort(r.tls) }

// URL is the redis URL of database 0, with the password.
func (r *Redis) URL() string { return r.URLAt(r.Addr()) }

// URLAt is like URL with another address, such as a proxy's.
func (r *Redis) URLAt(addr string) string {
	u := url.URL{Scheme: "redis", Host: addr, Path: "/0"}
	if r.password != "" {
		u.User = url.UserPassword("", r.password)
	}
	return u.String()
}

// Client is a client of it, closed when the test ends.
func (r *Redis) Client() *redis.Client { return r.client }

func (r *Redis) ping() error {
	if err := dialTCP(r.Addr()); err != nil {
		return err // the client would write this to stderr
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return r.client.Ping(ctx).Err()
}
