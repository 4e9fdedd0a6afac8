package camera

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// damageNotices are FFmpeg's words for video that it could not read as it was sent, the same from 5.1 to 8, and how much later than
// the notice the picture can seem to have been read.
var damageNotices = []struct {
	words string
	later time.Duration
}{
	{"corrupt input packet", inOrder},            // the program, of a demuxer that saw a gap
	{"RTP: missed", inOrder},                     // the RTP demuxer
	{"corrupt decoded frame", arrivalUnit},       // the program, of a decoder that had to conceal parts
	{"error while decoding MB", arrivalUnit},     // H.264
	{"Could not find ref with POC", arrivalUnit}, // H.265
	{"error y=", arrivalUnit},                    // JPEG
}

const (
	// arrivalUnit is the coarsest unit in which FFmpeg notes arrival times: a 25th of a second, for JPEG pictures over HTTP.
	arrivalUnit = 40 * time.Millisecond
	// inOrder is what it takes for the rest of a picture to arrive, and for those to pass that are shown before it.
	inOrder = 500 * time.Millisecond
	// pipeline is how far FFmpeg can be ahead of the pictures that it hands over, where these do not carry their time of arrival.
	pipeline = time.Second
	// patience is for how long a sound keyframe is waited for. Some cameras send none (they refresh pictures part by part), and the
	// keyframes of some are never whole to FFmpeg: then only the pictures that FFmpeg speaks of are refused.
	patience = 10 * time.Second
	// keyframeNotice is a filter by which FFmpeg says the time of each decoded keyframe on stderr, at the level of a warning.
	keyframeNotice = "select='if(key,print(t,24));1'"
)

// damage knows which pictures may show damage: those that had been read when FFmpeg spoke of it, since decoding comes after reading,
// and those after them up to the next keyframe, since they are predicted from them, which no decoder says.
//
// The position of a picture is its timestamp in microseconds. With exact that is its time of arrival.
type damage struct {
	exact bool

	mu    sync.Mutex
	began time.Time // when FFmpeg first spoke of the damage that lasts
	until time.Time // pictures read up to then are damaged; zero when none is
	sound int64     // position of the first keyframe behind that
	found bool      // sound is known
}

// notice reads a line that FFmpeg wrote, and reports whether it was the time of a keyframe, which is of no interest to people.
func (d *damage) notice(line string) (keyframe bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at, ok := keyframeTime(line); ok {
		d.keyframe(at, time.Now())
		return true
	}
	for _, n := range damageNotices {
		if strings.Contains(line, n.words) {
			d.found = false
			if d.until.IsZero() {
				d.began = time.Now()
			}
			if until := time.Now().Add(n.later); until.After(d.until) {
				d.until = until
			}
		}
	}
	return false
}

// keyframe takes note of a keyframe; d.mu is held.
func (d *damage) keyframe(position int64, now time.Time) {
	if !d.found && !d.until.IsZero() && d.read(position, now).After(d.until) {
		d.sound, d.found = position, true
	}
}

// read is when a picture had been read at the earliest.
func (d *damage) read(position int64, now time.Time) time.Time {
	if d.exact {
		return time.UnixMicro(position)
	}
	return now.Add(-pipeline)
}

// shows reports whether a picture may show damage. key says that it is known to be a keyframe.
func (d *damage) shows(position int64, key bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if key {
		d.keyframe(position, now)
	}
	if d.found && position >= d.sound {
		d.until, d.found = time.Time{}, false
	}
	if now.Sub(d.began) > patience {
		return !d.read(position, now).After(d.until)
	}
	return !d.until.IsZero()
}

// keyframeTime reads what [keyframeNotice] writes: seconds with six places, behind the name of FFmpeg's part in some versions.
func keyframeTime(line string) (micros int64, ok bool) {
	s := line[strings.LastIndexByte(line, ' ')+1:]
	if s != line && !strings.HasPrefix(line, "[Eval @") {
		return 0, false
	}
	seconds, places, _ := strings.Cut(s, ".")
	if len(places) != 6 {
		return 0, false
	}
	micros, err := strconv.ParseInt(seconds+places, 10, 64)
	return micros, err == nil
}
