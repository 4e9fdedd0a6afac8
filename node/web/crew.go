package web

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// crew is goroutines that requests begin and that outlast them. The server's Run owns them: none begins once that ends.
type crew struct {
	ctx context.Context
	g   *errgroup.Group

	mu    sync.Mutex
	ended bool
}

// begin runs something until the crew's context ends. It reports false where that is too late.
func (c *crew) begin(run func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.g.Go(func() error {
		run(c.ctx)
		return nil
	})
	return true
}

// end lets nothing more begin.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}
