package render

import (
	"context"
	"maps"
	"time"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/schema"
)

// newestLag bounds for how long [Renderer.Newest] may show what has ceased to be a camera's newest.
const newestLag = time.Second

// view is a camera in a width.
type view struct {
	camera string
	width  int
}

// sighting is the frame that was a camera's newest when somebody last looked.
type sighting struct {
	frame *archive.Frame // without its data
	at    time.Time
}

// Latest is a picture of a camera's newest frame, or of the one before.
type Latest struct {
	Frame *archive.Frame // whose picture it is; its data may be missing
	JPEG  []byte         // not to be changed
	Debt  time.Duration  // what the picture of the newest frame, which is being made, is expected to take; 0 where it is this one
}

// Newest is the picture of a camera's newest frame that stands alone, which the caller has just found. For video that may be of the one that
// was the newest within the last second, while the picture of f is being made. Errors are those of [Renderer.Still].
func (r *Renderer) Newest(ctx context.Context, f *archive.Frame, width int) (*Latest, error) {
	width, err := widthOf(f.Frame, width)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if f.ContentType != schema.ContentJPEG {
		if l := r.ready(f, width, now); l != nil {
			return l, nil
		}
	}
	jpeg, err := r.Still(ctx, []*schema.Frame{f.Frame}, width)
	if err != nil {
		return nil, err
	}
	if f.ContentType != schema.ContentJPEG {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sight(f, width, now)
	}
	return &Latest{Frame: f, JPEG: jpeg}, nil
}

// ready is the picture of a keyframe, or the one to be shown while a decoder makes that. It is nil where there is neither.
func (r *Renderer) ready(f *archive.Frame, width int, now time.Time) *Latest {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := stillKey{f.ID(), width}
	if jpeg := r.kept.get(key); jpeg != nil {
		r.sight(f, width, now)
		return &Latest{Frame: f, JPEG: jpeg}
	}
	last, ok := r.newest[view{f.Frame.CameraName(), width}]
	if !ok || now.Sub(last.at) > newestLag {
		return nil
	}
	jpeg := r.kept.get(stillKey{last.frame.ID(), width})
	if jpeg == nil || !r.begin(key, f.Frame) {
		return nil
	}
	return &Latest{Frame: last.frame, JPEG: jpeg, Debt: r.usual}
}

// sight remembers that a frame was a camera's newest at a time. The lock is held.
func (r *Renderer) sight(f *archive.Frame, width int, at time.Time) {
	v := view{f.Frame.CameraName(), width}
	last, known := r.newest[v]
	if known && last.at.After(at) {
		return
	}
	if !known {
		maps.DeleteFunc(r.newest, func(_ view, s sighting) bool { return at.Sub(s.at) > newestLag })
	}
	head := *f.Frame
	head.Data = nil
	r.newest[v] = sighting{&archive.Frame{Frame: &head, Stream: f.Stream, Stored: f.Stored}, at}
}
