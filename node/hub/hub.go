package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

const (
	// period is how often sites are looked for and looked at.
	period = 2 * time.Second
	// apiTimeout bounds one request to the hub's JetStream.
	apiTimeout = 5 * time.Second
	// looks is how many sites are looked at at once: one whose link takes requests and loses them keeps its look waiting.
	looks = 16
	// forgetAfter is how long there is nothing of a site before it is no more known.
	forgetAfter = time.Minute
)

// Config is what a [Hub] needs to know.
type Config struct {
	Site, Node string
	MaxAge     time.Duration // of what is kept of each site
	MaxBytes   int64         // of each site's frames
	Replicas   int
}

// Hub mirrors the streams of its sites and watches the mirrors.
type Hub struct {
	config   Config
	connect  func(name string) (*nats.Conn, error)
	admitted func() []string
	log      *slog.Logger
	metrics  *metrics
	nc       *nats.Conn
	js       jetstream.JetStream
	journal  *journal.Journal
	now      func() time.Time // the hub's clock
	patience time.Duration    // forgetAfter

	strangers sync.Once // tells of sites without a name

	mu    sync.Mutex
	sites map[string]*site
}

// New makes a hub. connect makes the connection to NATS that the hub uses, and closes, alone; admitted are the sites that have
// credentials now.
func New(config Config, connect func(name string) (*nats.Conn, error), admitted func() []string, log *slog.Logger, reg prometheus.Registerer) *Hub {
	return &Hub{config: config, connect: connect, admitted: admitted, log: log, metrics: newMetrics(reg), now: time.Now, patience: forgetAfter, sites: map[string]*site{}}
}

// Run mirrors until ctx ends. Its error is that of a connection that cannot be made.
func (h *Hub) Run(ctx context.Context) error {
	var err error
	if h.nc, err = h.connect("hub"); err != nil {
		return fmt.Errorf("hub: %w", err)
	}
	defer h.nc.Close()
	if h.js, err = jetstream.New(h.nc); err != nil {
		return fmt.Errorf("hub: reaching JetStream: %w", err)
	}
	h.journal = journal.New(h.js, h.config.Site, h.config.Node, h.log)
	return h.journal.Around(ctx, func() error {
		h.watch(ctx)
		return nil
	})
}

func (h *Hub) watch(ctx context.Context) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	stood, err := h.stood(ctx)
	for ; err != nil; stood, err = h.stood(ctx) {
		if ctx.Err() == nil {
			h.log.Warn("looking at how far the mirrors go, before the sites are looked at", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
	for {
		found, all := h.find(ctx)
		if all {
			h.forget(found)
		}
		for _, name := range found {
			h.mu.Lock()
			if h.sites[name] == nil {
				h.sites[name] = &site{hub: h, name: name, log: h.log.With("site", name), status: Status{Site: name, Since: time.Now()}, gaps: gaps{last: stood[name]}}
				delete(stood, name)
			}
			h.mu.Unlock()
		}
		known := h.known()
		visit(known, func(s *site) { s.look(ctx) })
		if err := h.gatherStates(ctx); err != nil && ctx.Err() == nil {
			h.log.Warn("bringing the sites' camera states together", "err", err)
		}
		if !hasten(ctx, known, tick.C) {
			return
		}
	}
}

// visit does something for each site, for some at once, and returns when it is done.
func visit(sites []*site, do func(*site)) {
	var visiting errgroup.Group
	visiting.SetLimit(looks)
	for _, s := range sites {
		visiting.Go(func() error {
			do(s)
			return nil
		})
	}
	_ = visiting.Wait() // visits have no error
}

// hasten sees to the sites that catch up until the next look is due. It reports false when ctx ends.
func hasten(ctx context.Context, sites []*site, due <-chan time.Time) bool {
	tick := time.NewTicker(firstPeriod)
	defer tick.Stop()
	for {
		// Once at any rate: over a link that is full with what is on its way looks take longer than their period.
		eager := slices.DeleteFunc(slices.Clone(sites), func(s *site) bool { return !s.pace.eager })
		visit(eager, func(s *site) { s.quicken(ctx) })
		select {
		case <-ctx.Done():
			return false
		case <-due:
			return true
		case <-tick.C:
		}
	}
}

// known are the hub's sites by name.
func (h *Hub) known() []*site {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := slices.Collect(maps.Values(h.sites))
	slices.SortFunc(all, func(a, b *site) int { return strings.Compare(a.name, b.name) })
	return all
}

// forget drops sites of which there has been nothing for a while: no credentials, no word, no mirror.
func (h *Hub) forget(found []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, s := range h.sites {
		switch {
		case slices.Contains(found, name):
			s.gone = time.Time{}
		case s.gone.IsZero():
			s.gone = time.Now()
		case time.Since(s.gone) > h.patience:
			delete(h.sites, name)
			h.metrics.forget(name)
			h.log.Info("site is gone: it has neither credentials nor a mirror, and does not answer", "site", name)
		}
	}
}

// find names the sites that have credentials, announce themselves, or are mirrored. all is false where some may be missing.
func (h *Hub) find(ctx context.Context) (names []string, all bool) {
	names = slices.Clone(h.admitted())
	announced, err := h.announced(ctx)
	if err != nil && ctx.Err() == nil {
		h.log.Debug("looking for sites", "err", err)
	}
	names = append(names, announced...)
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	streams := h.js.StreamNames(ctx)
	for stream := range streams.Name() {
		if name, ok := strings.CutPrefix(stream, schema.MirrorStream(schema.StreamFrames, "")); ok {
			names = append(names, name)
		}
	}
	if err := streams.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		h.log.Debug("looking for mirrors", "err", err)
	} else {
		all = true
	}
	return slices.DeleteFunc(names, func(name string) bool {
		if name == schema.LocalSite && name != h.config.Site {
			h.strangers.Do(func() {
				h.log.Error("a site is connected that is still named local, as all are at first, and is not mirrored; give it a name of its own, as site in its configuration",
					"hub", h.config.Site)
			})
			return true
		}
		return name == h.config.Site || !schema.ValidSite(name)
	}), all
}

// Sites reports on the hub's sites, by name.
func (h *Hub) Sites() []Status {
	var all []Status
	for _, s := range h.known() {
		all = append(all, s.report())
	}
	return all
}
