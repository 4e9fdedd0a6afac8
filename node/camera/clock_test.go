package camera

import (
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
)

func TestClock_StampsWhenThePictureWasRead(t *testing.T) {
	micro := &nutVideo{num: 1, den: 1_000_000}
	camera90 := &nutVideo{num: 1, den: 90_000}
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).UnixMicro() }
	for name, c := range map[string]struct {
		mode   Mode
		url    string
		video  *nutVideo
		pts    []int64
		want   []time.Duration // after now
		ticks  []int64         // nil: no PTS
		within time.Duration
	}{
		"decoded: FFmpeg's arrival time":    {ModeJPEG, "rtsp://cam/1", micro, []int64{at(-300 * time.Millisecond), at(-2 * time.Second)}, []time.Duration{-300 * time.Millisecond, -2 * time.Second}, nil, time.Microsecond},
		"decoded: no arrival time":          {ModeJPEG, "rtsp://cam/1", micro, []int64{0, 40_000, at(48 * time.Hour)}, []time.Duration{0, 0, 0}, nil, time.Second},
		"decoded: the clock was set back":   {ModeJPEG, "rtsp://cam/1", micro, []int64{at(30 * time.Second), at(20 * time.Minute)}, []time.Duration{0, 0}, nil, time.Second},
		"decoded: the clock was set ahead":  {ModeJPEG, "rtsp://cam/1", micro, []int64{at(-61 * time.Minute), at(-5 * time.Second)}, []time.Duration{0, -5 * time.Second}, nil, time.Second},
		"keyframes":                         {ModeKeyframes, "http://cam/1", micro, []int64{at(-time.Second)}, []time.Duration{-time.Second}, nil, time.Microsecond},
		"copy: now, with the camera's time": {ModeCopy, "rtsp://cam/1", camera90, []int64{90_000, 99_000, -4500}, []time.Duration{0, 0, 0}, []int64{90_000, 99_000, -4500}, time.Second},
		"copy in another time base":         {ModeCopy, "rtsp://cam/1", &nutVideo{num: 1, den: 16384}, []int64{16384, 24576}, []time.Duration{0, 0}, []int64{90_000, 135_000}, time.Second},
		"paced: media time from the first":  {ModeJPEG, "lavfi:testsrc2", micro, []int64{500_000, 600_000, 1_500_000}, []time.Duration{0, 100 * time.Millisecond, time.Second}, []int64{45_000, 54_000, 135_000}, time.Second},
		"paced copy":                        {ModeCopy, "file:a.mp4", camera90, []int64{0, 9000}, []time.Duration{0, 0}, []int64{0, 9000}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var clock clock
			config := testConfig(c.url, c.mode)
			var first time.Time
			for i, pts := range c.pts {
				f := &schema.Frame{}
				clock.arrived()
				clock.stamp(f, &config, pts, c.video)
				if d := f.Captured.Sub(now) - c.want[i]; d > c.within || d < -c.within {
					t.Errorf("picture %d: captured %v after now, want %v", i, f.Captured.Sub(now), c.want[i])
				}
				if f.Captured.Location() != time.UTC || f.Captured.Nanosecond()%1000 != 0 {
					t.Errorf("picture %d: captured %v, want whole microseconds in UTC", i, f.Captured)
				}
				if f.HasPTS != (c.ticks != nil) || c.ticks != nil && f.PTS != c.ticks[i] {
					t.Errorf("picture %d: PTS %d %v, want %v", i, f.PTS, f.HasPTS, c.ticks)
				}
				if i == 0 {
					first = f.Captured
				}
				if parseSource(c.url).paced && c.mode != ModeCopy {
					if got, want := f.Captured.Sub(first), c.want[i]-c.want[0]; got < want-2*time.Microsecond || got > want+2*time.Microsecond {
						t.Errorf("picture %d: %v after the first, want %v", i, got, want)
					}
				}
			}
		})
	}
}

// A picture that FFmpeg could only hand over when the next one began is given the time at which the one before came, which is when it
// began itself, also after a pause and a packet that was refused.
func TestClock_CopiedPictureIsStampedWhenItBegan(t *testing.T) {
	avc := []byte{1, 77, 0, 31}
	for name, c := range map[string]struct {
		url   string
		video nutVideo
		began bool
	}{
		"RTSP":            {"rtsp://cam/1", nutVideo{fourcc: "H264", extradata: []byte{0, 0, 0, 1, 0x67}}, true},
		"no header":       {"udp://0.0.0.0:1", nutVideo{fourcc: "HEVC"}, true},
		"RTMP":            {"rtmp://cam/1", nutVideo{fourcc: "H264", extradata: avc}, false},
		"JPEG":            {"rtsp://cam/1", nutVideo{fourcc: "MJPG"}, false},
		"camera at hand":  {"v4l2:/dev/video0", nutVideo{fourcc: "H264"}, false},
		"paced by FFmpeg": {"file:a.ts", nutVideo{fourcc: "H264"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.video.num, c.video.den = 1, 90_000
			config := testConfig(c.url, ModeCopy)
			first := time.Now().Add(-time.Minute)
			clock := clock{now: first}
			var got [3]schema.Frame
			clock.stamp(&got[0], &config, 0, &c.video)
			clock.arrived() // and is refused
			refused := clock.now
			for i := range got[1:] {
				clock.arrived()
				clock.stamp(&got[i+1], &config, 0, &c.video)
			}
			want := [3]time.Time{first, got[1].Captured, clock.now}
			if c.began {
				want = [3]time.Time{first.Add(-time.Microsecond), refused, clock.before}
			}
			for i, f := range got {
				if w := want[i].UTC().Truncate(time.Microsecond); !f.Captured.Equal(w) {
					t.Errorf("picture %d captured %v, want %v", i, f.Captured, w)
				}
			}
		})
	}
}

func TestTicks_NeverOverflow(t *testing.T) {
	for _, c := range []struct {
		pts      int64
		num, den uint64
		rate     uint64
		want     int64
	}{
		{1, 1, 1000, 90_000, 90},
		{-1, 1, 1000, 90_000, -90},
		{1 << 62, 1, 1, 1_000_000_000, 0},
		{-1 << 63, 1, 1, 90_000, 0},
		{1 << 40, 1, 90_000, 90_000, 1 << 40},
		{1_795_419_833_100_123, 1, 1_000_000, 1_000_000, 1_795_419_833_100_123},
	} {
		if got := ticks(c.pts, &nutVideo{num: c.num, den: c.den}, c.rate); got != c.want {
			t.Errorf("ticks(%d, %d/%d, %d) = %d, want %d", c.pts, c.num, c.den, c.rate, got, c.want)
		}
	}
}
