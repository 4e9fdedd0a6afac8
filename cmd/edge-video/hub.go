package main

import (
	"fmt"
	"time"

	"github.com/edge-video/edge-video/node/web"
)

// lagging is how far a mirror may be behind its site before readiness names it.
const lagging = 5 * time.Second

// siteReadiness adds what is wrong with the sites of a hub. One that no longer fits the disk makes the hub unready, since nobody else
// keeps that site's frames.
func (a *app) siteReadiness(r *web.Readiness) {
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
			r.Degraded = append(r.Degraded, fmt.Sprintf("site %s is being caught up with: %d frames, %s, since %s", s.Site, s.Lag, s.Behind.Round(time.Second),
				s.CatchUp.Round(time.Second)))
		}
		if s.Warning != "" {
			r.Degraded = append(r.Degraded, s.Warning)
		}
	}
}

// linkReadiness adds what is wrong with the links of a site. None of it makes the site unready: it goes on capturing.
func (a *app) linkReadiness(r *web.Readiness) {
	if a.links == nil {
		return
	}
	for _, l := range a.links.Links() {
		switch {
		case !l.Up:
			text := fmt.Sprintf("the link to the hub at %s is down for %s", l.Hub, time.Since(l.Since).Round(time.Second))
			if l.Error != "" {
				text += ": " + l.Error
			}
			if l.Lag > 0 {
				text += fmt.Sprintf("; the hub lacks %d frames, %s", l.Lag, l.Behind.Round(time.Second))
			}
			r.Degraded = append(r.Degraded, text)
		case l.Lag > 0 && l.Behind > lagging:
			r.Degraded = append(r.Degraded, fmt.Sprintf("the hub at %s lacks %d frames, %s", l.Hub, l.Lag, l.Behind.Round(time.Second)))
		}
		if l.Warning != "" {
			r.Degraded = append(r.Degraded, l.Warning)
		}
	}
}
