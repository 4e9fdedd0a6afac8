package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/schema"
)

// connector makes a connection of its own to the node's server.
type connector func(name string) (*nats.Conn, error)

// bridges are a process's bridges at work. Each has metrics of its own, which go with it.
type bridges struct {
	connect connector
	wanted  func(config.Bridge) bool // which of a configuration's bridges run here
	log     *slog.Logger
	updates chan *plan

	mu      sync.Mutex
	works   []*running // sorted by name, then site; replaced as a whole
	mirrors mirrored   // at a hub; nil before they were looked for
	lacks   []lack     // at a hub; replaced as a whole
}

// plan is what a configuration asks for.
type plan struct {
	config *config.Config
	works  []*running
	lacks  []lack
}

// running is one bridge, or at a hub a part of it.
type running struct {
	config  config.Bridge
	part    part
	breaker *bridge.Breaker
	refers  bool // other bridges want to know where its frames are kept
	worker  *bridge.Worker
	errands *errands
	reg     *prometheus.Registry
	cancel  context.CancelFunc // nil until it runs
	ended   chan struct{}
}

func newBridges(connect connector, wanted func(config.Bridge) bool, log *slog.Logger) *bridges {
	return &bridges{connect: connect, wanted: wanted, log: log, updates: make(chan *plan)}
}

// prepare makes what a configuration asks for: bridges that are the same stay as they are, others are made and do not run yet.
func (b *bridges) prepare(c *config.Config) (*plan, error) {
	b.mu.Lock()
	now, mirrors := b.works, b.mirrors
	b.mu.Unlock()
	p := &plan{config: c}
	for _, wanted := range c.Bridges {
		if !b.wanted(wanted) {
			continue
		}
		p.lacks = append(p.lacks, lacksOf(c, wanted, mirrors)...)
		same := slices.DeleteFunc(slices.Clone(now), func(r *running) bool {
			return !reflect.DeepEqual(r.config, wanted) || r.refers != c.Referred(wanted.Name) || r.over()
		})
		breaker := bridge.NewBreaker(bridge.BreakerConfig(wanted.Breaker))
		if len(same) > 0 {
			breaker = same[0].breaker
		}
		for _, part := range partsOf(c, wanted, mirrors) {
			if i := slices.IndexFunc(same, func(r *running) bool { return reflect.DeepEqual(r.part, part) }); i >= 0 {
				p.works = append(p.works, same[i])
				continue
			}
			r, err := b.begin(c, wanted, part, breaker)
			if err != nil {
				return nil, err
			}
			p.works = append(p.works, r)
		}
	}
	slices.SortFunc(p.works, func(x, y *running) int {
		return cmp.Or(strings.Compare(x.config.Name, y.config.Name), strings.Compare(x.part.site, y.part.site))
	})
	return p, nil
}

// begin makes a bridge's part, which does not run yet.
func (b *bridges) begin(c *config.Config, wanted config.Bridge, part part, breaker *bridge.Breaker) (*running, error) {
	r := &running{config: wanted, part: part, breaker: breaker, refers: c.Referred(wanted.Name), reg: prometheus.NewRegistry(), ended: make(chan struct{})}
	var err error
	if r.worker, err = newWorker(c, r, b.connect, b.log, r.reg); err != nil {
		return nil, err
	}
	log := b.log.With("bridge", wanted.Name, "of", part.site, "redelivery", true)
	r.errands = newErrands(c.Node, r.worker, func() (bridge.Sink, error) {
		return newSink(c, aside(wanted), part.site, log, prometheus.NewRegistry())
	})
	return r, nil
}

// over reports whether it has run and ended.
func (r *running) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// run runs bridges until ctx ends, and changes them as update asks, and at a hub as mirrors come and go. The error is that of a bridge that
// could not begin.
func (b *bridges) run(ctx context.Context, first *plan) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		now := first
		var js jetstream.JetStream
		var look <-chan time.Time
		if first.config.Hub.Mirror {
			nc, err := b.connect("mirrors")
			if err != nil {
				return fmt.Errorf("bridges: %w", err)
			}
			defer nc.Close()
			if js, err = jetstream.New(nc); err != nil {
				return fmt.Errorf("bridges: reaching JetStream: %w", err)
			}
			tick := time.NewTicker(mirrorPeriod)
			defer tick.Stop()
			look = tick.C
			now = b.follow(ctx, js, now)
		}
		b.apply(ctx, g, now)
		for {
			select {
			case <-ctx.Done():
				return nil
			case now = <-b.updates:
			case <-look:
				now = b.follow(ctx, js, now)
			}
			b.apply(ctx, g, now)
		}
	})
	return g.Wait()
}

// follow is the plan for the mirrors that there are now. Where they cannot be seen all stays as it is.
func (b *bridges) follow(ctx context.Context, js jetstream.JetStream, now *plan) *plan {
	found, err := findMirrors(ctx, js)
	if err != nil {
		b.log.Debug("bridges stay with the mirrors that they have", "err", err)
		return now
	}
	b.mu.Lock()
	b.mirrors = found
	b.mu.Unlock()
	next, err := b.prepare(now.config)
	if err != nil {
		b.log.Error("bridges stay with the mirrors that they have", "err", err)
		return now
	}
	return next
}

// update makes the prepared bridges the ones that run. Those that are no more among them end first: they share their durable with what
// takes their place.
func (b *bridges) update(ctx context.Context, next *plan) {
	select {
	case b.updates <- next:
	case <-ctx.Done():
	}
}

func (b *bridges) apply(ctx context.Context, g *errgroup.Group, next *plan) {
	for _, r := range b.list() {
		if !slices.Contains(next.works, r) {
			r.cancel()
			<-r.ended
		}
	}
	for _, r := range next.works {
		if r.cancel != nil {
			continue
		}
		var own context.Context
		own, r.cancel = context.WithCancel(ctx)
		g.Go(func() error {
			defer close(r.ended)
			defer r.cancel()
			return r.run(own)
		})
	}
	b.mu.Lock()
	before := b.lacks
	b.works, b.lacks = next.works, next.lacks
	b.mu.Unlock()
	b.tellLacks(before, next.lacks)
}

// tellLacks logs what mirrors bridges have begun to lack, and lack no more.
func (b *bridges) tellLacks(before, now []lack) {
	for _, l := range now {
		if !slices.Contains(before, l) {
			b.log.Warn("the bridge names a site of which there is no mirror", "bridge", l.bridge, "site", l.site, "mirror", l.mirror, "remedy", l.remedy())
		}
	}
	for _, l := range before {
		if !slices.Contains(now, l) {
			b.log.Info("the bridge lacks no mirror of the site any more", "bridge", l.bridge, "site", l.site)
		}
	}
}

// run runs the bridge until ctx ends.
func (r *running) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.worker.Run(ctx) })
	g.Go(func() error { return r.errands.run(ctx) })
	return g.Wait()
}

// named are the parts of the bridge of that name, none where there is no such bridge.
func (b *bridges) named(name string) (parts []*running) {
	for _, r := range b.list() {
		if r.config.Name == name {
			parts = append(parts, r)
		}
	}
	return parts
}

// list are the bridges that run now. The slice does not change any more.
func (b *bridges) list() []*running {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.works
}

// degraded says what is wrong with them, one a bridge, and what they lack.
func (b *bridges) degraded() (all []string) {
	b.mu.Lock()
	works, lacks := b.works, b.lacks
	b.mu.Unlock()
	for _, l := range lacks {
		all = append(all, l.String())
	}
	for i, j := 0, 0; i < len(works); i = j {
		var ill []bridge.Health
		for j = i; j < len(works) && works[j].config.Name == works[i].config.Name; j++ {
			if h := works[j].worker.Health(); unwell(h) {
				ill = append(ill, h)
			}
		}
		if len(ill) > 0 {
			all = append(all, complaint(ill, j-i))
		}
	}
	return all
}

// unwell reports whether something is wrong with a worker.
func unwell(h bridge.Health) bool {
	return h.Err != nil || h.State != schema.BreakerClosed && !h.Aside
}

// complaint is what is wrong with parts of one bridge, which has so many in all.
func complaint(ill []bridge.Health, parts int) string {
	name, state, pending, err := ill[0].Name, ill[0].State, uint64(0), error(nil)
	for _, h := range ill {
		pending += h.Pending
		err = cmp.Or(err, h.Err)
	}
	switch {
	case parts > 1 && len(ill) == 1 && ill[0].Of != "":
		name = ill[0].Of + "." + name
	case parts > 1:
		name += fmt.Sprintf(", for %d of %d sites,", len(ill), parts)
	}
	return fmt.Sprintf("bridge %s is %s, %d frames wait: %v", name, state, pending, err)
}

// gatherers are where the bridges' metrics are found.
func (b *bridges) gatherers() (all prometheus.Gatherers) {
	for _, r := range b.list() {
		all = append(all, r.reg)
	}
	return all
}
