package archive

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/edge-video/edge-video/schema"
)

const (
	// groupFrames and groupBytes bound what a picture of video may build upon: twenty seconds at 30 fps.
	groupFrames = 600
	groupBytes  = 32 << 20
)

// Picture is what has to be decoded to see a camera at a moment; its last frame is the one that is seen. For a zero moment that is the
// newest that stands alone: of video the newest keyframe. Errors are those of [Archive.At] and [ErrNoKeyframe].
func (a *Archive) Picture(ctx context.Context, c Camera, t time.Time) ([]*Frame, error) {
	if t.IsZero() {
		f, err := a.newestAlone(ctx, c)
		return []*Frame{f}, about(err, c, "its newest picture")
	}
	f, err := a.At(ctx, c, t)
	if err != nil {
		return nil, err
	}
	return a.Group(ctx, c, f)
}

// Group is what has to be decoded for the picture of a frame: the frame alone, or a run of video from the last keyframe up to it.
// Errors are [ErrNoKeyframe].
func (a *Archive) Group(ctx context.Context, c Camera, f *Frame) ([]*Frame, error) {
	group, size := []*Frame{f}, len(f.Data)
	for first := f; !standsAlone(first); group = append(group, first) {
		if first.Seq <= 1 { // what is older is of another epoch
			return nil, about(ErrNoKeyframe, c, "what leads to a frame")
		}
		older, err := a.previous(ctx, c, first)
		if errors.Is(err, ErrNone) {
			err = ErrNoKeyframe
		}
		if err != nil {
			return nil, about(err, c, "what leads to a frame")
		}
		if size += len(older.Data); older.Epoch != f.Epoch || len(group) == groupFrames || size > groupBytes {
			return nil, about(ErrNoKeyframe, c, "what leads to a frame")
		}
		first = older
	}
	slices.Reverse(group)
	return group, nil
}

// Film reads as [Archive.Read] does, and begins early enough for each of these frames to have its picture, where that is held.
func (a *Archive) Film(ctx context.Context, c Camera, from, to time.Time) iter.Seq2[*schema.Frame, error] {
	return func(yield func(*schema.Frame, error) bool) {
		first := true
		for f, err := range a.Read(ctx, c, from, to) {
			if err != nil {
				yield(nil, err)
				return
			}
			lead := []*Frame{f}
			if first {
				if group, err := a.Group(ctx, c, f); err == nil {
					lead = group
				}
				first = false
			}
			for _, f := range lead {
				if !yield(f.Frame, nil) {
					return
				}
			}
		}
	}
}

// mark is what is known of a camera's frames up to one: the last of them that stands alone.
type mark struct{ upTo, alone uint64 }

// newestAlone is the camera's newest frame that stands alone. What was found before is remembered, so that only newer frames are looked at.
func (a *Archive) newestAlone(ctx context.Context, c Camera) (*Frame, error) {
	newest, err := a.last(ctx, c, question{})
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	known := a.marks[c]
	a.mu.Unlock()
	if newest.Stream < known.upTo {
		known = mark{} // the stream has begun anew
	}
	f := newest
	for n := 0; !standsAlone(f); n++ {
		if f.Stream <= known.upTo {
			f, err = a.frame(ctx, c, known.alone)
		} else {
			f, err = a.previous(ctx, c, f)
		}
		switch {
		case errors.Is(err, ErrNone), n == groupFrames:
			return nil, ErrNoKeyframe
		case err != nil:
			return nil, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.marks[c] = mark{newest.Stream, f.Stream}
	return f, nil
}

// previous is the camera's frame ahead of another.
func (a *Archive) previous(ctx context.Context, c Camera, f *Frame) (*Frame, error) {
	if f.Stream <= 1 {
		return nil, ErrNone
	}
	return a.last(ctx, c, question{UpTo: f.Stream - 1})
}

// standsAlone reports whether a frame's picture needs no other frame.
func standsAlone(f *Frame) bool { return f.Keyframe || f.ContentType == schema.ContentJPEG }
