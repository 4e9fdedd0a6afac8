package node

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
)

// children reports what the FFmpeg processes use, read when it is asked.
type children struct {
	pids          func() map[string]int
	cpu, resident *prometheus.Desc
}

func newChildren(site string, pids func() map[string]int) *children {
	labels := prometheus.Labels{"site": site}
	return &children{pids: pids,
		cpu: prometheus.NewDesc("edge_video_ffmpeg_cpu_seconds_total",
			"CPU time of the camera's FFmpeg, user and system, since it was started.", []string{"camera_id"}, labels),
		resident: prometheus.NewDesc("edge_video_ffmpeg_resident_memory_bytes",
			"Resident memory of the camera's FFmpeg.", []string{"camera_id"}, labels)}
}

// Describe implements [prometheus.Collector].
func (c *children) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.cpu
	ch <- c.resident
}

// Collect implements [prometheus.Collector]. A process that has just ended is left out.
func (c *children) Collect(ch chan<- prometheus.Metric) {
	for id, pid := range c.pids() {
		p, err := procfs.NewProc(pid)
		if err != nil {
			continue
		}
		st, err := p.Stat()
		if err != nil {
			continue
		}
		ch <- prometheus.MustNewConstMetric(c.cpu, prometheus.CounterValue, st.CPUTime(), id)
		ch <- prometheus.MustNewConstMetric(c.resident, prometheus.GaugeValue, float64(st.ResidentMemory()), id)
	}
}
