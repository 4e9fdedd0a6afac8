package node

import "github.com/prometheus/client_golang/prometheus"

// queued reports what waits in each camera's queue for the stream, read when it is asked.
type queued struct {
	posts         func() map[string]*post
	frames, bytes *prometheus.Desc
}

func newQueued(site string, posts func() map[string]*post) *queued {
	labels := prometheus.Labels{"site": site}
	return &queued{posts: posts,
		frames: prometheus.NewDesc("edge_video_queue_frames", "Frames of the camera that wait for the stream.", []string{"camera_id"}, labels),
		bytes:  prometheus.NewDesc("edge_video_queue_bytes", "Bytes of the frames of the camera that wait for the stream.", []string{"camera_id"}, labels)}
}

// Describe implements [prometheus.Collector].
func (q *queued) Describe(ch chan<- *prometheus.Desc) {
	ch <- q.frames
	ch <- q.bytes
}

// Collect implements [prometheus.Collector].
func (q *queued) Collect(ch chan<- prometheus.Metric) {
	for id, p := range q.posts() {
		frames, bytes := p.station.lane.waiting()
		ch <- prometheus.MustNewConstMetric(q.frames, prometheus.GaugeValue, float64(frames), id)
		ch <- prometheus.MustNewConstMetric(q.bytes, prometheus.GaugeValue, float64(bytes), id)
	}
}

// waiting is what the queue holds.
func (l *lane) waiting() (frames int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue), l.bytes
}
