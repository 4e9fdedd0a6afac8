package cluster

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// unevenTime is how long nodes may differ before that is told: a new configuration does not reach all at one moment.
const unevenTime = 15 * time.Second

// uneven notices that nodes of one cluster are configured differently.
type uneven struct {
	config Config
	log    *slog.Logger

	mu        sync.Mutex
	strangers []string
	since     map[string]time.Time // by what is said
	told      map[string]bool
}

func newUneven(config Config, log *slog.Logger) *uneven {
	return &uneven{config: config, log: log, since: map[string]time.Time{}, told: map[string]bool{}}
}

// meet takes the servers of the cluster that belong to another site.
func (u *uneven) meet(strangers []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.strangers = strangers
}

// compare looks at what the nodes offer.
func (u *uneven) compare(offers []string, live map[string]*beat, now time.Time) {
	var found []string
	for node, b := range live {
		if here, there := without(offers, b.Offers), without(b.Offers, offers); len(here)+len(there) > 0 {
			found = append(found, fmt.Sprintf("nodes %s and %s do not have the same cameras: %s", u.config.Node, node,
				strings.Join(append(only(u.config.Node, here), only(node, there)...), "; ")))
		}
		if b.Replicas != u.config.Replicas {
			found = append(found, fmt.Sprintf("nodes %s and %s do not have the same stream.replicas: %d and %d; the one that was started last has set them",
				u.config.Node, node, u.config.Replicas, b.Replicas))
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, server := range u.strangers {
		found = append(found, fmt.Sprintf("node %s is of site %s, and server %s of its cluster is not; give all nodes of a cluster the same site",
			u.config.Node, u.config.Site, server))
	}
	maps.DeleteFunc(u.since, func(what string, _ time.Time) bool { return !slices.Contains(found, what) })
	maps.DeleteFunc(u.told, func(what string, _ bool) bool { return !slices.Contains(found, what) })
	for _, what := range found {
		if since, known := u.since[what]; !known {
			u.since[what] = now
		} else if now.Sub(since) >= unevenTime && !u.told[what] {
			u.told[what] = true
			u.log.Warn("the nodes of the cluster are configured differently", "what", what)
		}
	}
}

// reasons are what is told now.
func (u *uneven) reasons() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Sorted(maps.Keys(u.told))
}

// without are the entries of a that b lacks.
func without(a, b []string) (rest []string) {
	for _, id := range a {
		if !slices.Contains(b, id) {
			rest = append(rest, id)
		}
	}
	return rest
}

// only says which cameras a node alone has, the first few of them.
func only(node string, ids []string) []string {
	switch n := len(ids); {
	case n == 0:
		return nil
	case n > 5:
		ids = append(slices.Clone(ids[:5]), fmt.Sprintf("and %d more", n-5))
	}
	return []string{"only " + node + " has " + strings.Join(ids, ", ")}
}
