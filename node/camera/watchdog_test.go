package camera

import (
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
)

func TestWatchdog_KnowsHowOftenPicturesCome(t *testing.T) {
	second := time.Second
	for name, c := range map[string]struct {
		mode Mode
		fps  float64
		gaps []time.Duration // between pictures so far; nil: none has come, or one where pictures says so
		one  bool
		want time.Duration
	}{
		"at its rate":                     {ModeJPEG, 10, []time.Duration{second / 10, second / 10}, true, 15 * second},
		"slower than the timeout":         {ModeJPEG, 0.1, nil, true, 30 * second},
		"no picture yet":                  {ModeKeyframes, 10, nil, false, 15 * second},
		"one keyframe":                    {ModeKeyframes, 10, nil, true, 15*second + startGrace},
		"rare keyframes":                  {ModeKeyframes, 10, []time.Duration{20 * second, 20 * second}, true, 60 * second},
		"rare pictures, copied":           {ModeCopy, 10, []time.Duration{12 * second}, true, 36 * second},
		"a freeze does not teach silence": {ModeCopy, 10, []time.Duration{second / 10, second / 10, 14 * second}, true, 15 * second},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{config: testConfig("rtsp://cam/1", c.mode)}
			s.config.FPS = c.fps
			for _, g := range c.gaps {
				s.rhythm.add(g)
			}
			if c.one {
				s.accepted = 1
			}
			if got := s.stallAfter(); got != c.want {
				t.Errorf("a stall after %v, want %v", got, c.want)
			}
		})
	}
}

func TestWatchdog_ExpectsWhatArrivesSlowlyAtTheCamerasOwnRate(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		arrival time.Duration
		ticks   int64
		timed   bool
		want    time.Duration
	}{
		"trickle":                 {5 * time.Second, 3000, true, 33333 * time.Microsecond},
		"rare pictures":           {5 * time.Second, 450_000, true, 5 * time.Second},
		"no time of the camera's": {5 * time.Second, 0, false, 5 * time.Second},
		"its clock was set":       {33 * time.Millisecond, -1 << 40, true, 33 * time.Millisecond},
		"pictures out of order":   {33 * time.Millisecond, -3000, true, 33 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{last: now.Add(-c.arrival), lastPTS: 1 << 33}
			got := s.gap(&schema.Frame{PTS: s.lastPTS + c.ticks, HasPTS: c.timed}, now)
			if d := got - c.want; d > time.Millisecond || d < -time.Millisecond {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
