package render

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// stillKey names a picture.
type stillKey struct {
	frame string // identity
	width int
}

// flight is a picture that is being made.
type flight struct {
	done chan struct{} // closed when what follows is set
	jpeg []byte
	err  error
	gone bool // whoever made it did not wait for it
}

// Still is the picture of the last of the frames as JPEG, no wider than width where that is not 0. The frames are that one alone, or for
// copied video all from its keyframe on. The caller does not change it. Errors are [ErrBusy], [ErrNoPicture] and [ErrWidth].
func (r *Renderer) Still(ctx context.Context, frames []*schema.Frame, width int) ([]byte, error) {
	if len(frames) == 0 {
		return nil, fmt.Errorf("%w: there are none", ErrNoPicture)
	}
	f := frames[len(frames)-1]
	width, err := widthOf(f, width)
	if err != nil {
		return nil, err
	}
	if f.ContentType == schema.ContentJPEG && width == 0 {
		return f.Data, nil
	}
	key := stillKey{f.ID(), width}
	for standby := len(frames) == 1; ; standby = false {
		jpeg, mine, other := r.claim(key, f, standby)
		switch {
		case jpeg != nil:
			return jpeg, nil
		case mine != nil:
			mine.jpeg, mine.err = r.make(ctx, frames, width)
			mine.gone = ctx.Err() != nil
			r.land(key, mine)
			return mine.jpeg, mine.err
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if other.err == nil || !other.gone {
			return other.jpeg, other.err
		}
	}
}

// widthOf is the width to make a picture of f in, 0 for its own.
func widthOf(f *schema.Frame, width int) (int, error) {
	switch {
	case width != 0 && (width < narrowest || width > widest):
		return 0, fmt.Errorf("%w, not %d", ErrWidth, width)
	case width >= f.Width:
		return 0, nil
	}
	return width, nil
}

// claim finds a picture that is kept, or being made; else it is the caller's to make, unless a decoder that stands by may and does take it.
func (r *Renderer) claim(key stillKey, f *schema.Frame, standby bool) (jpeg []byte, mine, other *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if jpeg = r.kept.get(key); jpeg != nil {
		return jpeg, nil, nil
	}
	if other = r.flights[key]; other != nil {
		return nil, nil, other
	}
	if standby && r.begin(key, f) {
		return nil, nil, r.flights[key]
	}
	mine = &flight{done: make(chan struct{})}
	r.flights[key] = mine
	return nil, mine, nil
}

// begin has a decoder that stands by make a picture, unless somebody makes it already. It reports false where there is none for it. The
// lock is held.
func (r *Renderer) begin(key stillKey, f *schema.Frame) bool {
	if r.flights[key] != nil {
		return true
	}
	made, began := &flight{done: make(chan struct{})}, time.Now()
	taken := r.standby.take(task{f, key.width, func(jpeg []byte, err error) {
		made.jpeg, made.err, made.gone = jpeg, err, err != nil
		r.note(time.Since(began))
		r.land(key, made)
	}})
	if taken {
		r.flights[key] = made
	}
	return taken
}

// note remembers what a decoder that stands by took for a picture.
func (r *Renderer) note(took time.Duration) {
	const weight = 8
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.usual == 0 {
		r.usual = took
	}
	r.usual += (took - r.usual) / weight
}

// land makes known what has come of a flight.
func (r *Renderer) land(key stillKey, f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flights, key)
	if f.err == nil {
		r.kept.put(key, f.jpeg)
	}
	close(f.done)
}

func (r *Renderer) make(ctx context.Context, frames []*schema.Frame, width int) ([]byte, error) {
	leave, err := r.stills.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if f := frames[len(frames)-1]; f.ContentType == schema.ContentJPEG {
		return shrink(f.Data, width)
	}
	ctx, cancel := context.WithTimeout(ctx, stillTimeout)
	defer cancel()
	return r.decode(ctx, frames, width)
}

// decode has FFmpeg decode video and show the last of the frames, which need not be the last that it shows.
func (r *Renderer) decode(ctx context.Context, frames []*schema.Frame, width int) ([]byte, error) {
	film := newFilm(frames[0])
	for _, f := range frames {
		film.add(f)
	}
	filter := "select=gte(pts\\," + strconv.FormatInt(film.last, 10) + ")"
	if width > 0 {
		filter += "," + scaleTo(width)
	}
	var out bytes.Buffer
	err := r.run(ctx, []string{"-threads", "1", "-max_pixels", strconv.Itoa(maxPixels), "-fpsprobesize", "0", "-f", "matroska", "-i", "pipe:0",
		"-vf", filter, "-frames:v", "1",
		"-c:v", "mjpeg", "-threads", "1", "-q:v", keyframeQuality, "-pix_fmt", "yuvj420p", "-f", "image2pipe", "pipe:1"}, &film.buf, &out)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNoPicture, err)
	case out.Len() == 0:
		return nil, fmt.Errorf("%w: FFmpeg shows none", ErrNoPicture)
	}
	return out.Bytes(), nil
}
