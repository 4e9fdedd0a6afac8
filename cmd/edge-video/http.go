package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/web"
)

// listenHTTP opens the listener for HTTP, nil where there is none.
func listenHTTP(c *config.Config) (net.Listener, error) {
	if c.HTTP.Listen == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", c.HTTP.Listen)
	if err != nil {
		return nil, fmt.Errorf("http.listen: %w; stop what listens there or give another address", err)
	}
	return l, nil
}

// address is where HTTP is served, for people.
func address(l net.Listener) string {
	if l == nil {
		return "none"
	}
	return l.Addr().String()
}

// scrapesMost is how many scrapes are answered at once: each holds all series in memory, and more than a few who ask are none in earnest.
const scrapesMost = 4

// metricsOf shows the metrics of the process and of the parts that it has at the moment, as bridges are.
func metricsOf(reg *prometheus.Registry, parts func() prometheus.Gatherers) http.Handler {
	all := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return append(prometheus.Gatherers{reg}, parts()...).Gather()
	})
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{Registry: reg, MaxRequestsInFlight: scrapesMost})
}

// newWeb makes what serves HTTP.
func newWeb(c *config.Config, parts web.Parts, log *slog.Logger) (*web.Server, error) {
	return web.New(web.Config{Site: c.Site, Node: c.Node, Version: programVersion(), Hub: c.Hub.Mirror, Access: accessOf(c),
		Certificate: c.HTTP.TLS.Certificate, Key: c.HTTP.TLS.Key}, parts, log)
}

// accessOf is who may do what.
func accessOf(c *config.Config) (a web.Access) {
	for _, u := range c.HTTP.Users {
		a.Users = append(a.Users, web.User{Name: u.Name, Role: web.Role(u.Role), PasswordHash: u.PasswordHash.Reveal()})
	}
	for _, t := range c.HTTP.Tokens {
		a.Tokens = append(a.Tokens, web.Token{Name: t.Name, Role: web.Role(t.Role), TokenHash: t.TokenHash.Reveal()})
	}
	return a
}

// webParts are the node's as HTTP shows them.
func (a *app) webParts() web.Parts {
	p := web.Parts{Metrics: metricsOf(a.reg, a.bridges.gatherers), Readiness: a.readiness, Connect: a.server.Connect, Pictures: a.render,
		Horizon: func() time.Duration { return a.fleet.Health().Horizon },
		Reload: func(ctx context.Context) (lines []string, err error) {
			changes, err := a.reload(ctx)
			for _, c := range changes {
				lines = append(lines, c.String())
			}
			return lines, err
		}}
	if a.hub != nil {
		p.Sites = func() (all []web.Site) {
			for _, s := range a.hub.Sites() {
				all = append(all, web.Site{Site: s.Site, Connected: s.Connected, Since: s.Since.UTC(), LagFrames: s.Lag, Lag: s.Behind.Seconds(),
					CatchUp: s.CatchUp.Seconds(), Error: s.Error, Warning: s.Warning})
			}
			return all
		}
	}
	if a.links != nil {
		p.Links = func() (all []web.Link) {
			for _, l := range a.links.Links() {
				all = append(all, web.Link{Name: l.Name, Hub: l.Hub, Up: l.Up, Since: l.Since.UTC(), RTT: l.RTT.Seconds(), Reconnects: l.Reconnects,
					Mirrored: l.Mirrored, LagFrames: l.Lag, Lag: l.Behind.Seconds(), Error: l.Error, Warning: l.Warning})
			}
			return all
		}
	}
	return p
}

// readiness is not given only when capture itself is in danger: a camera or a sink that is down degrades the node, no more.
func (a *app) readiness() web.Readiness {
	r := web.Readiness{Reasons: []string{}, Degraded: []string{}}
	if err := a.server.Err(); err != nil {
		r.Reasons = append(r.Reasons, err.Error())
	}
	cameras := a.fleet.Health()
	r.Degraded = append(r.Degraded, cameras.Degraded...)
	if cameras.Cut != "" {
		r.Reasons = append(r.Reasons, cameras.Cut)
	}
	n := len(a.config.Load().Cameras)
	if a.config.Load().Clustered() {
		n = cameras.Cameras // the others are read elsewhere
	}
	n -= cameras.Paused
	if n > 0 && cameras.Up == 0 {
		r.Reasons = append(r.Reasons, fmt.Sprintf("none of %d cameras delivers", n))
	}
	if cameras.Horizon <= 0 {
		r.Reasons = append(r.Reasons, "the horizon is exhausted: the stream discards frames that a bridge has not delivered")
	}
	if disk, err := node.DiskOf(a.config.Load().DataDir); err != nil {
		r.Reasons = append(r.Reasons, err.Error())
	} else if disk.Free < disk.Floor {
		r.Reasons = append(r.Reasons, fmt.Sprintf("the disk of data_dir is full: %d MiB free, %d needed", disk.Free>>20, disk.Floor>>20))
	}
	r.Degraded = append(r.Degraded, a.bridges.degraded()...)
	if a.uplink != nil && unwell(a.uplink.Health()) {
		r.Degraded = append(r.Degraded, complaint([]bridge.Health{a.uplink.Health()}, 1))
	}
	a.siteReadiness(&r)
	a.linkReadiness(&r)
	if err := a.registrar.Err(); err != nil {
		r.Degraded = append(r.Degraded, err.Error())
	}
	r.Ready = len(r.Reasons) == 0
	return r
}
