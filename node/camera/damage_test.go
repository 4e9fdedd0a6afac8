package camera

import (
	"fmt"
	"testing"
	"time"
)

func TestDamage_LastsFromTheNoticeToALaterKeyframe(t *testing.T) {
	micros := func(d time.Duration) int64 { return time.Now().Add(d).UnixMicro() }
	keyframe := func(at int64) string { return fmt.Sprintf("%d.%06d", at/1e6, at%1e6) }
	d := damage{exact: true}
	check := func(position int64, want bool, what string) {
		t.Helper()
		if got := d.shows(position, false); got != want {
			t.Errorf("%s: damaged %v, want %v", what, got, want)
		}
	}
	check(micros(0), false, "before any notice")
	d.notice("rtsp://cam/1: corrupt decoded frame in stream 0")
	check(micros(-time.Second), true, "read before the notice")
	check(micros(time.Second), true, "read later, but predicted")
	if !d.notice("[Eval @ 0x55] " + keyframe(micros(-time.Second))) {
		t.Error("the time of a keyframe is not known as such")
	}
	check(micros(time.Second), true, "behind a keyframe of before the notice")
	at := micros(time.Second)
	d.notice(keyframe(at))
	check(at-1, true, "before the later keyframe")
	d.notice("[dec:h264 @ 0x55] corrupt decoded frame")
	check(at, true, "behind a keyframe that came before another notice")
	d.notice(keyframe(at + 1))
	check(at+2, false, "behind the later keyframe")
	check(at, false, "afterwards")
	d.notice("cam: corrupt input packet in stream 0")
	if d.shows(micros(2*time.Second), true) {
		t.Error("a keyframe that was read later is taken for damaged")
	}
}

func TestDamage_OfACameraWithoutSoundKeyframesIsWhatFFmpegSpeaksOf(t *testing.T) {
	d := damage{exact: true}
	d.notice("corrupt decoded frame")
	d.began = d.began.Add(-2 * patience)
	d.notice("corrupt decoded frame")
	if !d.shows(time.Now().UnixMicro(), false) {
		t.Error("a picture that was read before the notice is taken for sound")
	}
	if d.shows(time.Now().Add(time.Second).UnixMicro(), false) {
		t.Error("a picture that was read later is refused for ever")
	}
}

func TestDamage_WithoutArrivalTimesAKeyframeMustComeMuchLater(t *testing.T) {
	var d damage
	d.notice("corrupt decoded frame")
	d.until = d.until.Add(-pipeline / 2)
	if !d.shows(1_000_000, true) {
		t.Error("a keyframe soon after the notice is taken for sound")
	}
	d.until = d.until.Add(-pipeline)
	if d.shows(2_000_000, true) {
		t.Error("a keyframe long after the notice is taken for damaged")
	}
}

func TestDamage_OnlyKeyframeTimesAreTakenOutOfTheMessages(t *testing.T) {
	var d damage
	for line, want := range map[string]bool{
		"1795419833.123456":                 true,
		"0.000000":                          true,
		"-1.500000":                         true,
		"[Eval @ 0x7ffe] 1795419833.123456": true,
		"frame at 1795419833.123456":        false,
		"1795419833":                        false,
		"5.1.9":                             false,
		"nan":                               false,
	} {
		if got := d.notice(line); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
}
