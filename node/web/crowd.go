package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// crowdMost bounds open connections, crowdEach those of one address.
	crowdMost = 1024
	crowdEach = 256
)

// crowd is the connections of a listener. It stays bounded: for a new one beyond the bound one that says nothing is put out, which of
// those that ask in earnest nobody notices, or else the new one.
type crowd struct {
	net.Listener

	mu     sync.Mutex
	guests map[*guest]struct{}
	each   map[string]int
}

// guest is one connection.
type guest struct {
	net.Conn
	crowd *crowd
	from  string

	silent time.Time // since when it says nothing, zero while it asks; under the crowd's lock
}

func newCrowd(l net.Listener) *crowd {
	return &crowd{Listener: l, guests: map[*guest]struct{}{}, each: map[string]int{}}
}

// Accept implements [net.Listener].
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g := &guest{Conn: conn, crowd: c, from: network(conn.RemoteAddr().String()), silent: time.Now()}
		if c.admit(g) {
			return g, nil
		}
		_ = conn.Close() // it has not been let in
	}
}

// admit lets one in where there is room, or can be made.
func (c *crowd) admit(g *guest) bool {
	c.mu.Lock()
	full, crowded := len(c.guests) >= crowdMost, c.each[g.from] >= crowdEach
	var out *guest
	if full || crowded {
		for other := range c.guests {
			if other.silent.IsZero() || crowded && other.from != g.from {
				continue
			}
			if out == nil || other.silent.Before(out.silent) {
				out = other
			}
		}
		if out == nil {
			c.mu.Unlock()
			return false
		}
		c.forget(out)
	}
	c.guests[g] = struct{}{}
	c.each[g.from]++
	c.mu.Unlock()
	if out != nil {
		_ = out.Conn.Close() // whatever comes of it, it is not counted any more
	}
	return true
}

// forget takes one out. The lock is held.
func (c *crowd) forget(g *guest) {
	if _, ok := c.guests[g]; !ok {
		return
	}
	delete(c.guests, g)
	if c.each[g.from]--; c.each[g.from] == 0 {
		delete(c.each, g.from)
	}
}

// Close implements [net.Conn].
func (g *guest) Close() error {
	g.crowd.mu.Lock()
	g.crowd.forget(g)
	g.crowd.mu.Unlock()
	return g.Conn.Close()
}

// note takes over from the server whether a connection is asking.
func (c *crowd) note(conn net.Conn, state http.ConnState) {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = t.NetConn() // under TLS
	}
	g, ok := conn.(*guest)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateActive:
		g.silent = time.Time{}
	case http.StateIdle:
		g.silent = time.Now()
	}
}
