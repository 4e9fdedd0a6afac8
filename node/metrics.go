package node

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the capture side's, all with the label site.
type metrics struct {
	processed, dropped, rejected, lost, restarts *prometheus.CounterVec
	latency                                      *prometheus.HistogramVec
	up, decoder                                  *prometheus.GaugeVec
	horizon                                      prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, site string) *metrics {
	labels := prometheus.Labels{"site": site}
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edge_video_" + name, Help: help, ConstLabels: labels},
			append([]string{"camera_id"}, more...))
	}
	m := &metrics{
		processed: counter("frames_processed_total", "Frames acknowledged by the stream."),
		dropped:   counter("frames_dropped_total", "Whole pictures that the node gave up, by reason.", "reason"),
		rejected:  counter("pictures_rejected_total", "Pictures that were not stored, by reason.", "reason"),
		lost:      counter("frames_lost_total", "Frames that were published and never acknowledged."),
		restarts:  counter("camera_restarts_total", "Ends of a camera's FFmpeg, by reason.", "reason"),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "edge_video_capture_latency_seconds", ConstLabels: labels,
			Help:    "Time from the capture of a frame to the stream's acknowledgement.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}}, []string{"camera_id"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_up", ConstLabels: labels,
			Help: "1 while the camera's pictures arrive."}, []string{"camera_id"}),
		decoder: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_decoder", ConstLabels: labels,
			Help: "1 for what the camera is decoded with: software, an accelerator, or none in mode copy."}, []string{"camera_id", "kind"}),
		horizon: prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_video_stream_horizon_seconds", ConstLabels: labels,
			Help: "How long an outage of the slowest bridge still fits in the stream, at the present rate."}),
	}
	reg.MustRegister(m.processed, m.dropped, m.rejected, m.lost, m.restarts, m.latency, m.up, m.decoder, m.horizon)
	return m
}

// start makes a camera's counters visible at zero, so that their first step shows.
func (m *metrics) start(id string) {
	m.lost.WithLabelValues(id)
	m.up.WithLabelValues(id)
	for _, reason := range []string{dropQueueFull, dropShutdown} {
		m.dropped.WithLabelValues(id, reason)
	}
}
