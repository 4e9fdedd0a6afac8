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

// Newest is the picture of a camera's newest frame that stands alone, which the caller has just found, and which frame it shows. For video
// that may be the one that was the newest within the last second, while the picture of f is being made. Errors are those of
// [Renderer.Still].
func (r *Renderer) Newest(ctx context.Context, f *archive.Frame, width int) (*archive.Frame, []byte, error) {
	width, err := widthOf(f.Frame, width)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	if f.ContentType != schema.ContentJPEG {
		if shown, jpeg := r.ready(f, width, now); jpeg != nil {
			return shown, jpeg, nil
		}
	}
	jpeg, err := r.Still(ctx, []*schema.Frame{f.Frame}, width)
	if err != nil {
		return nil, nil, err
	}
	if f.ContentType != schema.ContentJPEG {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.sight(f, width, now)
	}
	return f, jpeg, nil
}

// ready is the picture of a keyframe, or the one to be shown while a decoder makes that. It is nil where there is neither.
func (r *Renderer) ready(f *archive.Frame, width int, now time.Time) (*archive.Frame, []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := stillKey{f.ID(), width}
	if jpeg := r.kept.get(key); jpeg != nil {
		r.sight(f, width, now)
		return f, jpeg
	}
	last, ok := r.newest[view{nameOf(f.Frame), width}]
	if !ok || now.Sub(last.at) > newestLag {
		return nil, nil
	}
	jpeg := r.kept.get(stillKey{last.frame.ID(), width})
	if jpeg == nil || !r.begin(key, f.Frame) {
		return nil, nil
	}
	return last.frame, jpeg
}

// sight remembers that a frame was a camera's newest at a time. The lock is held.
func (r *Renderer) sight(f *archive.Frame, width int, at time.Time) {
	v := view{nameOf(f.Frame), width}
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
