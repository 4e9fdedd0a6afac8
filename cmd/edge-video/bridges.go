package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
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
	updates chan []*running

	mu    sync.Mutex
	works []*running // sorted by name; replaced as a whole
}

// running is one bridge.
type running struct {
	config  config.Bridge
	refers  bool // other bridges want to know where its frames are kept
	worker  *bridge.Worker
	errands *errands
	reg     *prometheus.Registry
	cancel  context.CancelFunc // nil until it runs
	ended   chan struct{}
}

func newBridges(connect connector, wanted func(config.Bridge) bool, log *slog.Logger) *bridges {
	return &bridges{connect: connect, wanted: wanted, log: log, updates: make(chan []*running)}
}

// prepare makes what a configuration asks for: bridges that are the same stay as they are, others are made and do not run yet.
func (b *bridges) prepare(c *config.Config) ([]*running, error) {
	now := map[string]*running{}
	for _, r := range b.list() {
		now[r.config.Name] = r
	}
	var all []*running
	for _, wanted := range c.Bridges {
		if !b.wanted(wanted) {
			continue
		}
		if r := now[wanted.Name]; r != nil && reflect.DeepEqual(r.config, wanted) && r.refers == c.Referred(wanted.Name) {
			all = append(all, r)
			continue
		}
		r := &running{config: wanted, refers: c.Referred(wanted.Name), reg: prometheus.NewRegistry(), ended: make(chan struct{})}
		var err error
		if r.worker, err = newWorker(c, wanted, b.connect, b.log, r.reg); err != nil {
			return nil, err
		}
		log := b.log.With("bridge", wanted.Name, "redelivery", true)
		r.errands = newErrands(c.Node, r.worker, func() (bridge.Sink, error) { return newSink(c, aside(wanted), log, prometheus.NewRegistry()) })
		all = append(all, r)
	}
	slices.SortFunc(all, func(x, y *running) int { return strings.Compare(x.config.Name, y.config.Name) })
	return all, nil
}

// run runs bridges until ctx ends, and changes them as update asks. The error is that of a bridge that could not begin.
func (b *bridges) run(ctx context.Context, first []*running) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		b.apply(ctx, g, first)
		for {
			select {
			case <-ctx.Done():
				return nil
			case next := <-b.updates:
				b.apply(ctx, g, next)
			}
		}
	})
	return g.Wait()
}

// update makes the prepared bridges the ones that run. Those that are no more among them end first: they share their durable with what
// takes their place.
func (b *bridges) update(ctx context.Context, next []*running) {
	select {
	case b.updates <- next:
	case <-ctx.Done():
	}
}

func (b *bridges) apply(ctx context.Context, g *errgroup.Group, next []*running) {
	for _, r := range b.list() {
		if !slices.Contains(next, r) {
			r.cancel()
			<-r.ended
		}
	}
	for _, r := range next {
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
	defer b.mu.Unlock()
	b.works = next
}

// run runs the bridge until ctx ends.
func (r *running) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.worker.Run(ctx) })
	g.Go(func() error { return r.errands.run(ctx) })
	return g.Wait()
}

// named is the bridge of that name, nil where there is none.
func (b *bridges) named(name string) *running {
	for _, r := range b.list() {
		if r.config.Name == name {
			return r
		}
	}
	return nil
}

// list are the bridges that run now. The slice does not change any more.
func (b *bridges) list() []*running {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.works
}

// degraded says what is wrong with them, one a bridge.
func (b *bridges) degraded() (all []string) {
	for _, r := range b.list() {
		if text := ill(r.worker); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// ill is what is wrong with a worker, "" where nothing is.
func ill(w *bridge.Worker) string {
	h := w.Health()
	if h.Err == nil && (h.State == schema.BreakerClosed || h.Aside) {
		return ""
	}
	return fmt.Sprintf("bridge %s is %s, %d frames wait: %v", h.Name, h.State, h.Pending, h.Err)
}

// gatherers are where the bridges' metrics are found.
func (b *bridges) gatherers() (all prometheus.Gatherers) {
	for _, r := range b.list() {
		all = append(all, r.reg)
	}
	return all
}
