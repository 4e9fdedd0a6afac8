package hub

import "github.com/prometheus/client_golang/prometheus"

// metrics are the hub's, all with the label site.
type metrics struct {
	up, lag, behind, catchUp, clock *prometheus.GaugeVec
	missed                          *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_" + name, Help: help}, []string{"site"})
	}
	m := &metrics{
		up:      gauge("site_up", "1 while the site's stream is mirrored over its link."),
		lag:     gauge("site_lag_frames", "Frames that the site holds and its mirror lacks, as last known."),
		behind:  gauge("site_lag_seconds", "Age of the newest frame of a mirror that lacks some, or whose link is down; else 0."),
		catchUp: gauge("site_catch_up_seconds", "How long the last catching up of the mirror took, once its link was up."),
		clock:   gauge("site_clock_skew_seconds", "How far the site's clock is behind the hub's, less than the time that its answer took."),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edge_video_site_missed_frames_total",
			Help: "Frames that the site discarded before they could be mirrored."}, []string{"site"}),
	}
	reg.MustRegister(m.up, m.lag, m.behind, m.catchUp, m.clock, m.missed)
	return m
}

func (m *metrics) set(s Status) {
	up := 0.0
	if s.Connected {
		up = 1
	}
	m.up.WithLabelValues(s.Site).Set(up)
	m.lag.WithLabelValues(s.Site).Set(float64(s.Lag))
	m.behind.WithLabelValues(s.Site).Set(s.Behind.Seconds())
	m.missed.WithLabelValues(s.Site)
}

// forget takes a site's values away, once there is nothing of it any more.
func (m *metrics) forget(site string) {
	for _, gauges := range []*prometheus.GaugeVec{m.up, m.lag, m.behind, m.catchUp, m.clock} {
		gauges.DeleteLabelValues(site)
	}
	m.missed.DeleteLabelValues(site)
}
