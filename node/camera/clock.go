package camera

import (
	"time"

	"github.com/edge-video/edge-video/schema"
)

// clock says when a picture was captured, within one epoch.
type clock struct {
	base    time.Time // when media time 0 was, for a source that FFmpeg paces
	hasBase bool
}

// plausible bounds how far an arrival time that FFmpeg noted may lie from now.
const plausible = time.Hour

// stamp sets Captured and PTS.
//
// Decoded pictures of a camera carry the time at which FFmpeg read them as their timestamp, and the camera's own time is not known.
// In mode copy the timestamp is the camera's, and the picture was read just now. A source that FFmpeg paces has only media time,
// which runs along with the clock from the first picture on.
func (c *clock) stamp(f *schema.Frame, config *Config, pts int64, video *nutVideo) {
	now := time.Now()
	src := parseSource(config.URL)
	switch {
	case config.Mode == ModeCopy:
		f.Captured = now
	case src.paced:
		at := ticks(pts, video, uint64(time.Second))
		if !c.hasBase {
			c.base, c.hasBase = now.Add(-time.Duration(at)), true
		}
		f.Captured = c.base.Add(time.Duration(at))
	default:
		f.Captured = time.UnixMicro(ticks(pts, video, 1_000_000))
		if d := now.Sub(f.Captured); d > plausible || d < -plausible {
			f.Captured = now // FFmpeg has no time for the first packets of some streams
		}
	}
	f.Captured = f.Captured.UTC().Truncate(time.Microsecond)
	if config.Mode == ModeCopy || src.paced {
		f.PTS, f.HasPTS = ticks(pts, video, schema.PTSRate), true
	}
}

// ticks is a timestamp in units of 1/rate s.
func ticks(pts int64, video *nutVideo, rate uint64) int64 {
	n := pts
	if n < 0 {
		n = -n
	}
	t, ok := rescale(uint64(n), video.num*rate, video.den)
	if !ok {
		return 0
	}
	if pts < 0 {
		return -t
	}
	return t
}
