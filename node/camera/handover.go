package camera

import (
	"context"
	"errors"
	"fmt"
)

// errReplaced says that a run was ended so that the next one can begin with another configuration.
var errReplaced = errors.New("the configuration has changed")

// attend waits for a session's end. When the configuration changes meanwhile, a successor takes over, and how that one ended is what is
// returned.
func (r *Reader) attend(ctx context.Context, s *session) (*session, error) {
	for {
		select {
		case err := <-s.ended:
			if !s.isUp() {
				r.alone = false // the last change showed nothing about the camera
			}
			return s, err
		case c := <-r.changes:
			r.adopt(c)
			next, err := r.relieve(ctx, s)
			if err != nil {
				return s, err
			}
			s = next
		}
	}
}

// relieve has a new session take over from the one that delivers, with its first picture; until then the old one goes on. A camera that
// does not serve both, which those that allow one connection do not, is read by the new one alone after the old one has ended: then the
// error wraps errReplaced.
func (r *Reader) relieve(ctx context.Context, old *session) (*session, error) {
	if r.alone && old.isUp() {
		old.retire()
		return nil, errReplaced
	}
	for r.turn(ctx) == nil {
		next := r.begin(ctx)
		select {
		case <-next.up:
			old.retire()
			return next, nil
		case <-old.ended: // it failed by itself, or the camera gave it up for the new one
			r.expect(next)
			return next, nil
		case c := <-r.changes:
			r.adopt(c)
			next.retire()
		case err := <-next.ended:
			old.retire()
			if next.isUp() { // and has taken over
				next.ended <- err
				return next, nil
			}
			r.alone = true
			return nil, fmt.Errorf("%w, and the camera was not read with it beside the old one: %w", errReplaced, next.describe(err))
		}
	}
	return old, nil // ctx has ended, and so will it
}
