package redis

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/schema"
)

// Adaptive is a time to live by how much a camera's frames are read: Max for those read often, Min for those that nobody reads, and
// between them for the rest. Until enough is known of a camera it is Max. A zero Max is none of this.
type Adaptive struct {
	Min, Max time.Duration
}

// habit is how a camera's frames are read.
type habit string

const (
	unknown habit = "unknown"
	often   habit = "often"  // half of the frames or more
	seldom  habit = "seldom" // some frame within the last Max
	never   habit = "never"
)

// Bounds of the judgement, in samples that show also a read at once.
const (
	leastSamples = 4
	window       = 8    // over about so many the share of frames that are read is taken
	oftenShare   = 0.5  // from here on a camera is read often,
	stillShare   = 0.25 // and down to here it stays so
)

// reads are what is known of one camera.
type reads struct {
	name    string
	habit   habit
	share   float64 // of the samples, those that were read
	samples int
	last    time.Time // when the last read was seen

	nextProbe, nextSample time.Time
}

// adaptive holds the judgements, over all connections. It is used by one flusher at a time.
type adaptive struct {
	Adaptive
	site    string
	log     *slog.Logger
	gauge   *prometheus.GaugeVec
	report  func(schema.Event)
	cameras map[string]*reads
	sampler
}

func newAdaptive(cfg *Config, log *slog.Logger, reg prometheus.Registerer) *adaptive {
	a := &adaptive{Adaptive: cfg.Adaptive, site: cfg.Site, log: log, report: func(schema.Event) {}, cameras: map[string]*reads{}}
	a.sampler.age = min(a.Min*3/4, longestAge)
	a.gauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edge_video_redis_ttl_seconds",
		Help: "How long Redis keeps the frames of a camera, by how much they are read."}, []string{"camera_id"})
	reg.MustRegister(a.gauge)
	return a
}

// camera is what is known of a frame's camera. Those of other sites are named with theirs.
func (a *adaptive) camera(f *schema.Frame) *reads {
	name := f.Camera
	if f.Site != a.site {
		name = f.CameraName()
	}
	c := a.cameras[name]
	if c == nil {
		c = &reads{name: name, habit: unknown}
		a.cameras[name] = c
		a.gauge.WithLabelValues(name).Set(a.ttl(unknown).Seconds())
	}
	return c
}

func (a *adaptive) ttl(h habit) time.Duration {
	switch h {
	case never:
		return a.Min
	case seldom:
		return time.Duration(math.Sqrt(float64(a.Min) * float64(a.Max))).Round(time.Millisecond)
	}
	return a.Max
}

// judge takes what became of one sample. exact says that it would have shown a read at once as well.
func (a *adaptive) judge(c *reads, read, exact bool, now time.Time) {
	if read {
		c.last = now
	}
	if exact {
		value := 0.0
		if read {
			value = 1
		}
		c.samples++
		c.share += (value - c.share) / float64(min(c.samples, window))
	}
	next := never
	switch {
	case c.samples < leastSamples:
		return
	case c.share >= oftenShare || c.habit == often && c.share >= stillShare:
		next = often
	case !c.last.IsZero() && now.Sub(c.last) <= a.Max:
		next = seldom
	}
	if next != c.habit {
		a.change(c, next)
	}
}

func (a *adaptive) change(c *reads, next habit) {
	was, ttl := c.habit, a.ttl(next)
	c.habit = next
	a.gauge.WithLabelValues(c.name).Set(ttl.Seconds())
	a.log.Info("redis keeps frames by how they are read", "camera", c.name, "read", next, "was", was, "ttl", ttl)
	a.report(schema.Event{Kind: schema.KindControl, Reason: "redis_ttl", State: string(next),
		Message: fmt.Sprintf("frames of %s are read %s (before: %s); each is kept for %s", c.name, next, was, ttl)})
}
