package link

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are of each link, by its name.
type metrics struct {
	up, rtt, lag, behind, clock *prometheus.GaugeVec
	reconnects, renewals        *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, site string) *metrics {
	labels := prometheus.Labels{"site": site}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_link_" + name, Help: help, ConstLabels: labels}, []string{"link"})
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edge_video_link_" + name, Help: help, ConstLabels: labels}, []string{"link"})
	}
	m := &metrics{
		up:         gauge("up", "1 while the link to the hub is up."),
		rtt:        gauge("rtt_seconds", "Round trip over the link, as last measured."),
		lag:        gauge("lag_frames", "Frames that the hub has not confirmed."),
		behind:     gauge("lag_seconds", "Age of the oldest frame that the hub has not confirmed."),
		clock:      gauge("clock_skew_seconds", "How far this site's clock is behind the hub's, as the hub says where it is more than half a minute; else 0."),
		reconnects: counter("reconnects_total", "Times that the link came up again."),
		renewals:   counter("renewals_total", "Times that the node set up anew a link that stayed down though its hub could be reached."),
	}
	reg.MustRegister(m.up, m.rtt, m.lag, m.behind, m.clock, m.reconnects, m.renewals)
	return m
}

func (m *metrics) set(s Status, clock time.Duration) {
	up := 0.0
	if s.Up {
		up = 1
	}
	m.up.WithLabelValues(s.Name).Set(up)
	m.rtt.WithLabelValues(s.Name).Set(s.RTT.Seconds())
	m.lag.WithLabelValues(s.Name).Set(float64(s.Lag))
	m.behind.WithLabelValues(s.Name).Set(s.Behind.Seconds())
	m.clock.WithLabelValues(s.Name).Set(clock.Seconds())
}
