package main

import (
	"fmt"
	"time"
)

// lagging is how far a mirror may be behind its site before readiness names it.
const lagging = 5 * time.Second

// siteReadiness adds what is wrong with the sites of a hub. One that no longer fits the disk makes the hub unready, since nobody else
// keeps that site's frames.
func (a *app) siteReadiness(r *readiness) {
	if a.hub == nil {
		return
	}
	for _, s := range a.hub.Sites() {
		switch {
		case s.Full:
			r.Reasons = append(r.Reasons, s.Error)
		case s.Error != "":
			r.Degraded = append(r.Degraded, "site "+s.Site+" is not mirrored: "+s.Error)
		case !s.Connected:
			r.Degraded = append(r.Degraded, fmt.Sprintf("site %s is not connected; its newest frame here is %s old", s.Site, s.Behind.Round(time.Second)))
		case s.Lag > 0 && s.Behind > lagging:
			r.Degraded = append(r.Degraded, fmt.Sprintf("site %s is being caught up with: %d frames, %s", s.Site, s.Lag, s.Behind.Round(time.Second)))
		}
	}
}
