package main

import (
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/edge-video/edge-video/schema"
)

// holdRequest asks whoever runs a bridge to hold its breaker open, as if the sink were down.
type holdRequest struct {
	For     time.Duration `json:"for"` // from now, at most holdMost; 0 only asks how the bridge is
	Release bool          `json:"release"`
}

// holdMost bounds a hold, so that it ends soon after whoever asks for it has died.
const holdMost = 10 * time.Second

// holdAnswer is how a bridge is at one of the processes that have it.
type holdAnswer struct {
	Worker   string              `json:"worker"`
	Node     string              `json:"node"`
	State    schema.BreakerState `json:"state"`
	Held     time.Duration       `json:"held"`    // for how long yet
	Missed   uint64              `json:"missed"`  // frames, since the process started, that left the stream before the sink had them
	Skipped  uint64              `json:"skipped"` // frames, since then, that the bridge passed over since they were too old
	Refused  uint64              `json:"refused"` // frames, since then, that the sink refused for good
	Stream   string              `json:"stream"`  // where what it delivers is
	Horizon  time.Duration       `json:"horizon"` // valid where HasLimit is set
	HasLimit bool                `json:"has_limit"`
}

// hold does what is asked and answers for one bridge.
func (r *running) hold(q *holdRequest) *holdAnswer {
	switch {
	case q.Release:
		r.worker.Release()
	case q.For > 0:
		r.worker.Hold(min(q.For, holdMost))
	}
	h := r.worker.Health()
	return &holdAnswer{Worker: r.errands.id, State: h.State, Held: h.Held, Stream: h.Stream,
		Missed:  r.counted("edge_video_bridge_missed_frames_total", "aged_out"),
		Skipped: r.counted("edge_video_bridge_missed_frames_total", "stale"),
		Refused: r.counted("edge_video_bridge_rejected_total", "")}
}

// counted is the value of one of the bridge's counters, with a reason where that is not "".
func (r *running) counted(name, reason string) (sum uint64) {
	families, err := r.reg.Gather()
	if err != nil {
		return 0
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (reason == "" || hasLabel(m, "reason", reason)) {
				sum += uint64(m.GetCounter().GetValue())
			}
		}
	}
	return sum
}

func hasLabel(m *dto.Metric, name, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == name && l.GetValue() == value {
			return true
		}
	}
	return false
}
