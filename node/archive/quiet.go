package archive

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/edge-video/edge-video/schema"
)

const (
	// margin is how long before or after its event a camera's first or last frame may be stored: it may have waited for the stream.
	margin = 10 * time.Second
	// quietLeast is how many margins long a quiet part is that is worth passing over.
	quietLeast = 3
	// quietsMost is how many quiet parts are remembered of a camera.
	quietsMost = 256
	// statesMost is how many events are looked at for one question. A camera that is down is tried every few minutes.
	statesMost = 4096
	// triesMost is at how many events it is looked whether a camera was quiet from there on.
	triesMost = 8
)

// quiet is a part of a stream in which there is nothing of a camera: what lies between two of its frames, or ahead of its first, where before
// is zero. JetStream would read all blocks of it to find nothing.
type quiet struct{ before, after place }

// holds reports whether the last frame up to where the question says is the one ahead of the quiet part.
func (q quiet) holds(asked question) bool {
	if asked.UpToTime != nil {
		return q.before.stored.Before(*asked.UpToTime) && !asked.UpToTime.After(q.after.stored)
	}
	return q.before.seq <= asked.UpTo && asked.UpTo < q.after.seq
}

// quietAt is the quiet part of the stream that a question for a camera's last frame leads into.
func (a *Archive) quietAt(c Camera, asked question) (quiet, bool) {
	if asked.UpTo == 0 && asked.UpToTime == nil {
		return quiet{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.quiets[c] {
		if q.holds(asked) {
			return q, true
		}
	}
	return quiet{}, false
}

// ahead is the frame ahead of a quiet part.
func (a *Archive) ahead(ctx context.Context, c Camera, q quiet) (*Frame, error) {
	if q.before.seq > 0 {
		return a.edge(ctx, c, q.before)
	}
	if f, err := a.edge(ctx, c, q.after); f == nil || err != nil {
		return nil, err
	}
	return nil, ErrNone
}

// edge is the frame on one side of a quiet part. It is nil, without an error, where something else lies there now: the stream has begun anew.
func (a *Archive) edge(ctx context.Context, c Camera, at place) (*Frame, error) {
	f, err := a.frame(ctx, c, at.seq)
	switch {
	case errors.Is(err, ErrGone):
		return nil, err
	case err == nil && f.Stored.Equal(at.stored):
		return f, nil
	case err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, ErrForeign):
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.quiets, c)
	return nil, nil
}

// state is an event about a camera's state.
type state struct {
	place
	up bool
}

// state is the event that the question leads to.
func (a *Archive) state(ctx context.Context, c Camera, q question) (state, error) {
	m, at, err := a.get(ctx, c, schema.StreamEvents, q)
	if err != nil {
		return state{}, err
	}
	e, err := schema.DecodeEvent(m.Data)
	return state{at, err == nil && e.State == string(schema.CameraUp)}, nil
}

// learn finds where the camera was quiet in a span, so that searches pass over it. The camera's events say where to look, and the frames that
// lie there whether it is so: the last ahead of it was stored within a margin of the event, and so was the first behind it, and both when
// they were captured. What events do not tell is read through.
func (a *Archive) learn(ctx context.Context, c Camera, from, to time.Time) error {
	if q, ok := a.quietAt(c, question{UpToTime: &from}); ok && !to.After(q.after.stored) {
		return nil
	}
	from, to = from.Add(-a.margin).UTC(), to.Add(a.margin).UTC()
	down, err := a.downAt(ctx, c, from)
	if err != nil {
		return err
	}
	subject := schema.EventSubject(c.Site, schema.ClassCamera, c.ID, schema.KindState)
	next := question{NextFor: subject, Since: &from}
	for range statesMost {
		s, err := a.state(ctx, c, next)
		switch {
		case errors.Is(err, ErrNone), errors.Is(err, ErrNoSite):
			return nil
		case err != nil:
			return err
		case s.up && len(down) > 0:
			if err := a.learnOne(ctx, c, down, s); err != nil && !errors.Is(err, ErrNone) && !errors.Is(err, ErrForeign) {
				return err
			}
			down = nil
		case !s.up && (len(down) > 0 || !s.stored.After(to)):
			down = append(down, s)
		}
		if len(down) == 0 && s.stored.After(to) {
			return nil
		}
		next = question{NextFor: subject, Seq: s.seq + 1}
	}
	return nil
}

// downAt are the events since the camera was last up, the oldest first, where it was not up at t. Where it never was by then, as far as
// events tell, what lies ahead of its first frame is learned.
func (a *Archive) downAt(ctx context.Context, c Camera, t time.Time) (down []state, err error) {
	of := []string{schema.EventSubject(c.Site, schema.ClassCamera, c.ID, schema.KindState)}
	last := question{LastFor: of, UpToTime: &t}
	for range statesMost {
		s, err := a.state(ctx, c, last)
		if errors.Is(err, ErrNone) {
			return a.learnFirst(ctx, c, t, down)
		}
		if errors.Is(err, ErrNoSite) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if s.up {
			slices.Reverse(down)
			return down, nil
		}
		down = append(down, s)
		if s.seq == 1 {
			return a.learnFirst(ctx, c, t, down)
		}
		last = question{LastFor: of, UpTo: s.seq - 1}
	}
	return nil, nil
}

// learnFirst learns what lies ahead of the camera's first frame, where that was stored after t. Else it hands back the events.
func (a *Archive) learnFirst(ctx context.Context, c Camera, t time.Time, down []state) ([]state, error) {
	f, err := a.first(ctx, c, question{Seq: 1})
	switch {
	case errors.Is(err, ErrNone), errors.Is(err, ErrForeign), errors.Is(err, ErrNoSite):
		return nil, nil
	case err != nil:
		return nil, err
	case f.Stored.After(t):
		a.remember(c, quiet{after: place{f.Stream, f.Stored}})
		return nil, nil
	}
	slices.Reverse(down)
	return down, nil
}

// learnOne learns the quiet part between the events with which a camera went down, and the one with which it came back. In a cluster the
// word of the node that left a camera may come behind that of the node that took it; so where the camera went on, later events are tried.
func (a *Archive) learnOne(ctx context.Context, c Camera, down []state, up state) error {
	begin := up.stored.Add(-a.margin)
	if _, known := a.quietAt(c, question{UpToTime: &begin}); known {
		return nil
	}
	var tried time.Time
	tries := 0
	for _, s := range down {
		if up.stored.Sub(s.stored) < quietLeast*a.margin || tries == triesMost {
			return nil
		}
		if !tried.IsZero() && s.stored.Sub(tried) < a.margin {
			continue
		}
		tried, tries = s.stored, tries+1
		end := s.stored.Add(a.margin)
		before, err := a.last(ctx, c, question{UpToTime: &end})
		if err != nil {
			return err
		}
		if before.Stored.After(s.stored.Add(a.margin / 2)) {
			continue
		}
		after, err := a.first(ctx, c, question{Since: &begin})
		if err != nil {
			return err
		}
		if after.Stored.After(up.stored.Add(-a.margin/2)) && a.prompt(before) && a.prompt(after) {
			a.remember(c, quiet{place{before.Stream, before.Stored}, place{after.Stream, after.Stored}})
		}
		return nil
	}
	return nil
}

// prompt reports whether a frame was stored when it was captured: only then do times in the stream tell where a camera was quiet.
func (a *Archive) prompt(f *Frame) bool { return f.Stored.Sub(f.Captured).Abs() <= a.margin }

// remember adds a quiet part.
func (a *Archive) remember(c Camera, q quiet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.quiets[c]; !slices.Contains(known, q) {
		a.quiets[c] = append(known[max(0, len(known)-quietsMost+1):], q)
	}
}
