package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// machine reports the disk of data_dir and the clock, read when it is asked.
type machine struct {
	dir                      string
	free, total, floor, time *prometheus.Desc
}

func newMachine(site, dir string) *machine {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("edge_video_"+name, help, nil, prometheus.Labels{"site": site})
	}
	return &machine{dir: dir,
		free:  desc("disk_free_bytes", "Free space on the disk of data_dir."),
		total: desc("disk_size_bytes", "Size of the disk of data_dir."),
		floor: desc("disk_floor_bytes", "Free space that the stream needs to be written; below it the node is not ready."),
		time:  desc("clock_timestamp_seconds", "The machine's clock, in Unix seconds.")}
}

// Describe implements [prometheus.Collector].
func (m *machine) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.free
	ch <- m.total
	ch <- m.floor
	ch <- m.time
}

// Collect implements [prometheus.Collector]. A disk that cannot be looked at is left out; readiness says why.
func (m *machine) Collect(ch chan<- prometheus.Metric) {
	if d, err := DiskOf(m.dir); err == nil {
		ch <- prometheus.MustNewConstMetric(m.free, prometheus.GaugeValue, float64(d.Free))
		ch <- prometheus.MustNewConstMetric(m.total, prometheus.GaugeValue, float64(d.Total))
		ch <- prometheus.MustNewConstMetric(m.floor, prometheus.GaugeValue, float64(d.Floor))
	}
	ch <- prometheus.MustNewConstMetric(m.time, prometheus.GaugeValue, float64(time.Now().UnixMicro())/1e6)
}
