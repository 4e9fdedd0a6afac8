package hub

import "time"

// SetClock gives a hub that is not running yet another clock.
func (h *Hub) SetClock(now func() time.Time) { h.now = now }
