package hub

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// SetClock gives a hub that is not running yet another clock.
func (h *Hub) SetClock(now func() time.Time) { h.now = now }

// SetPatience has a hub that is not running yet forget sites that are gone sooner.
func (h *Hub) SetPatience(d time.Duration) { h.patience = d }

// Pace is a pace that is looked after, for tests of it alone.
type Pace struct{ pace }

// Begin has a mirror looked at from now on.
func (p *Pace) Begin(mirror *jetstream.StreamInfo, now time.Time) {
	p.eager = true
	p.begin(mirror, now)
}

// Take is a look.
func (p *Pace) Take(mirror *jetstream.StreamInfo, frameBytes uint64, window int, now time.Time) bool {
	return p.take(mirror, frameBytes, window, now)
}

// Eager reports whether it is looked at still, and Bytes what may be on its way.
func (p *Pace) Eager() bool { return p.eager }

func (p *Pace) Bytes() uint64 { return p.bytes }
