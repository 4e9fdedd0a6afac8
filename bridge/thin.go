package bridge

import (
	"time"

	"github.com/edge-video/edge-video/schema"
)

// due is when a camera's next frame is due, for a bridge that takes fewer frames than there are.
type due struct{ at time.Time }

// let reports whether a frame is let through. Due times lie on a grid of 1/fps from the first frame on, and the first frame at or behind
// one is let through, up to two periods late; so the rate is fps, however unevenly frames come, while the camera has as many. Of video
// only keyframes are let through, since the others cannot be decoded without their neighbours.
func (d *due) let(f *schema.Frame, fps float64) bool {
	if fps <= 0 {
		return true
	}
	if f.ContentType != schema.ContentJPEG && !f.Keyframe {
		return false
	}
	period := time.Duration(float64(time.Second) / fps)
	late := f.Captured.Sub(d.at)
	switch {
	case d.at.IsZero() || late >= 2*period || late < -period: // the first, one after a pause, or a clock that was set back
		d.at = f.Captured.Add(period)
	case late < 0:
		return false
	default:
		d.at = d.at.Add(period)
	}
	return true
}
