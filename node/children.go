package node

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// children reports what the FFmpeg processes use, read when it is asked: one line of /proc for each.
type children struct {
	pids                         func() map[string]int
	cpu, resident                *prometheus.Desc
	running, allCPU, allResident *prometheus.Desc

	mu   sync.Mutex
	most float64 // of allCPU, which never goes back
}

func newChildren(site string, pids func() map[string]int) *children {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("edge_video_"+name, help, labels, prometheus.Labels{"site": site})
	}
	return &children{pids: pids,
		cpu:         desc("ffmpeg_cpu_seconds_total", "CPU time of the camera's FFmpeg, user and system, since it was started.", "camera_id"),
		resident:    desc("ffmpeg_resident_memory_bytes", "Resident memory of the camera's FFmpeg.", "camera_id"),
		running:     desc("ffmpeg_processes", "FFmpeg processes that read cameras."),
		allCPU:      desc("children_cpu_seconds_total", "CPU time of all processes that the node has started, those that have ended included."),
		allResident: desc("children_resident_memory_bytes", "Resident memory of the FFmpeg processes that read cameras.")}
}

// Describe implements [prometheus.Collector].
func (c *children) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.cpu, c.resident, c.running, c.allCPU, c.allResident} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]. A process that has just ended is left out.
func (c *children) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := endedCPU() // first, so that a process that ends meanwhile is not counted twice
	running, resident := 0, 0
	for id, pid := range c.pids() {
		p, err := procfs.NewProc(pid)
		if err != nil {
			continue
		}
		st, err := p.Stat()
		if err != nil {
			continue
		}
		running++
		all += st.CPUTime()
		resident += st.ResidentMemory()
		ch <- prometheus.MustNewConstMetric(c.cpu, prometheus.CounterValue, st.CPUTime(), id)
		ch <- prometheus.MustNewConstMetric(c.resident, prometheus.GaugeValue, float64(st.ResidentMemory()), id)
	}
	c.most = max(c.most, all)
	ch <- prometheus.MustNewConstMetric(c.running, prometheus.GaugeValue, float64(running))
	ch <- prometheus.MustNewConstMetric(c.allCPU, prometheus.CounterValue, c.most)
	ch <- prometheus.MustNewConstMetric(c.allResident, prometheus.GaugeValue, float64(resident))
}

// endedCPU is the CPU time, in seconds, of children that have ended and were waited for.
func endedCPU() float64 {
	var use unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &use); err != nil {
		return 0 // it has no other fault than a wrong argument
	}
	return (time.Duration(use.Utime.Nano()) + time.Duration(use.Stime.Nano())).Seconds()
}
