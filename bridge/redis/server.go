package redis

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// server is what the pipelines of a session go to: one server, or the masters of a cluster.
type server interface {
	// Pipeline begins one.
	Pipeline() redis.Pipeliner
	// exec sends a pipeline; the errors are those of its commands.
	exec(pipe redis.Pipeliner)
	// address is for people.
	address() string
	// ping asks for a sign of life of whatever takes frames.
	ping(ctx context.Context) error
	// reason is the fault behind an error of a command, which is err unless the server has named another.
	reason(err error) error
	// giveUp ends whatever waits for an answer. It may be called more than once.
	giveUp()
	// shut frees what the client holds.
	shut()
}

// single is one server, over one connection.
type single struct {
	*redis.Conn
	addr   string
	conn   *wire   // the client's, kept to give it up at once
	gather *gather // over conn; nil with TLS, which copies all it encrypts
	client *redis.Client
}

// newSingle gives the client the one connection there is: when that is lost the session is over.
func newSingle(addr string, conn net.Conn, options redis.Options) *single {
	s := &single{addr: addr, conn: &wire{Conn: conn}}
	var dialled net.Conn = s.conn
	if options.TLSConfig == nil {
		s.gather = newGather(s.conn)
		dialled, options.WriteBufferSize = s.gather, gatherBuffer
	}
	options.Dialer = func(context.Context, string, string) (net.Conn, error) { return dialled, nil }
	s.client = redis.NewClient(&options)
	s.Conn = s.client.Conn()
	return s
}

func (s *single) exec(pipe redis.Pipeliner) {
	if s.gather != nil {
		s.gather.lend(pipe.Cmds())
		defer s.gather.back()
	}
	_, _ = pipe.Exec(context.Background())
}

func (s *single) address() string { return s.addr }

func (s *single) ping(ctx context.Context) error { return s.Ping(ctx).Err() }

func (s *single) reason(err error) error {
	if named := s.conn.named(); named != nil {
		return named
	}
	return err
}

func (s *single) giveUp() { s.conn.abort() }

// shut drops errors that say only that the connection is closed.
func (s *single) shut() {
	s.conn.abort()
	_ = s.Close()
	_ = s.client.Close()
}
