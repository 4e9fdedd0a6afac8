package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/edge-video/edge-video/node/process"
	"github.com/edge-video/edge-video/schema"
)

const (
	// livesAtOnce is how many cameras' video is decoded as it comes.
	livesAtOnce = 4

	// What waits for a decoder is bounded in bytes, and in how long it waits. Where a decoder cannot keep up all of it is let go, and the next
	// keyframe goes on.
	liveBytes = 32 << 20
	liveWait  = 3 * time.Second

	// liveQuality is on FFmpeg's scale.
	liveQuality = "4"
)

// errHung says that a decoder shows nothing of what it is given.
var errHung = errors.New("ffmpeg shows no picture of what it is given")

// Live decodes a camera's copied video as it comes, in one FFmpeg. That is begun at a keyframe, and begun anew where the video is another:
// of another epoch, codec or size, or wanted in another width.
type Live struct {
	renderer *Renderer

	mu     sync.Mutex
	queue  []unit
	bytes  int           // of the queue
	gap    bool          // the next in the queue is to be a keyframe
	silent bool          // no picture has come since the queue was full
	hang   func()        // ends the decoder
	more   chan struct{} // has a token when the queue has grown
}

// unit is a frame on its way to the decoder.
type unit struct {
	frame *schema.Frame
	width int
	show  func(*schema.Frame)
	since time.Time
}

// Live makes a decoder for one camera, whose Run has to be called. The error is [ErrBusy] where as many as there may be are at work.
func (r *Renderer) Live() (*Live, error) {
	select {
	case r.lives <- struct{}{}:
		return &Live{renderer: r, gap: true, more: make(chan struct{}, 1)}, nil
	default:
		return nil, ErrBusy
	}
}

// Feed gives the decoder the camera's next frame, and returns at once. show gets its picture, in JPEG and no wider than width where that is
// not 0, before that of any frame that is shown later; it is not called where there is none. Another width holds from the next keyframe on.
func (l *Live) Feed(f *schema.Frame, width int, show func(picture *schema.Frame)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 && (l.bytes+len(f.Data) > liveBytes || time.Since(l.queue[0].since) > liveWait) {
		l.queue, l.bytes, l.gap = nil, 0, true
		if l.silent && l.hang != nil {
			l.hang()
		}
		l.silent = true
	}
	if l.gap && !f.Keyframe {
		return
	}
	l.gap = false
	if width > 0 {
		width = max(width, narrowest)
	}
	if width >= f.Width {
		width = 0
	}
	l.queue, l.bytes = append(l.queue, unit{f, width, show, time.Now()}), l.bytes+len(f.Data)
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// Run decodes until ctx ends, or FFmpeg fails.
func (l *Live) Run(ctx context.Context) error {
	defer func() { <-l.renderer.lives }()
	for ctx.Err() == nil {
		first, ok := l.take(ctx.Done(), func(unit) bool { return true })
		if !ok || !first.frame.Keyframe {
			continue
		}
		if err := l.decode(ctx, first); err != nil && ctx.Err() == nil {
			return fmt.Errorf("decoding camera %s as it comes: %w", first.frame.Camera, err)
		}
	}
	return nil
}

// take waits for the queue's next, and takes it where it is wanted. It reports false where that is not, or when it is over.
func (l *Live) take(over <-chan struct{}, wanted func(unit) bool) (unit, bool) {
	for {
		l.mu.Lock()
		if len(l.queue) > 0 {
			u := l.queue[0]
			ok := wanted(u)
			if ok {
				l.queue, l.bytes = l.queue[1:], l.bytes-len(u.frame.Data)
			}
			l.mu.Unlock()
			return u, ok
		}
		l.mu.Unlock()
		select {
		case <-over:
			return unit{}, false
		case <-l.more:
		}
	}
}

// decode runs one FFmpeg, from a keyframe on to where the video is another.
func (l *Live) decode(ctx context.Context, first unit) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run := &liveRun{live: l, first: first, film: newFilm(first.frame), over: ctx.Done()}
	run.add(first)
	p, err := process.Start(process.Config{Path: l.renderer.ffmpeg, Args: pictureArgs(scaleTo(first.width), liveQuality), Stdin: run})
	if err != nil {
		return err
	}
	stopWith := context.AfterFunc(ctx, p.Stop)
	l.setHang(func() { cancel(errHung) })
	err = eachPicture(p.Stdout, run.show)
	l.setHang(nil)
	stopWith()
	if err != nil {
		p.Stop()
	}
	cause := context.Cause(ctx)
	cancel(nil) // FFmpeg reads no more
	exit := p.Wait()
	switch {
	case cause != nil:
		return cause
	case err != nil:
		return err
	case exit != nil:
		return fmt.Errorf("ffmpeg: %w: %s", exit, p.Stderr)
	case !run.ended():
		return fmt.Errorf("ffmpeg ended by itself: %s", p.Stderr)
	}
	return nil
}

func (l *Live) setHang(hang func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hang, l.silent = hang, false
}

func (l *Live) heard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = false
}

// liveRun is what goes into one FFmpeg, and what is yet to come out.
type liveRun struct {
	live  *Live
	first unit
	over  <-chan struct{}
	film  *film // used by whoever reads

	mu      sync.Mutex
	done    bool      // the video that follows is another
	waiting []waiting // in the order in which they went in
}

// waiting is a frame whose picture is yet to come.
type waiting struct {
	time  int64        // in the film
	frame schema.Frame // without its data
	show  func(*schema.Frame)
}

// waitingMost bounds the frames of which no picture comes; that of a few is late where they do not come in the order in which they are shown.
const waitingMost = 1000

// Read implements [io.Reader]. It waits for frames.
func (r *liveRun) Read(b []byte) (int, error) {
	for r.film.buf.Len() == 0 {
		u, ok := r.live.take(r.over, r.belongs)
		if !ok {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.done = true
			return 0, io.EOF
		}
		r.add(u)
	}
	return r.film.buf.Read(b)
}

func (r *liveRun) belongs(u unit) bool {
	f, first := u.frame, r.first.frame
	return f.Epoch == first.Epoch && f.ContentType == first.ContentType && f.Width == first.Width && f.Height == first.Height &&
		(!f.Keyframe || u.width == r.first.width)
}

func (r *liveRun) add(u unit) {
	r.film.add(u.frame)
	w := waiting{r.film.last, *u.frame, u.show}
	w.frame.Data = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting = append(r.waiting, w); len(r.waiting) > waitingMost {
		r.waiting = slices.Delete(r.waiting, 0, waitingMost/2)
	}
}

func (r *liveRun) ended() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// show gives a picture to whoever fed its frame, which its time tells.
func (r *liveRun) show(time int64, data []byte) {
	r.live.heard()
	r.mu.Lock()
	i := slices.IndexFunc(r.waiting, func(w waiting) bool { return w.time == time })
	if i < 0 {
		r.mu.Unlock()
		return
	}
	w := r.waiting[i]
	r.waiting = slices.DeleteFunc(r.waiting, func(w waiting) bool { return w.time <= time })
	r.mu.Unlock()
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return // FFmpeg has not written it
	}
	w.frame.ContentType, w.frame.Data, w.frame.Width, w.frame.Height = schema.ContentJPEG, data, c.Width, c.Height
	w.show(&w.frame)
}
