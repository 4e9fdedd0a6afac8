package camera

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// session is one run of FFmpeg: one epoch. Its goroutine owns what stands below pid until it has ended.
type session struct {
	reader *Reader
	config Config
	ffmpeg FFmpeg
	epoch  int64
	began  time.Time
	cancel context.CancelFunc
	up     chan struct{} // closed at the first picture
	ended  chan error    // how it ended, once
	pid    atomic.Int64  // 0 while no FFmpeg runs

	demux  *nutDemuxer
	units  *accessUnits
	clock  clock
	damage damage

	seq      uint64
	accepted uint64
	keyed    bool // a keyframe has been seen
	refused  bool // since the last good picture
	first    time.Time
	last     time.Time
	lastPTS  int64
	rhythm   rhythm
	stderr   string // the end of it
	news     string // the part that came after the last good picture, or shortly before it
}

func newSession(r *Reader, c Config, epoch int64) *session {
	return &session{reader: r, config: c, ffmpeg: r.ffmpeg, epoch: epoch, began: time.Now(), rhythm: r.rhythm, up: make(chan struct{}), ended: make(chan error, 1)}
}

// start runs the session beside the caller, who waits for ended.
func (s *session) start(ctx context.Context) {
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer s.cancel()
		s.ended <- s.run(ctx)
	}()
}

// retire ends the session and waits until it has. What it still reports is passed on only if nobody has taken over.
func (s *session) retire() {
	s.cancel()
	<-s.ended
}

// isUp reports whether a picture has come.
func (s *session) isUp() bool {
	select {
	case <-s.up:
		return true
	default:
		return false
	}
}

// delivers reports whether this is the session whose reports are passed on.
func (s *session) delivers() (yes bool) {
	s.pass(func(Output) { yes = true })
	return yes
}

// pass reports to the reader's output, if this is the session that delivers.
func (s *session) pass(report func(Output)) {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	if s.reader.holder == s {
		report(s.reader.out)
	}
}

// delivered is for how long pictures came.
func (s *session) delivered() time.Duration { return s.last.Sub(s.first) }

func (s *session) run(ctx context.Context) error {
	c := &s.config
	args, stdin := Args(*c, s.ffmpeg)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.damage.exact = c.Mode != ModeCopy && !parseSource(c.URL).paced
	proc, err := s.ffmpeg.start(args, stdin, hidden(c), func(line string) (keep bool) {
		if strings.Contains(line, changedNotice) {
			cancel(errChanged)
		}
		return !s.damage.notice(line)
	})
	if err != nil {
		return err
	}
	s.pid.Store(int64(proc.PID()))
	defer s.pid.Store(0)
	stopWith := context.AfterFunc(ctx, proc.Stop)
	watchdog := time.AfterFunc(s.stallAfter()+startGrace, func() {
		cancel(stallCause(proc.Stderr.Since(time.Now().Add(-c.StallTimeout))))
	})
	s.demux = newNUTDemuxer(proc.Stdout, c.MaxFrame, s.foreign)
	err = s.read(ctx, proc.Stderr, watchdog)
	watchdog.Stop()
	stopWith()
	if err != nil {
		proc.Stop() // it goes on writing
	}
	exit := proc.Wait()
	s.stderr, s.news = proc.Stderr.String(), proc.Stderr.Since(s.last.Add(-pipeline))
	if cause := context.Cause(ctx); cause != nil {
		if s.refused && errors.Is(cause, errStalled) {
			return errUnreadable
		}
		return cause
	}
	if err != nil {
		return err
	}
	if exit != nil && (s.seq == 0 || proc.Signalled()) { // nothing came of it, or a signal ended it
		return fmt.Errorf("ffmpeg: %w", exit)
	}
	return nil
}

// stallCause tells a camera that is silent from one that sends what FFmpeg cannot read. Told to end, FFmpeg complains of anything.
func stallCause(stderr string) error {
	if faultOf(nil, stderr) == FaultBadData {
		return errUnreadable
	}
	return errStalled
}

// describe is the end of a run for people: the cause and FFmpeg's own last words.
func (s *session) describe(err error) error {
	switch {
	case errors.Is(err, errStalled), errors.Is(err, errUnreadable):
		err = fmt.Errorf("%w for %s", err, s.stallAfter())
	case err == nil:
		err = errors.New("the camera ended the stream")
	}
	if s.stderr == "" || errors.Is(err, errChanged) || errors.Is(err, errReplaced) {
		return err
	}
	return fmt.Errorf("%w: %s", err, s.stderr)
}
