package bridge

import (
	"context"
	"errors"

	"github.com/edge-video/edge-video/schema"
)

// Sink is a broker's side of a bridge. It holds no policy: retry, breaker, order and acknowledgement live in the [Worker] alone.
//
// A worker calls Connect, then Send for frame after frame from one goroutine, then Close, and may begin again with Connect.
type Sink interface {
	// Connect reaches the broker and prepares what frames need there. It returns within ctx, and after an error the sink is as
	// if it had never been connected.
	Connect(ctx context.Context) error

	// Send hands over one frame and returns once the sink has room for it, at the latest when ctx ends or the connection is lost.
	// It never waits for the broker's answer to this frame.
	//
	// done is called exactly once for every frame, one after the other in the order of the Send calls: with nil when the broker
	// has confirmed the frame; with an error wrapping [ErrRejected] when the broker refuses this frame for good; with any other
	// error, wrapping [ErrNotConnected], when the connection can no longer be used. After the first ErrNotConnected every
	// later frame ends the same way until the next Connect. done does not block for long and may be called from any goroutine, also
	// before Send returns. A sink with keys sets the frame's Kept before done(nil).
	Send(ctx context.Context, f *schema.Frame, done func(error))

	// Close gives up the connection at once, also one that hangs, and returns when every goroutine of the sink has ended and
	// done has been called for every frame. Closing a sink that is not connected does nothing.
	Close() error
}

// A Reporter is a sink that changes something by itself and says so. The worker calls Report once, before it connects; to does not
// block, and fills in what is the same for all events of a bridge.
type Reporter interface {
	Report(to func(schema.Event))
}

var (
	// ErrNotConnected says that the broker cannot be reached or does not take frames now. The frame may be sent again.
	ErrNotConnected = errors.New("sink not connected")
	// ErrRejected says that the broker refuses this frame and would refuse it again.
	ErrRejected = errors.New("frame rejected")
)
