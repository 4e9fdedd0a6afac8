package camera

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// Look is what is wrong with a camera's pictures although they arrive, as a label.
type Look string

// Looks.
const (
	LookFine   Look = ""       // nothing
	LookFrozen Look = "frozen" // the same picture over and over
	LookBlack  Look = "black"  // nothing but black, beside an overlay at the upper or lower edge
	LookGreen  Look = "green"  // nothing but green, which is what decoders make of lost pictures
	LookGrey   Look = "grey"   // nothing but grey, likewise
	LookFlat   Look = "flat"   // nothing but one other colour, white among them
)

// Looks lists what can be wrong with pictures.
func Looks() []Look { return []Look{LookFrozen, LookBlack, LookGreen, LookGrey, LookFlat} }

// looks notices pictures that show nothing. The pictures that pass are sighted at next to no cost; one that is suspicious is looked
// at, which takes decoding, beside the pictures' way and never two at a time on a node.
type looks struct {
	ctx    context.Context
	ffmpeg FFmpeg
	report func(epoch int64, seq uint64, look Look)
	seed   maphash.Seed
	work   sync.WaitGroup

	mu       sync.Mutex
	watch    watch
	busy     bool // a picture is looked at
	reported Look
}

// newLooks makes the looks of one camera. They end with ctx; wait returns after that. report is called for each change.
func newLooks(ctx context.Context, ffmpeg FFmpeg, report func(epoch int64, seq uint64, look Look)) *looks {
	return &looks{ctx: ctx, ffmpeg: ffmpeg, report: report, seed: maphash.MakeSeed()}
}

// wait returns when no picture is looked at any more. No picture may be seen meanwhile.
func (l *looks) wait() { l.work.Wait() }

// see takes notice of a picture that is to be stored. It does not block, and reads the frame's data for as long as it looks at them.
func (l *looks) see(f *schema.Frame, mode Mode, now time.Time) {
	s, ok := l.sight(f, mode, now)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted := l.watch.see(&s)
	l.tell(f)
	if !wanted || l.busy || !l.ffmpeg.beginLook() {
		return
	}
	l.busy = true
	l.watch.began(&s)
	picture, seen := *f, s // the frame itself now belongs to the output
	l.work.Go(func() { l.look(&picture, seen) })
}

// sight is false for pictures that tell nothing by themselves: video between keyframes, and what is too large to decode by the way.
func (l *looks) sight(f *schema.Frame, mode Mode, now time.Time) (s sight, ok bool) {
	if f.Width*f.Height > maxLookPixels {
		return s, false
	}
	if f.ContentType == schema.ContentJPEG {
		far := jpegFar
		if mode == ModeKeyframes {
			far = near
		}
		return sight{at: now, key: maphash.Bytes(l.seed, f.Data), size: len(f.Data), small: smallJPEG, far: far, period: jpegPeriod}, true
	}
	if !f.Keyframe {
		return s, false
	}
	own, size := keyframeContent(f)
	s = sight{at: now, key: maphash.Bytes(l.seed, own), size: size, small: smallKeyframe, far: near}
	if size < f.Width*f.Height/tinyPart+tinyBytes {
		s.period = tinyPeriod
	}
	return s, true
}

// look decodes a picture and draws the conclusion. A picture that cannot be decoded tells nothing.
func (l *looks) look(f *schema.Frame, s sight) {
	g, err := l.ffmpeg.gridOf(l.ctx, f)
	rest := time.Duration(0)
	if f.ContentType != schema.ContentJPEG {
		rest = lookRest
	}
	l.ffmpeg.endLook(rest)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	if err == nil {
		l.watch.looked(&s, g)
		l.tell(f)
	}
}

// tell reports a change; l.mu is held, so that changes are reported in order.
func (l *looks) tell(f *schema.Frame) {
	if look := l.watch.verdict(); look != l.reported {
		l.reported = look
		l.report(f.Epoch, f.Seq, look)
	}
}

// beginLook takes the one place there is for looking at a picture, and reports whether it was free. endLook must follow.
func (f FFmpeg) beginLook() bool {
	select {
	case f.looking <- struct{}{}:
		return true
	default:
		return false
	}
}

// endLook frees the place after a rest.
func (f FFmpeg) endLook(rest time.Duration) { time.AfterFunc(rest, func() { <-f.looking }) }
