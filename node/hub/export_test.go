package hub

import "time"

// SetClock gives a hub that is not running yet another clock.
func (h *Hub) SetClock(now func() time.Time) { h.now = now }

// SetPatience has a hub that is not running yet forget sites that are gone sooner.
func (h *Hub) SetPatience(d time.Duration) { h.patience = d }
