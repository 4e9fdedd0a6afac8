package bridge

import (
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
)

func TestDue_KeepsTheRateWhateverTheCameras(t *testing.T) {
	for _, c := range []struct{ camera, fps, want float64 }{
		{10, 2, 2}, {10, 3, 3}, {10, 6, 6}, {10, 9, 9}, {10, 10, 10}, {10, 20, 10}, {30, 7, 7}, {25, 12.5, 12.5}, {5, 0.2, 0.2},
	} {
		var d due
		n, begin := 0, time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
		const seconds = 600
		for i := range int(seconds * c.camera) {
			at := begin.Add(time.Duration(float64(i) / c.camera * float64(time.Second)))
			at = at.Add(time.Duration(i*7919%11-5) * time.Millisecond / 2) // arrivals are never even
			if d.let(&schema.Frame{ContentType: schema.ContentJPEG, Captured: at}, c.fps) {
				n++
			}
		}
		if got := float64(n) / seconds; got < c.want*0.99 || got > c.want*1.01 {
			t.Errorf("%v of %v fps: %v a second", c.fps, c.camera, got)
		}
	}
}

func TestDue_GoesOnAfterAClockThatWasSetBackAndAfterAPause(t *testing.T) {
	var d due
	at := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	let := func(after time.Duration) bool {
		at = at.Add(after)
		return d.let(&schema.Frame{ContentType: schema.ContentJPEG, Captured: at}, 1)
	}
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {900 * time.Millisecond, false}, {-time.Hour, true}, {900 * time.Millisecond, false}, {100 * time.Millisecond, true}, {time.Minute, true}, {999 * time.Millisecond, false}} {
		if got := let(c.after); got != c.want {
			t.Errorf("frame %d: let through %v, want %v", i+1, got, c.want)
		}
	}
}
