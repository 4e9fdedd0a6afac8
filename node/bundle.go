package node

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// bundlePeriod is the least time between two events of one kind and reason about runs of pictures.
const bundlePeriod = 10 * time.Second

// bundles gather events about runs of pictures by kind and reason: the first goes at once, what follows once a period, so that a fault
// that lasts does not make an event a picture. Epochs are kept apart.
type bundles struct {
	mu      sync.Mutex
	pending map[bundleKey]*bundle
}

type bundleKey struct {
	kind   schema.EventKind
	reason string
}

type bundle struct {
	event schema.Event // Count is 0 while there is none
	sent  time.Time
}

// add takes a run in. It returns the event of an earlier epoch that has to go before it, if there is one.
func (b *bundles) add(e schema.Event) (before []schema.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending == nil {
		b.pending = map[bundleKey]*bundle{}
	}
	key := bundleKey{e.Kind, e.Reason}
	p := b.pending[key]
	if p == nil {
		p = &bundle{}
		b.pending[key] = p
	}
	if p.event.Count > 0 && p.event.Epoch != e.Epoch {
		before = append(before, p.event)
		p.event = schema.Event{}
	}
	if p.event.Count > 0 {
		e.FirstSeq, e.LastSeq = min(e.FirstSeq, p.event.FirstSeq), max(e.LastSeq, p.event.LastSeq)
		e.Count += p.event.Count
	}
	p.event = e
	return before
}

// due returns the events whose time has come, or all.
func (b *bundles) due(now time.Time, all bool) []schema.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	var due []schema.Event
	for _, p := range b.pending {
		if p.event.Count > 0 && (all || now.Sub(p.sent) >= bundlePeriod) {
			due = append(due, p.event)
			p.event, p.sent = schema.Event{}, now
		}
	}
	slices.SortFunc(due, func(x, y schema.Event) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Reason, y.Reason))
	})
	return due
}
