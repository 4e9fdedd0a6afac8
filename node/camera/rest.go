package camera

import (
	"context"
	"sync"
)

// rest is whether a camera is to be left alone.
type rest struct {
	wake chan struct{} // takes one: look again

	mu     sync.Mutex
	wanted bool
	stop   context.CancelFunc // ends the reading
}

// Rest has the reader leave the camera alone, or read it again. Told before Run, no FFmpeg is started.
func (r *Reader) Rest(wanted bool) {
	r.rest.mu.Lock()
	r.rest.wanted = wanted
	if wanted && r.rest.stop != nil {
		r.rest.stop()
	}
	r.rest.mu.Unlock()
	select {
	case r.rest.wake <- struct{}{}:
	default:
	}
}

// awake is a context that ends with ctx, and when rest is wanted.
func (r *rest) awake(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop = cancel; r.wanted {
		cancel()
	}
	return ctx, cancel
}

func (r *rest) on() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wanted
}

// sleep returns when the camera is to be read, or ctx ends. A new configuration is taken up meanwhile.
func (r *Reader) sleep(ctx context.Context) {
	for r.rest.on() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-r.rest.wake:
		case c := <-r.changes:
			r.adopt(c)
		}
	}
}
