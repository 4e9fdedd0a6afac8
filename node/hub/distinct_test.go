package hub

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func TestDistinct_NodesOfOneClusterAreOneSite(t *testing.T) {
	early := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	answer := func(created time.Time, cluster, leader string) jetstream.StreamInfo {
		return jetstream.StreamInfo{Created: created, Cluster: &jetstream.ClusterInfo{Name: cluster, Leader: leader}}
	}
	for name, c := range map[string]struct {
		answers []jetstream.StreamInfo
		want    int
	}{
		"one":                           {[]jetstream.StreamInfo{answer(early, "", "lisbon-a")}, 1},
		"two leaders of a cluster":      {[]jetstream.StreamInfo{answer(early, "lisbon", "lisbon-a"), answer(early, "lisbon", "lisbon-b")}, 1},
		"a cluster without a leader":    {[]jetstream.StreamInfo{answer(early, "lisbon", ""), answer(early, "lisbon", "lisbon-b")}, 1},
		"two clusters of one name":      {[]jetstream.StreamInfo{answer(early.Add(time.Second), "lisbon", "lisbon-a"), answer(early, "lisbon", "lisbon-b")}, 2},
		"two machines of one disk copy": {[]jetstream.StreamInfo{answer(early, "", "lisbon-a"), answer(early, "", "lisbon-b")}, 2},
	} {
		got := distinct(c.answers)
		if len(got) != c.want || !got[0].Created.Equal(early) {
			t.Errorf("%s: %d sites, want %d and the older first", name, len(got), c.want)
		}
	}
}
