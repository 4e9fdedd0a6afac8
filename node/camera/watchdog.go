package camera

import (
	"time"

	"github.com/edge-video/edge-video/schema"
)

// startGrace is what FFmpeg may take beyond the stall timeout to show the first picture: it connects and looks at the stream first. The
// second picture is given it too where nothing says how often pictures come, as with keyframes.
const startGrace = 10 * time.Second

// rhythm is how often a camera's pictures come, as it has shown: a moving average of the time between two, 0 until two have come. A
// freeze now and then does not move it far.
type rhythm time.Duration

func (r *rhythm) add(gap time.Duration) {
	if *r == 0 {
		*r = rhythm(gap)
		return
	}
	*r += (rhythm(gap) - *r) / 8
}

// gap is how long after the picture before it one came, by the clock or by the camera's own where that says less: pictures that arrive
// slowly are not for that to be expected slowly.
func (s *session) gap(f *schema.Frame, now time.Time) time.Duration {
	d := now.Sub(s.last)
	if ticks := f.PTS - s.lastPTS; f.HasPTS && max(ticks, -ticks) < schema.PTSRate*int64(time.Hour/time.Second) {
		d = min(d, time.Duration(max(ticks, -ticks))*(time.Second/schema.PTSRate))
	}
	return d
}

// stallAfter is how long the camera may be silent now: the stall timeout, or three times what is usual where pictures come more seldom.
func (s *session) stallAfter() time.Duration {
	d := max(s.config.silence(), 3*time.Duration(s.rhythm))
	if s.config.Mode != ModeJPEG && s.rhythm == 0 && s.accepted > 0 {
		d += startGrace
	}
	return d
}

// silence is how long the camera may be silent by its configuration: the stall timeout, or three of the pictures that are asked for.
func (c *Config) silence() time.Duration {
	if c.Mode == ModeJPEG {
		return max(c.StallTimeout, time.Duration(3/c.FPS*float64(time.Second)))
	}
	return c.StallTimeout
}
