package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

var (
	// ErrNone says that there is no such frame.
	ErrNone = errors.New("no such frame is stored")
	// ErrGone says that there is no such frame any more: it has aged out. It is an [ErrNone].
	ErrGone = fmt.Errorf("%w any more", ErrNone)
	// ErrFuture says that a moment has not come yet.
	ErrFuture = errors.New("the moment is in the future")
	// ErrForeign says that what is stored there did not come from edge-video.
	ErrForeign = errors.New("what is stored there is no frame")
	// ErrNoSite says that nothing of a site is stored here.
	ErrNoSite = errors.New("no frames of that site are stored here")
	// ErrNoKeyframe says that the picture of a frame of video cannot be had: what it builds upon is gone, or too far back.
	ErrNoKeyframe = errors.New("no keyframe leads to that frame")
)

// Camera names a camera.
type Camera struct{ Site, ID string }

func (c Camera) String() string { return c.Site + "." + c.ID }

// Frame is a frame with its place in the stream.
type Frame struct {
	*schema.Frame
	Stream uint64    // its sequence there
	Stored time.Time // by the clock of the server that did
}

// Bare is frames without their places.
func Bare(frames []*Frame) []*schema.Frame {
	all := make([]*schema.Frame, len(frames))
	for i, f := range frames {
		all[i] = f.Frame
	}
	return all
}

// Archive reads the frames that a server holds. It may be used by many at once.
type Archive struct {
	js   jetstream.JetStream
	site string

	mu     sync.Mutex
	marks  map[Camera]mark    // of cameras that frames are stored of
	quiets map[Camera][]quiet // the one learned last comes last

	margin time.Duration // see learn
}

// New reads through js, at a node of the given site.
func New(js jetstream.JetStream, site string) *Archive {
	return &Archive{js: js, site: site, marks: map[Camera]mark{}, quiets: map[Camera][]quiet{}, margin: margin}
}

// streamOf is what one of a site's streams, named as it is there, is called here.
func (a *Archive) streamOf(stream, site string) string {
	if site == a.site {
		return stream
	}
	return schema.MirrorStream(stream, site)
}

// Newest is the camera's newest frame.
func (a *Archive) Newest(ctx context.Context, c Camera) (*Frame, error) {
	f, err := a.last(ctx, c, question{})
	return f, about(err, c, "its newest frame")
}

// Frame is the camera's frame with a sequence in the stream. Where that is another camera's it is an [ErrNone].
func (a *Archive) Frame(ctx context.Context, c Camera, seq uint64) (*Frame, error) {
	f, err := a.frame(ctx, c, seq)
	return f, about(err, c, fmt.Sprintf("message %d", seq))
}

func (a *Archive) frame(ctx context.Context, c Camera, seq uint64) (*Frame, error) {
	if seq == 0 {
		return nil, ErrNone
	}
	f, err := a.ask(ctx, c, question{Seq: seq})
	if errors.Is(err, ErrNone) {
		return nil, a.absent(ctx, c, seq)
	}
	return f, err
}

// absent says why a sequence is none of the camera's: it has aged out, or else has never been.
func (a *Archive) absent(ctx context.Context, c Camera, seq uint64) error {
	s, err := a.js.Stream(ctx, a.streamOf(schema.StreamFrames, c.Site))
	if err != nil {
		return err
	}
	if seq < s.CachedInfo().State.FirstSeq {
		return ErrGone
	}
	return ErrNone
}

// Held is the camera's oldest and newest frame.
func (a *Archive) Held(ctx context.Context, c Camera) (first, last *Frame, err error) {
	if first, err = a.next(ctx, c, 1); err == nil {
		last, err = a.last(ctx, c, question{})
	}
	return first, last, about(err, c, "its oldest and newest frame")
}

// about says what an error was met with.
func about(err error, c Camera, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("reading camera %s, %s: %w", c, what, err)
}
