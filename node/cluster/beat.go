package cluster

import (
	"time"

	"github.com/edge-video/edge-video/schema"
)

const (
	// Lease is how long a node reads on without a sign that a majority of the nodes hears it.
	Lease = 4 * time.Second
	// margin is what others wait beyond that, for clocks that do not run equally fast and for FFmpeg to end.
	margin = 500 * time.Millisecond
	// beatPeriod is how often each node shows that it lives, and hurriedPeriod how often while another is silent, so that what all have heard
	// of that one is known soon.
	beatPeriod    = 500 * time.Millisecond
	hurriedPeriod = 100 * time.Millisecond
	// quietTime is how long a majority has heard nothing of a node before others begin to read its cameras. It proves nothing yet.
	quietTime = 2 * time.Second
)

// beat is what a node tells the others of itself.
type beat struct {
	Node     string           `json:"node"`
	Run      string           `json:"run"` // another one after each start
	Seq      uint64           `json:"seq"`
	Clock    int64            `json:"clock"`    // its own, Unix milliseconds
	Age      time.Duration    `json:"age"`      // since it began to listen
	Replicas int              `json:"replicas"` // of the streams, as configured
	Leaving  bool             `json:"leaving,omitempty"`
	Offers   []string         `json:"offers"` // cameras of its configuration, sorted
	Holds    map[string]claim `json:"holds"`  // cameras that it reads, or is about to claim
	Heard    map[string]heard `json:"heard"`  // other runs, when it heard them last
}

// claim is a camera that a node holds.
type claim struct {
	Revision uint64 `json:"revision"`          // in the bucket, 0 while it is being claimed
	Epoch    int64  `json:"epoch,omitempty"`   // the newest
	Failing  bool   `json:"failing,omitempty"` // no picture comes
	term     *Term  // in which it was claimed; of the own claims
}

// heard is when a node has last heard another.
type heard struct {
	Seq uint64        `json:"seq"`
	Ago time.Duration `json:"ago"`
}

// valid reports whether it can be another node's.
func (b *beat) valid() bool { return b != nil && schema.ValidSite(b.Node) && b.Run != "" }
