package redis

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
)

// cluster is the masters of a Redis Cluster. The client knows which has which key, and follows MOVED and ASK.
type cluster struct {
	*redis.ClusterClient
	dialling context.Context // ends when the session is given up
	stop     context.CancelFunc
	dial     func(ctx context.Context, addr string) (net.Conn, error)

	mu    sync.Mutex
	wires map[*wire]bool // open ones
	said  error          // what a node named as its reason before a connection to it ended
}

const (
	clusterPool      = 2 // connections to a master: pipelines have one, and learning anew where keys are another
	clusterRedirects = 5 // that a command follows
)

func newCluster(s *Sink) *cluster {
	c := &cluster{dial: s.dial, wires: map[*wire]bool{}}
	c.dialling, c.stop = context.WithCancel(context.Background())
	o := s.options
	c.ClusterClient = redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: s.addresses, Username: o.Username, Password: o.Password, Dialer: c.open,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, WriteBufferSize: o.WriteBufferSize,
		MaxRedirects: clusterRedirects, MaxRetries: o.MaxRetries,
		PoolSize: clusterPool, PipelinePoolSize: o.PipelinePoolSize, ConnMaxIdleTime: o.ConnMaxIdleTime,
		Protocol: o.Protocol, DisableIdentity: o.DisableIdentity, MaintNotificationsConfig: o.MaintNotificationsConfig,
	})
	return c
}

// open dials a node. Where that fails it returns a connection that says so, since the client would write the error to stderr, and go on
// trying in the background.
func (c *cluster) open(ctx context.Context, _, addr string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.dialling, cancel)()
	conn, err := c.dial(ctx, addr)
	if err != nil {
		return &unreachable{err: err}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dialling.Err() != nil {
		conn.Close()
		return &unreachable{err: net.ErrClosed}, nil
	}
	w := &wire{Conn: conn}
	w.closed = func() { c.forget(w) }
	c.wires[w] = true
	return w, nil
}

// forget takes note of how a connection has ended.
func (c *cluster) forget(w *wire) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if said := w.named(); said != nil && said.Fault != bridge.FaultConflict {
		c.said = said
	}
	delete(c.wires, w)
}

// Pipeline begins a pipeline that the client does not repeat by itself, beyond following a key to another master.
func (c *cluster) Pipeline() redis.Pipeliner { return oncePipeline{c.ClusterClient.Pipeline()} }

func (c *cluster) exec(pipe redis.Pipeliner) { _, _ = pipe.Exec(c.dialling) }

func (c *cluster) address() string { return "the nodes " + strings.Join(c.Options().Addrs, ", ") }

// ping asks every master: frames of one that is down would hold up those behind them.
func (c *cluster) ping(ctx context.Context) error {
	return c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		if err := node.Ping(ctx).Err(); err != nil {
			return fmt.Errorf("master %s: %w", node.Options().Addr, err)
		}
		return nil
	})
}

// reason takes a key that is sent from one master to the other for a cluster that is not ready.
func (c *cluster) reason(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, moved := redis.IsMovedError(err)
	_, asked := redis.IsAskError(err)
	switch {
	case c.said != nil:
		return c.said
	case moved || asked:
		return &bridge.SinkFault{Fault: bridge.FaultBlocked, Err: err}
	}
	return err
}

func (c *cluster) giveUp() {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.wires {
		w.abort()
	}
}

// shut drops errors that say only that connections are closed.
func (c *cluster) shut() {
	c.giveUp()
	_ = c.Close()
}

// oncePipeline is a pipeline of commands that are sent once: the worker alone repeats.
type oncePipeline struct{ redis.Pipeliner }

func (p oncePipeline) Process(ctx context.Context, cmd redis.Cmder) error {
	return p.Pipeliner.Process(ctx, once{cmd})
}

type once struct{ redis.Cmder }

func (once) NoRetry() bool { return true }

// unreachable is a connection that there is none of.
type unreachable struct{ err error }

func (u *unreachable) Read([]byte) (int, error)       { return 0, u.err }
func (u *unreachable) Write([]byte) (int, error)      { return 0, u.err }
func (*unreachable) Close() error                     { return nil }
func (*unreachable) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*unreachable) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*unreachable) SetDeadline(time.Time) error      { return nil }
func (*unreachable) SetReadDeadline(time.Time) error  { return nil }
func (*unreachable) SetWriteDeadline(time.Time) error { return nil }
