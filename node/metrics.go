package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node/camera"
)

// metrics are the capture side's, all with the label site.
type metrics struct {
	processed, dropped, rejected, lost, restarts *prometheus.CounterVec
	latency, bytes                               *prometheus.HistogramVec
	up, paused, breaker, look, decoder, last     *prometheus.GaugeVec
	horizon, processor                           prometheus.Gauge
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
		bytes: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "edge_video_frame_size_bytes", ConstLabels: labels,
			Help:    "Sizes of frames acknowledged by the stream, without headers.",
			Buckets: []float64{16 << 10, 64 << 10, 256 << 10, 1 << 20}}, []string{"camera_id"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_last_frame_timestamp_seconds", ConstLabels: labels,
			Help: "When the newest frame acknowledged by the stream was captured, in Unix seconds; none before the first."}, []string{"camera_id"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_up", ConstLabels: labels,
			Help: "1 while the camera's pictures arrive."}, []string{"camera_id"}),
		paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_paused", ConstLabels: labels,
			Help: "1 while an operator has the camera left alone; it is not up then."}, []string{"camera_id"}),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_breaker_state", ConstLabels: labels,
			Help: "The camera's breaker: 0 closed, 1 half-open, 2 open."}, []string{"camera_id"}),
		look: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_look", ConstLabels: labels,
			Help: "1 while the camera's pictures arrive and show nothing: always the same, or nothing but one colour."}, []string{"camera_id", "kind"}),
		decoder: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_camera_decoder", ConstLabels: labels,
			Help: "1 for what the camera is decoded with: software, an accelerator, or none in mode copy."}, []string{"camera_id", "kind"}),
		horizon: prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_video_stream_horizon_seconds", ConstLabels: labels,
			Help: "How long an outage of the slowest bridge still fits in the stream, at the present rate."}),
		processor: prometheus.NewGauge(prometheus.GaugeOpts{Name: "edge_video_processor_busy_ratio", ConstLabels: labels,
			Help: "The part of the machine's processor time that is in use, by anyone; from 0.95 on cameras may deliver less than asked for."}),
	}
	reg.MustRegister(m.processed, m.dropped, m.rejected, m.lost, m.restarts, m.latency, m.bytes, m.up, m.paused, m.breaker, m.look, m.decoder, m.last,
		m.horizon, m.processor)
	return m
}

// looks sets what a camera's pictures look like.
func (m *metrics) looks(id string, look camera.Look) {
	for _, kind := range camera.Looks() {
		value := 0.0
		if kind == look {
			value = 1
		}
		m.look.WithLabelValues(id, string(kind)).Set(value)
	}
}

// start makes a camera's counters visible at zero, so that their first step shows.
func (m *metrics) start(id string) {
	m.lost.WithLabelValues(id)
	m.up.WithLabelValues(id)
	m.paused.WithLabelValues(id)
	m.breaker.WithLabelValues(id)
	m.looks(id, camera.LookFine)
	for _, reason := range []string{dropQueueFull, dropShutdown} {
		m.dropped.WithLabelValues(id, reason)
	}
	m.restarts.WithLabelValues(id, string(camera.FaultStall))
}

// forget takes a camera's values away, once it is read no more.
func (m *metrics) forget(id string) {
	of := prometheus.Labels{"camera_id": id}
	for _, counters := range []*prometheus.CounterVec{m.processed, m.dropped, m.rejected, m.lost, m.restarts} {
		counters.DeletePartialMatch(of)
	}
	for _, gauges := range []*prometheus.GaugeVec{m.up, m.paused, m.breaker, m.look, m.decoder, m.last} {
		gauges.DeletePartialMatch(of)
	}
	m.latency.DeletePartialMatch(of)
	m.bytes.DeletePartialMatch(of)
}
