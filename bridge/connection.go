package bridge

import (
	"context"
	"sync"

	"github.com/edge-video/edge-video/schema"
)

// Connection is one connection of a sink, from Connect to Close.
type Connection interface {
	// Push takes a frame into the connection's window; see [Window.Push].
	Push(ctx context.Context, it Item)
	// GiveUp ends whatever waits for the broker. It may be called more than once.
	GiveUp()
	// End returns when every frame has been answered and every goroutine has ended. Nobody pushes any more.
	End()
}

// Current is the connection that a sink has now, or none. Its Send and Close are a sink's.
type Current struct {
	mu   sync.RWMutex // held for reading by Send, so that Close can wait for it
	conn Connection
}

// Set makes conn the current connection. The one before has been closed.
func (c *Current) Set(conn Connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
}

// Send hands over one frame; see [Sink].
func (c *Current) Send(ctx context.Context, f *schema.Frame, done func(error)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.conn == nil {
		done(ErrNotConnected)
		return
	}
	c.conn.Push(ctx, Item{Frame: f, Done: done})
}

// Close gives up the connection; see [Sink].
func (c *Current) Close() error {
	c.mu.RLock()
	if c.conn != nil {
		c.conn.GiveUp() // makes room for a Send that waits
	}
	c.mu.RUnlock()

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.End()
		c.conn = nil
	}
	return nil
}
