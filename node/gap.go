package node

import "github.com/edge-video/edge-video/schema"

// Reasons for which the node gives up whole pictures, as labels.
const (
	dropQueueFull = "queue_full" // the stream did not take frames as fast as the camera gave them
	dropShutdown  = "shutdown"   // still queued when the node had to stop
)

// lostUnacknowledged is why a published frame counts as lost.
const lostUnacknowledged = "unacknowledged"

// gap is a run of frames of one epoch that will not come.
type gap struct {
	epoch       int64
	first, last uint64
	count       uint64
	reason      string
}

// gaps are runs of frames, one for each epoch in a row.
type gaps []gap

// add widens the last gap by a frame, or begins one.
func (g *gaps) add(f *schema.Frame, reason string) {
	n := len(*g)
	if n == 0 || (*g)[n-1].epoch != f.Epoch || (*g)[n-1].reason != reason {
		*g = append(*g, gap{epoch: f.Epoch, first: f.Seq, last: f.Seq, count: 1, reason: reason})
		return
	}
	last := &(*g)[n-1]
	last.first, last.last = min(last.first, f.Seq), max(last.last, f.Seq)
	last.count++
}
