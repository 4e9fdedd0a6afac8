package link

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
)

// link is one link. It is watched by a goroutine of its own; others see its status.
type link struct {
	watcher *Watcher
	at      int // in the server's list
	log     *slog.Logger

	met      bool          // greeting is the hub's as it is now
	greeting node.Greeting // what the hub last said of itself
	ask      time.Time     // before which it is not asked again
	ever     bool          // it has been up

	refusals int       // in a row
	until    time.Time // it is kept down
	freed    time.Time // since when it is not
	renewals int       // in a row
	renew    time.Time // before which it is not renewed again
	note     note      // what the hub says of the site
	plain    bool      // told that the hub is none of ours

	mu     sync.Mutex
	status Status
}

func (l *link) report() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

func (l *link) change(f func(*Status)) Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.status)
	return l.status
}

func (l *link) watch(ctx context.Context) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		l.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look sees how the link does, and does about it what can be done.
func (l *link) look(ctx context.Context) {
	now := time.Now()
	seen := l.watcher.server.Links()[l.at]
	l.see(seen, now)
	l.measure(ctx)
	l.watcher.metrics.set(l.report(), l.note.Clock)
	switch {
	case seen.Held && now.Before(l.until):
	case seen.Held:
		l.free(ctx, now)
	default:
		if !l.met && now.After(l.ask) {
			l.greet(ctx, now)
		}
		if r := l.refusal(seen); r != nil {
			l.refuse(r, now)
		} else {
			l.revive(ctx, seen, now)
		}
	}
}

// see takes over what the server says, and tells what is new about it.
func (l *link) see(seen node.Link, now time.Time) {
	before := l.report()
	after := l.change(func(s *Status) {
		s.RTT = seen.RTT
		if s.Up != seen.Up {
			s.Up, s.Since = seen.Up, now
		}
		switch {
		case seen.Up:
			s.Error = ""
		case !seen.Held:
			s.Error = seen.Error
		}
	})
	if after.Up == before.Up {
		return
	}
	l.met, l.ask = false, time.Time{}
	e := schema.Event{Class: schema.ClassLink, Name: after.Name, Kind: schema.KindState, State: "down", Reason: "lost", Message: after.Error}
	if after.Up {
		e.State, e.Reason, e.Message = "up", "", "to "+seen.Hub+" at "+after.Hub
		if l.ever {
			l.change(func(s *Status) { s.Reconnects++ })
			l.watcher.metrics.reconnects.WithLabelValues(after.Name).Inc()
		}
		l.ever, l.renewals = true, 0
		l.log.Info("link to the hub is up", "hub", seen.Hub, "address", after.Hub)
	} else {
		l.log.Warn("link to the hub is down; capture goes on", "address", after.Hub, "err", after.Error)
	}
	l.watcher.journal.Event(e)
}

// greet asks the hub who it is.
func (l *link) greet(ctx context.Context, now time.Time) {
	asking, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	g, err := l.watcher.server.Greet(asking, l.at)
	l.ask = now.Add(greetPause)
	if err != nil {
		l.log.Debug("asking the hub who it is", "err", err)
		l.met = errors.Is(err, node.ErrNoGreeting)
		return
	}
	l.met, l.greeting = true, g
	l.warn()
}

// refuse keeps the link down for a while, and says why.
func (l *link) refuse(r *refusal, now time.Time) {
	pause := r.pause
	if l.watcher.config.Hold > 0 {
		pause = l.watcher.config.Hold
	}
	pause = min(pause<<min(l.refusals, 16), r.longest)
	l.until = now.Add(pause + rand.N(pause/4+1)) // two of one name must not come back together
	before := l.report().Error
	if err := l.watcher.server.HoldLink(l.at, true); err != nil {
		l.log.Error("keeping the link down", "err", err)
		return
	}
	l.refusals++
	l.change(func(s *Status) { s.Error = r.text })
	if l.refusals > 1 && before == r.text {
		return
	}
	l.log.Error("the link to the hub is kept down, and tried again; nothing is lost as long as the stream holds it", "err", r.text, "again_in", pause)
	l.watcher.journal.Event(schema.Event{Class: schema.ClassLink, Name: l.report().Name, Kind: schema.KindControl, State: "refused", Reason: r.reason, Message: r.text})
}

// free lets the link come up again, if what speaks against it cannot be seen without trying.
func (l *link) free(ctx context.Context, now time.Time) {
	l.greet(ctx, now)
	if r := l.clash(); l.met && r != nil {
		l.refuse(r, now)
		return
	}
	l.forget(ctx)
	l.freed = now
	if err := l.watcher.server.HoldLink(l.at, false); err != nil {
		l.log.Error("letting the link come up", "err", err)
	}
}

// revive renews a link that stays down though its hub can be reached: the server has been seen to forget one. Where renewing does not help,
// the server is restarted in place.
func (l *link) revive(ctx context.Context, seen node.Link, now time.Time) {
	quiet := l.watcher.config.Stuck
	if seen.Up || now.Sub(l.report().Since) < quiet || now.Sub(seen.Heard) < quiet || now.Before(l.renew) {
		if seen.Up && now.Sub(l.report().Since) > quiet {
			l.refusals = 0
		}
		return
	}
	asking, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	if _, err := l.watcher.server.Greet(asking, l.at); err != nil && !errors.Is(err, node.ErrNoGreeting) {
		l.log.Debug("the hub cannot be reached", "err", err)
		return
	}
	l.renewals++
	l.renew = now.Add(min(quiet<<min(l.renewals, 16), longest))
	status := l.report()
	l.log.Warn("the link is down though the hub answers; it is set up anew", "address", status.Hub, "down_for", now.Sub(status.Since).Round(time.Second), "try", l.renewals)
	l.watcher.metrics.renewals.WithLabelValues(status.Name).Inc()
	e := schema.Event{Class: schema.ClassLink, Name: status.Name, Kind: schema.KindControl, Reason: "renewed", Count: uint64(l.renewals)}
	if l.renewals%renewalsBeforeRestart == 0 {
		e.Reason = "restarted"
		l.watcher.server.Restart("the link to the hub at " + status.Hub + " stays down though the hub answers")
	} else if err := l.watcher.server.RenewLink(l.at); err != nil {
		l.log.Error("setting the link up anew", "err", err)
	}
	l.watcher.journal.Event(e)
}

// renewalsBeforeRestart is which try in a row restarts the server instead.
const renewalsBeforeRestart = 4
