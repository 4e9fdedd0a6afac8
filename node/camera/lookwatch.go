package camera

import (
	"slices"
	"time"
)

const (
	lookWindow = 9 * time.Second         // for how long a picture is known again
	lookPause  = 1500 * time.Millisecond // at least between two looks; well below the two seconds that keyframes are often apart
	lookAgain  = 20 * time.Second        // between two looks while nothing seems to change

	// A picture that comes again after near may be frozen, and is looked at.
	near = 1500 * time.Millisecond
	// Pictures of a live scene without noise can repeat exactly until the camera's next keyframe, but not beyond. Where it is not known
	// which pictures were keyframes, frozen are those that repeat for longer than most cameras' keyframes are apart.
	jpegFar    = 5 * time.Second
	frozenFor  = 5 * time.Second
	frozenLong = 9 * time.Second // so long takes two looks instead of three

	flatFor = 3 * time.Second // a camera that starts may show black for a moment

	jpegPeriod = 30 * time.Second // between two looks at pictures without any suspicion; video is decoded on suspicion alone
	tinyPeriod = time.Minute      // the same for keyframes that are suspiciously small

	// Below these parts of the usual size, in per cent, a picture is looked at. A look at video takes a run of FFmpeg, and a scene's
	// keyframes vary.
	smallJPEG, smallKeyframe = 60, 25

	firstRest, mostRest = 3 * time.Second, time.Minute
)

// sight is what is known of a picture without decoding it.
type sight struct {
	at     time.Time
	key    uint64        // equal for equal pictures
	size   int           // bytes
	small  int           // per cent of the usual size; a picture below that is suspicious
	far    time.Duration // a picture that comes again after so long does not do so by chance
	period time.Duration // between looks without suspicion; 0: none
	again  time.Duration // how long ago the same picture came first; 0: it did not. Set by watch.see.
}

// watch draws conclusions from what passes. It has no clock and starts nothing.
//
// Frozen: pictures of a live sensor never repeat byte for byte, those of a frozen source do, if not all of them: around keyframes
// and under rate control an encoder renders a still picture in ever new ways. So any repeat after a while raises suspicion, and
// decoding pictures now and then proves it: they must show the same. That excludes clips that are played in a loop, and scenes with a
// running clock.
//
// One colour: it takes far fewer bytes than a scene, so a picture is looked at that is much smaller than usual.
type watch struct {
	recent []sighting // of the last lookWindow, but three at least
	last   time.Time
	usual  int       // size of pictures that are fine
	looks  int       // begun
	lookAt time.Time // when the last one was
	size   int       // of the picture looked at then

	// still is what all pictures looked at since then show, nil without suspicion. It is known to go back to since.
	still    *grid
	since    time.Time
	same     int       // looks that found still again
	repeated time.Time // when a picture last came again
	proved   time.Time // when one last came again after its far
	rest     time.Duration
	restTill time.Time

	colour Look // by the last look
	onlyIt time.Time
	flat   Look // the verdict on colour
}

type sighting struct {
	key uint64
	at  time.Time
}

// mostRecent bounds watch.recent, at 24 bytes each: nine seconds of the fastest cameras.
const mostRecent = 1024

// see takes notice of a picture, and reports whether it should be looked at. If so, but nobody can, the next picture is as good.
func (w *watch) see(s *sight) (look bool) {
	s.again = w.remember(s.key, s.at)
	w.last = s.at
	switch {
	case s.again >= s.far:
		w.proved, w.repeated = s.at, s.at
	case s.again >= near:
		w.repeated = s.at
	case s.at.Sub(w.repeated) > lookWindow:
		w.still, w.rest = nil, 0
	}
	small := s.size*100 < w.usual*s.small
	switch {
	case w.usual == 0:
		w.usual = s.size
	case !small:
		w.usual += (s.size - w.usual) / 64
	}
	pause := s.at.Sub(w.lookAt)
	switch {
	case w.looks == 0:
		return small || s.period > 0 || s.again >= near
	case pause < lookPause:
		return false
	case w.verdict() != LookFine:
		return pause >= lookAgain || s.size*5 < w.size*4 || s.size*4 > w.size*5
	case small, w.colour != LookFine, w.still != nil:
		return true
	}
	return s.again >= near && !s.at.Before(w.restTill) || s.period > 0 && pause >= s.period
}

// began says that the picture is looked at, whatever comes of it.
func (w *watch) began(s *sight) {
	w.looks++
	w.lookAt, w.size = s.at, s.size
}

// remember returns how long ago the same picture came first.
func (w *watch) remember(key uint64, at time.Time) (again time.Duration) {
	drop := 0
	for len(w.recent)-drop > 2 && (at.Sub(w.recent[drop].at) > lookWindow || len(w.recent)-drop >= mostRecent) {
		drop++
	}
	w.recent = slices.Delete(w.recent, 0, drop)
	if i := slices.IndexFunc(w.recent, func(r sighting) bool { return r.key == key }); i >= 0 {
		again = at.Sub(w.recent[i].at)
	}
	w.recent = append(w.recent, sighting{key, at})
	return again
}

// looked takes in what the picture shows.
func (w *watch) looked(s *sight, g *grid) {
	w.lookedForColour(s, g.colour())
	switch {
	case w.still == nil && s.again >= near:
		w.still, w.since, w.same = g, s.at.Add(-s.again), 0
	case w.still == nil:
	case w.still.shows(g):
		w.same++
	default: // a clip in a loop: the longer it runs the less often it is worth a look
		w.still = nil
		w.rest = min(max(firstRest, 2*w.rest), mostRest)
		w.restTill = s.at.Add(w.rest)
	}
}

func (w *watch) lookedForColour(s *sight, colour Look) {
	if colour != w.colour {
		w.colour, w.onlyIt = colour, s.at
	}
	switch {
	case colour == LookFine:
		w.flat, w.usual = LookFine, s.size
	case s.at.Sub(w.onlyIt) >= flatFor:
		w.flat = colour
	}
}

func (w *watch) verdict() Look {
	if w.flat != LookFine {
		return w.flat
	}
	if w.still != nil && !w.proved.Before(w.since) {
		if d := w.last.Sub(w.since); w.same >= 2 && d >= frozenFor || w.same == 1 && d >= frozenLong {
			return LookFrozen
		}
	}
	return LookFine
}
