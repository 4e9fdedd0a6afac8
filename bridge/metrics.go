package bridge

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/schema"
)

// metrics are one bridge's.
type metrics struct {
	delivered, rejected prometheus.Counter
	redelivered         prometheus.Counter
	pending, state      prometheus.Gauge
	latency             prometheus.Histogram
	faults, missed      *prometheus.CounterVec // by reason: a Fault, one of missed...
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		delivered: prometheus.NewCounter(prometheus.CounterOpts{Name: "edge_video_bridge_delivered_total",
			Help: "Frames that the sink has confirmed."}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{Name: "edge_video_bridge_rejected_total",
			Help: "Frames that the sink refused for good, kept in DEAD."}),
		redelivered: prometheus.NewCounter(prometheus.CounterOpts{Name: "edge_video_bridge_redelivered_total",
			Help: "Frames that the sink has confirmed again, by request."}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_video_bridge_pending_frames",
			Help: "Frames in the stream that the sink has not confirmed."}),
		state: prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_video_bridge_breaker_state",
			Help: "The bridge's breaker: 0 closed, 1 half-open, 2 open."}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "edge_video_delivery_latency_seconds",
			Help:    "Time from the capture of a frame to the sink's confirmation.",
			Buckets: []float64{.01, .02, .03, .05, .07, .1, .15, .2, .3, .5, 1, 2, 5, 10, 60, 600, 3600}}),
		faults: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edge_video_bridge_faults_total",
			Help: "Connections of the sink, and tries to make one, that ended in a fault."}, []string{"reason"}),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edge_video_bridge_missed_frames_total",
			Help: "Frames that the sink never sees: aged_out of the stream, stale by max_age or behind the end of what they refer to, thinned out by fps."}, []string{"reason"}),
	}
	for _, reason := range []string{missedAged, missedStale} {
		m.missed.WithLabelValues(reason) // visible at zero, so that its first step shows
	}
	reg.MustRegister(m.delivered, m.redelivered, m.rejected, m.pending, m.state, m.latency, m.faults, m.missed)
	return m
}

func (m *metrics) setBreaker(s schema.BreakerState) { m.state.Set(s.Number()) }
