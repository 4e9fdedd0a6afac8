package archive

import (
	"context"
	"errors"
	"slices"

	"github.com/edge-video/edge-video/schema"
)

const (
	// groupFrames and groupBytes bound what a picture of video may build upon: twenty seconds at 30 fps.
	groupFrames = 600
	groupBytes  = 32 << 20
)

// Group is what has to be decoded for the picture of a frame: the frame alone, or a run of video from the last keyframe up to it.
// Errors are [ErrNoKeyframe].
func (a *Archive) Group(ctx context.Context, c Camera, f *Frame) ([]*Frame, error) {
	group, size := []*Frame{f}, len(f.Data)
	for first := f; !standsAlone(first); group = append(group, first) {
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

// previous is the camera's frame ahead of another.
func (a *Archive) previous(ctx context.Context, c Camera, f *Frame) (*Frame, error) {
	if f.Stream <= 1 {
		return nil, ErrNone
	}
	return a.last(ctx, c, question{UpTo: f.Stream - 1})
}

// standsAlone reports whether a frame's picture needs no other frame.
func standsAlone(f *Frame) bool { return f.Keyframe || f.ContentType == schema.ContentJPEG }
