package camera

import (
	"time"

	"github.com/edge-video/edge-video/schema"
)

// clock says when a picture was captured, within one epoch.
type clock struct {
	now, before time.Time // when the last packet came from FFmpeg, and the one before it
	base        time.Time // when media time 0 was, for a source that FFmpeg paces
	hasBase     bool
}

// arrived notes that a packet has come, whatever becomes of it.
func (c *clock) arrived() { c.before, c.now = c.now, time.Now() }

// plausible bounds how far an arrival time that FFmpeg noted may lie back. None lies ahead, unless the machine's clock was set.
const plausible = time.Hour

// stamp sets Captured and PTS of the picture that has arrived.
//
// Decoded pictures of a camera carry the time at which FFmpeg read them as their timestamp, and the camera's own time is not known.
// In mode copy the timestamp is the camera's. A source that FFmpeg paces has only media time, which runs along with the clock from the
// first picture on.
func (c *clock) stamp(f *schema.Frame, config *Config, pts int64, video *nutVideo) {
	src := parseSource(config.URL)
	switch {
	case config.Mode == ModeCopy && !src.paced && src.scheme != "v4l2" && !wholePictures(video):
		f.Captured = c.began()
	case config.Mode == ModeCopy:
		f.Captured = c.now
	case src.paced:
		at := ticks(pts, video, uint64(time.Second))
		if !c.hasBase {
			c.base, c.hasBase = c.now.Add(-time.Duration(at)), true
		}
		f.Captured = c.base.Add(time.Duration(at))
	default:
		f.Captured = time.UnixMicro(ticks(pts, video, 1_000_000))
		if d := c.now.Sub(f.Captured); d < 0 || d > plausible {
			f.Captured = c.now // FFmpeg has no time for the first packets of some streams
		}
	}
	f.Captured = f.Captured.UTC().Truncate(time.Microsecond)
	if config.Mode == ModeCopy || src.paced {
		f.PTS, f.HasPTS = ticks(pts, video, schema.PTSRate), true
	}
}

// began is when the first bytes of a picture were read that FFmpeg could only hand over once it had seen those of the next: these let
// go the picture before. The first picture has none before it, and must only not share its time with the second.
func (c *clock) began() time.Time {
	if c.before.IsZero() {
		return c.now.Add(-time.Microsecond)
	}
	return c.before
}

// wholePictures reports whether the camera's format says where a picture ends. JPEG does, and H.264 and H.265 with lengths before
// their NAL units, which the stream's header then shows. In a stream with start codes (RTSP, MPEG-TS) only the next picture tells.
func wholePictures(video *nutVideo) bool {
	return isMJPEG(video.fourcc) || len(video.extradata) > 0 && video.extradata[0] == 1
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
