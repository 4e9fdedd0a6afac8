package render

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/edge-video/edge-video/schema"
)

const (
	// standbyMost bounds the decoders that stand by. Each takes some 70 MB at 720p.
	standbyMost = 8
	// standbyLinger is how long one stands by when nobody asks it for anything.
	standbyLinger = 10 * time.Second
	// standbyQueue is how many keyframes wait for one. Those beyond are made by an FFmpeg of their own.
	standbyQueue = 64
	// standbyWait bounds what one picture may take, the start of FFmpeg included, and standbyGrace what it may take once FFmpeg has
	// complained, which mostly means that there is none.
	standbyWait  = 5 * time.Second
	standbyGrace = time.Second
	// After a decoder has failed at a camera's keyframe none sees to that camera's for standbyPause, doubled each time up to standbyPauseMost.
	standbyPause, standbyPauseMost = 5 * time.Second, 5 * time.Minute
)

// standby is decoders of keyframes that stand by, one for each kind, for as long as they are asked.
type standby struct {
	ffmpeg string
	log    *slog.Logger
	gate   *gate // of pictures that are made at once

	mu      sync.Mutex
	ctx     context.Context // nil while none may begin
	running sync.WaitGroup
	workers map[kind]*worker
	lapses  map[string]lapse // by camera
}

func newStandby(ffmpeg string, gate *gate, log *slog.Logger) *standby {
	return &standby{ffmpeg: ffmpeg, gate: gate, log: log, workers: map[kind]*worker{}, lapses: map[string]lapse{}}
}

// kind is what one FFmpeg can show without being begun anew, of any number of cameras.
type kind struct {
	contentType          string
	width, height, small int
}

// lapse is that a decoder has failed at a camera's keyframe.
type lapse struct {
	until time.Time // no decoder sees to that camera until then
	pause time.Duration
}

// task is a keyframe that is to be shown, no wider than width where that is not 0.
type task struct {
	frame *schema.Frame
	width int
	done  func(jpeg []byte, err error) // called once
}

// worker is the decoder of a kind.
type worker struct {
	kind  kind
	tasks chan task
}

// errNotNow says that a decoder has failed, or is ended.
var errNotNow = errors.New("no decoder is at work")

// run lets decoders begin until ctx ends, and returns when they have ended.
func (s *standby) run(ctx context.Context) {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.ctx = working
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.ctx = nil // none begins when those at work are told to end
	s.mu.Unlock()
	stop()
	s.running.Wait()
}

// take has a decoder see to a task. It reports false where there is none for it.
func (s *standby) take(t task) bool {
	if t.frame.ContentType == schema.ContentJPEG || !t.frame.Keyframe {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || time.Now().Before(s.lapses[t.frame.CameraName()].until) {
		return false
	}
	w := s.worker(kind{t.frame.ContentType, t.frame.Width, t.frame.Height, t.width})
	if w == nil {
		return false
	}
	select {
	case w.tasks <- t:
		return true
	default:
		return false
	}
}

// worker finds the decoder of a kind, or begins one where there may be one more. The lock is held.
func (s *standby) worker(k kind) *worker {
	w := s.workers[k]
	if w == nil && len(s.workers) < standbyMost {
		w = &worker{kind: k, tasks: make(chan task, standbyQueue)}
		s.workers[k] = w
		ctx := s.ctx
		s.running.Go(func() { s.work(ctx, w) })
	}
	return w
}

// work sees to a decoder's tasks until nobody has any for a while, or ctx ends.
func (s *standby) work(ctx context.Context, w *worker) {
	var decoder *keyframes
	defer func() {
		if decoder != nil {
			_ = decoder.end() // nobody waits for it
		}
	}()
	idle := time.NewTimer(standbyLinger)
	defer idle.Stop()
	for {
		select {
		case t := <-w.tasks:
			jpeg, err := s.show(ctx, &decoder, t)
			t.done(jpeg, err)
			if decoder == nil {
				w.drop() // they need not wait for another failure
			}
			idle.Reset(standbyLinger)
		case <-idle.C:
			if s.retire(w) {
				return
			}
			idle.Reset(standbyLinger)
		case <-ctx.Done():
			w.drop() // there come no more
			return
		}
	}
}

// drop gives up the tasks that wait.
func (w *worker) drop() {
	for {
		select {
		case t := <-w.tasks:
			t.done(nil, errNotNow)
		default:
			return
		}
	}
}

// retire forgets a decoder that has nothing to do.
func (s *standby) retire(w *worker) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(w.tasks) > 0 {
		return false
	}
	delete(s.workers, w.kind)
	return true
}

// show makes one picture. Where there is no decoder it starts one, and one that fails it ends.
func (s *standby) show(ctx context.Context, decoder **keyframes, t task) ([]byte, error) {
	leave, err := s.gate.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	d := *decoder
	if d == nil {
		if d, err = startKeyframes(s.ffmpeg, t.frame, t.width); err != nil {
			s.note(t.frame, err)
			return nil, err
		}
		*decoder = d
	}
	stopWith := context.AfterFunc(ctx, d.process.Stop)
	jpeg, err := d.picture(t.frame)
	stopWith()
	if err != nil {
		*decoder = nil
		err = errors.Join(err, d.end())
	}
	if ctx.Err() == nil {
		s.note(t.frame, err)
	}
	return jpeg, err
}

// note remembers what came of a camera's keyframe.
func (s *standby) note(f *schema.Frame, err error) {
	pause := s.lapse(f.CameraName(), err != nil)
	if err != nil {
		s.log.Debug("a decoder has failed at a keyframe; the camera's pictures are made one by one for a while", "camera", f.CameraName(),
			"pause", pause, "err", err)
	}
}

// lapse is for how long no decoder sees to a camera.
func (s *standby) lapse(camera string, failed bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !failed {
		delete(s.lapses, camera)
		return 0
	}
	now := time.Now()
	maps.DeleteFunc(s.lapses, func(_ string, l lapse) bool { return now.Sub(l.until) > standbyPauseMost })
	pause := min(max(standbyPause, 2*s.lapses[camera].pause), standbyPauseMost)
	s.lapses[camera] = lapse{now.Add(pause), pause}
	return pause
}
