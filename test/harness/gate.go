package harness

import (
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// gate is a toxic that is always in place. It holds bytes back while it is shut, and can be slow while it is open. Toxiproxy's own timeout
// toxic would drop the bytes, so that no writer ever blocks, and adding a toxic to a link whose far end does not read blocks for ever.
type gate struct {
	// ended is closed for good when the proxy is not needed any more. It lets the goroutines of links end whose writer is gone: toxiproxy
	// leaves them behind, blocked on their output.
	ended chan struct{}
	mu    sync.Mutex
	open  chan struct{} // closed while bytes may pass
	delay time.Duration // of each chunk, of at most 32 KiB, which also bounds the rate
}

func (g *gate) init(ended chan struct{}) {
	g.ended = ended
	g.open = make(chan struct{})
}

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	isOpen := false
	select {
	case <-g.open:
		isOpen = true
	default:
	}
	switch {
	case open && !isOpen:
		close(g.open)
	case !open && isOpen:
		g.open = make(chan struct{})
	}
}

func (g *gate) slow(delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = delay
}

func (g *gate) state() (opened chan struct{}, delay time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.delay
}

// Pipe moves chunks of one connection in one direction.
func (g *gate) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			g.pass(stub, chunk)
		}
	}
}

func (g *gate) pass(stub *toxics.ToxicStub, chunk *stream.StreamChunk) {
	opened, delay := g.state()
	select {
	case <-opened:
	case <-g.ended:
		return
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-g.ended:
			return
		}
	}
	select {
	case stub.Output <- chunk:
	case <-g.ended:
	}
}
