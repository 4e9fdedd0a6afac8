package cluster

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestUneven_NamesBothNodesOnceTheDifferenceStays has two nodes with different cameras and replicas.
func TestUneven_NamesBothNodesOnceTheDifferenceStays(t *testing.T) {
	u := newUneven(Config{Site: "lisbon", Node: "gate-1", Replicas: 3}, slog.New(slog.DiscardHandler))
	now := time.Now()
	live := map[string]*beat{"gate-2": {Node: "gate-2", Replicas: 1, Offers: []string{"dock", "yard"}}}
	u.meet([]string{"porto-gate-3"})
	u.compare([]string{"dock", "roof"}, live, now)
	if got := u.reasons(); len(got) > 0 {
		t.Errorf("told at once: %v", got)
	}
	u.compare([]string{"dock", "roof"}, live, now.Add(unevenTime))
	got := strings.Join(u.reasons(), "\n")
	for _, want := range []string{"gate-1 and gate-2", "only gate-1 has roof", "only gate-2 has yard", "stream.replicas: 3 and 1",
		"node gate-1 is of site lisbon, and server porto-gate-3"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	u.meet(nil)
	live["gate-2"] = &beat{Node: "gate-2", Replicas: 3, Offers: []string{"dock", "roof"}}
	u.compare([]string{"dock", "roof"}, live, now.Add(2*unevenTime))
	if got := u.reasons(); !slices.Equal(got, nil) {
		t.Errorf("still told after the lists are the same: %v", got)
	}
}
