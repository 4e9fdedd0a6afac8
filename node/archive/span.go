package archive

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Entry is a frame without its picture.
type Entry struct {
	Frame
	Bytes int // of the picture
}

// Index lists frames captured between two moments, both included, at least every apart, without their pictures. There are at most limit;
// next is the moment to go on from, zero where all are listed.
func (a *Archive) Index(ctx context.Context, c Camera, from, to time.Time, every time.Duration,
	limit int) (entries []Entry, next time.Time, err error) {
	last, err := a.end(ctx, c, from, to)
	if err != nil || last == nil {
		return nil, next, about(err, c, "its index")
	}
	every = max(every, time.Microsecond) // the resolution of Frame-Captured
	var before *Frame
	for len(entries) < limit {
		f, err := a.from(ctx, c, from, before, every)
		if errors.Is(err, ErrNone) || err == nil && (f.Stream > last.Stream || f.Captured.After(to)) {
			return entries, time.Time{}, nil
		}
		if err != nil {
			return nil, next, about(err, c, "its index")
		}
		e := Entry{*f, len(f.Data)}
		head := *f.Frame
		head.Data, e.Frame.Frame = nil, &head
		entries = append(entries, e)
		before, from = f, f.Captured.Add(every)
		if f.Stream == last.Stream {
			return entries, time.Time{}, nil
		}
	}
	return entries, from, nil
}

// from is the first frame that was captured at t or later, and lies behind another one, which may be nil.
func (a *Archive) from(ctx context.Context, c Camera, t time.Time, before *Frame, every time.Duration) (*Frame, error) {
	var seq uint64
	if before != nil {
		seq = before.Stream
	}
	if before == nil || every > near {
		f, err := a.at(ctx, c, t.Add(-time.Microsecond))
		if err != nil && !errors.Is(err, ErrNone) {
			return nil, err
		}
		if err == nil {
			seq = max(seq, f.Stream)
		}
	}
	for {
		f, err := a.next(ctx, c, seq+1)
		if err != nil || !f.Captured.Before(t) {
			return f, err
		}
		seq = f.Stream
	}
}

// near is how far apart frames may be wanted that are found by reading those between.
const near = time.Second

// end is the last frame of a span, nil where that holds none. What is between may be passed over then where the camera was quiet.
func (a *Archive) end(ctx context.Context, c Camera, from, to time.Time) (*Frame, error) {
	if err := a.learn(ctx, c, from, to); err != nil {
		return nil, err
	}
	f, err := a.at(ctx, c, to)
	if errors.Is(err, ErrNone) {
		return nil, nil
	}
	return f, err
}

// Read reads the frames captured between two moments, both included, in the order of the stream. After an error there is nothing more.
func (a *Archive) Read(ctx context.Context, c Camera, from, to time.Time) iter.Seq2[*Frame, error] {
	return func(yield func(*Frame, error) bool) {
		last, err := a.end(ctx, c, from, to)
		if err != nil {
			yield(nil, about(err, c, "a span"))
			return
		}
		if last == nil {
			return
		}
		for f, err := a.from(ctx, c, from, nil, 0); ; f, err = a.next(ctx, c, f.Stream+1) {
			if errors.Is(err, ErrNone) || err == nil && f.Stream > last.Stream {
				return
			}
			if !yield(f, about(err, c, "a span")) || err != nil || f.Stream == last.Stream {
				return
			}
		}
	}
}
