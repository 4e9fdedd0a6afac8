package bridge

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"
)

// catchupLag is how old the next frame is in the stream before a bridge counts as one that catches up.
const catchupLag = time.Second

// catchup bounds how fast a bridge catches up. Live frames are never slowed.
type catchup struct {
	limiter *rate.Limiter // nil is no bound
}

// newCatchup takes frames a second, 0 being no bound.
func newCatchup(fps float64) catchup {
	if fps <= 0 {
		return catchup{}
	}
	return catchup{limiter: rate.NewLimiter(rate.Limit(fps), 1)}
}

// delay is how long the next frame has to wait. A clock that differs from the server's makes no frame late: there are others behind it.
func (c catchup) delay(meta *jetstream.MsgMetadata, backfill bool) time.Duration {
	behind := backfill || meta.NumPending > 0 && time.Since(meta.Timestamp) > catchupLag
	if c.limiter == nil || !behind {
		return 0
	}
	return c.limiter.Reserve().Delay()
}

// pullFrames is how many frames one pull brings. What waits for its turn longer than ackWait would be delivered again.
func (c catchup) pullFrames(ackWait time.Duration) int {
	if c.limiter == nil {
		return pullFrames
	}
	return int(min(max(float64(c.limiter.Limit())*ackWait.Seconds()/8, 1), pullFrames))
}
