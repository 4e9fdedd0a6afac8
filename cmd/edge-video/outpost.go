package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/node/web"
	"github.com/edge-video/edge-video/schema"
)

const (
	// meetPause is the wait before a server that does not answer is tried again.
	meetPause = time.Second
	// reconnectPause is that of a connection that was lost; it grows with each try, up to reconnectMost.
	reconnectPause = 250 * time.Millisecond
	reconnectMost  = 2 * time.Second
)

// outpost is a process with bridges alone. Their stream is at a node's server, which may come and go.
type outpost struct {
	command *bridgeCommand
	config  *config.Config // what is in force; only run's
	node    string         // what the process is called
	server  string
	log     *slog.Logger
	reg     *prometheus.Registry
	bridges *bridges
	first   *plan // bridges to begin with
	web     *web.Server
	http    net.Listener // nil where there is none

	control atomic.Pointer[nats.Conn] // nil until the server has been met
}

// newOutpost puts the process together. The listener for HTTP is open when it returns.
func newOutpost(b *bridgeCommand, c *config.Config, server string, log *slog.Logger) (*outpost, error) {
	o := &outpost{command: b, config: c, node: c.Node, server: server, log: log, reg: newRegistry()}
	if b.Creds != "" {
		if _, err := os.Stat(b.Creds); err != nil {
			return nil, fmt.Errorf("--creds: %w", err)
		}
	}
	limitMemory(log)
	o.bridges = newBridges(o.connect, b.runs, log)
	var err error
	if o.first, err = o.bridges.prepare(c); err != nil {
		return nil, err
	}
	if o.web, err = newWeb(c, web.Parts{Metrics: metricsOf(o.reg, o.bridges.gatherers), Readiness: o.readiness}, log); err != nil {
		return nil, err
	}
	o.http, err = listenHTTP(c)
	return o, err
}

// connect makes a connection that outlives restarts of the server, and its absence.
func (o *outpost) connect(name string) (*nats.Conn, error) {
	return o.dial(name, nats.RetryOnFailedConnect(true))
}

func (o *outpost) dial(name string, more ...nats.Option) (*nats.Conn, error) {
	var last atomic.Value // text of the last error
	options := append(more, nats.Name("edge-video "+o.node+" "+name), nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(func(tries int) time.Duration {
			return min(time.Duration(tries+1)*reconnectPause, reconnectMost) + rand.N(reconnectPause)
		}),
		nats.ReconnectBufSize(-1), // what cannot be sent is an error at once: the stream keeps the frames
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			level := slog.LevelWarn
			if last.Swap(err.Error()) == err.Error() {
				level = slog.LevelDebug
			}
			o.log.Log(context.Background(), level, "connection to the node's server", "connection", name, "err", err)
		}))
	return o.command.dial(o.server, options...)
}

// run runs the bridges until ctx ends. A signal on hangup, which may be nil, has the configuration read again.
func (o *outpost) run(ctx context.Context, hangup <-chan os.Signal) error {
	work, ctx := errgroup.WithContext(ctx)
	if o.http != nil {
		work.Go(func() error { return o.web.Serve(ctx, o.http) })
	}
	work.Go(func() error {
		nc, err := o.meet(ctx)
		if nc == nil {
			return err
		}
		defer nc.Close()
		attendant := &attendant{node: o.node, bridges: o.bridges, log: o.log}
		service, err := attendant.offer(nc, "An edge-video process with bridges alone.", o.config.Site)
		if err != nil {
			return err
		}
		work.Go(func() error { return o.bridges.run(ctx, o.first) })
		for {
			select {
			case <-ctx.Done():
				if err := service.Stop(); err != nil {
					o.log.Debug("ending the service", "err", err)
				}
				return nil
			case <-hangup:
				o.reload(ctx)
			}
		}
	})
	return work.Wait()
}

// meet connects to the server once it is there, and makes sure that it is the site's. It returns nil when ctx ends before.
func (o *outpost) meet(ctx context.Context) (*nats.Conn, error) {
	for last := ""; ctx.Err() == nil; {
		nc, err := o.dial("control", nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if ctx.Err() == nil {
				o.log.Warn("the node's server is gone; bridges wait for it", "err", err)
			}
		}), nats.ReconnectHandler(func(*nats.Conn) { o.log.Info("the node's server is back") }))
		if err == nil {
			if err = o.greet(ctx, nc); err == nil {
				o.control.Store(nc)
				return nc, nil
			}
			nc.Close()
		}
		if errors.Is(err, errWrongServer) || errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("reaching the node at %s: %w", config.URL(o.server), err)
		}
		if text := err.Error(); text != last && ctx.Err() == nil {
			last = text
			o.log.Warn("the node's server does not answer; it is tried again", "server", config.URL(o.server), "err", err, "every", meetPause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(meetPause):
		}
	}
	return nil, nil
}

// errWrongServer says that a server is not the one that is asked for.
var errWrongServer = errors.New("wrong server")

// greet looks whether the server holds the frames of the site.
func (o *outpost) greet(ctx context.Context, nc *nats.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("reaching JetStream: %w", err)
	}
	stream, err := js.Stream(ctx, schema.StreamFrames)
	if err != nil {
		return fmt.Errorf("looking for stream %s: %w; is it an edge-video node's, and has it started?", schema.StreamFrames, err)
	}
	subjects := stream.CachedInfo().Config.Subjects
	if !slices.Contains(subjects, schema.SiteSubjects("frames", o.config.Site)) {
		return fmt.Errorf("%w: its stream %s holds %q, not the frames of site %s; check --server, or site in %s",
			errWrongServer, schema.StreamFrames, subjects, o.config.Site, o.command.Config)
	}
	return nil
}

// reload puts the configuration file as it is now in force, as far as it is about bridges. A file with a fault changes nothing.
func (o *outpost) reload(ctx context.Context) {
	next, warnings, err := config.Load(o.command.Config, os.LookupEnv)
	if err == nil {
		next, err = o.command.adapt(next)
	}
	if err != nil {
		o.log.Error("the configuration is refused; the old one runs on", "err", err)
		return
	}
	for _, w := range warnings {
		o.log.Warn(w.String())
	}
	changes := config.Diff(o.config, next)
	next = o.config.Adopt(next)
	_, err = next.HTTPAt(next.HTTP.Listen) // it stays where it is, and its users may have gone
	var works *plan
	if err == nil {
		works, err = o.bridges.prepare(next)
	}
	if err == nil {
		err = o.web.Update(accessOf(next))
	}
	if err != nil {
		o.log.Error("the configuration is refused; the old one runs on", "err", err)
		return
	}
	o.bridges.update(ctx, works)
	o.config = next
	for _, c := range changes {
		o.log.Info("configuration changed", "key", c.Key, "change", c.What, "needs_restart", c.Restart)
	}
}

// readiness is given while the node's server can be reached.
func (o *outpost) readiness() web.Readiness {
	r := web.Readiness{Reasons: []string{}, Degraded: []string{}}
	if nc := o.control.Load(); nc == nil || !nc.IsConnected() {
		r.Reasons = append(r.Reasons, fmt.Sprintf("the node's server at %s cannot be reached", config.URL(o.server)))
	}
	r.Degraded = append(r.Degraded, o.bridges.degraded()...)
	r.Ready = len(r.Reasons) == 0
	return r
}
