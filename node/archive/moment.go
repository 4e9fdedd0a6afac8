package archive

import (
	"context"
	"errors"
	"time"

	"github.com/edge-video/edge-video/schema"
)

const (
	// ahead is how much earlier than it was captured a frame may have been stored, and by how much clocks may differ.
	ahead = 10 * time.Second
	// steps is how many frames are read one by one, before a search goes on by halves.
	steps = 4
)

// At is the camera's newest frame that was captured at or before a moment. Where all that is held of the camera is newer it is an
// [ErrNone], and an [ErrGone] where the stream has given up older frames. A moment that is yet to come is an [ErrFuture].
func (a *Archive) At(ctx context.Context, c Camera, t time.Time) (*Frame, error) {
	what := "its frame of " + t.UTC().Format(time.RFC3339Nano)
	if t.After(time.Now().Add(ahead)) {
		return nil, about(ErrFuture, c, what)
	}
	if err := a.learn(ctx, c, t, t); err != nil {
		return nil, about(err, c, what)
	}
	f, err := a.at(ctx, c, t)
	return f, about(err, c, what)
}

func (a *Archive) at(ctx context.Context, c Camera, t time.Time) (*Frame, error) {
	var high *Frame // one that was captured after t, behind low
	low, err := a.storedBy(ctx, c, t)
	if errors.Is(err, ErrNone) || err == nil && low.Captured.After(t) {
		high = low
		low, err = a.before(ctx, c, t)
	}
	if err != nil {
		return nil, err
	}
	for step := 0; high == nil; step++ {
		var f *Frame
		if step < steps {
			f, err = a.next(ctx, c, low.Stream+1)
		} else {
			f, err = a.last(ctx, c, question{})
		}
		switch {
		case errors.Is(err, ErrNone): // there is none behind
			return low, nil
		case err != nil:
			return nil, err
		case f.Captured.After(t) && step < steps:
			return low, nil
		case f.Captured.After(t):
			high = f
		case step == steps:
			return f, nil
		default:
			low = f
		}
	}
	return a.between(ctx, c, low, high, t)
}

// between is the last frame that was captured by t, of a run whose first was and whose last was not.
func (a *Archive) between(ctx context.Context, c Camera, low, high *Frame, t time.Time) (*Frame, error) {
	for from, to := low.Stream, high.Stream; to-from > 1; {
		middle := from + (to-from)/2
		f, err := a.last(ctx, c, question{UpTo: middle})
		switch {
		case errors.Is(err, ErrNone): // low has aged out meanwhile
			return nil, ErrGone
		case err != nil:
			return nil, err
		case f.Stream <= from: // nothing of the camera lies between
			from = middle
		case f.Captured.After(t):
			to = f.Stream
		default:
			low, from = f, middle
		}
	}
	return low, nil
}

// before is a frame that was captured by t, where what was stored by then is not: of a source that is paced, or the oldest that is held.
func (a *Archive) before(ctx context.Context, c Camera, t time.Time) (*Frame, error) {
	f, err := a.storedBy(ctx, c, t.Add(-ahead))
	if err == nil && !f.Captured.After(t) {
		return f, nil
	}
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	if f, err = a.next(ctx, c, 1); err != nil {
		return nil, err
	}
	if !f.Captured.After(t) {
		return f, nil
	}
	return nil, a.older(ctx, c)
}

// older says what it means that a camera's oldest frame is not old enough.
func (a *Archive) older(ctx context.Context, c Camera) error {
	s, err := a.js.Stream(ctx, a.streamOf(schema.StreamFrames, c.Site))
	if err != nil {
		return err
	}
	if s.CachedInfo().State.FirstSeq > 1 {
		return ErrGone
	}
	return ErrNone
}

// storedBy is the camera's last frame that was stored before t.
func (a *Archive) storedBy(ctx context.Context, c Camera, t time.Time) (*Frame, error) {
	t = t.UTC()
	return a.last(ctx, c, question{UpToTime: &t})
}
