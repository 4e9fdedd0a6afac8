package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/edge-video/edge-video/schema"
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
	proc, err := startProcess(s.ffmpeg.Path, args, stdin, hidden(c), func(line string) (keep bool) {
		if strings.Contains(line, changedNotice) {
			cancel(errChanged)
		}
		return !s.damage.notice(line)
	})
	if err != nil {
		return err
	}
	s.pid.Store(int64(proc.cmd.Process.Pid))
	defer s.pid.Store(0)
	stopWith := context.AfterFunc(ctx, proc.stop)
	watchdog := time.AfterFunc(s.stallAfter()+startGrace, func() {
		cancel(stallCause(proc.stderr.since(time.Now().Add(-c.StallTimeout))))
	})
	s.demux = newNUTDemuxer(proc.stdout, c.MaxFrame, s.foreign)
	err = s.read(ctx, proc.stderr, watchdog)
	watchdog.Stop()
	stopWith()
	if err != nil {
		proc.stop() // it goes on writing
	}
	exit := proc.wait()
	s.stderr, s.news = proc.stderr.String(), proc.stderr.since(s.last.Add(-pipeline))
	if cause := context.Cause(ctx); cause != nil {
		if s.refused && errors.Is(cause, errStalled) {
			return errUnreadable
		}
		return cause
	}
	if err != nil {
		return err
	}
	if exit != nil && (s.seq == 0 || proc.cmd.ProcessState.ExitCode() < 0) { // nothing came of it, or a signal ended it
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

// read takes pictures until FFmpeg's output ends. Every picture moves the watchdog on that is good, or too large but alive.
func (s *session) read(ctx context.Context, stderr *tail, watchdog *time.Timer) error {
	for {
		p, err := s.demux.next()
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				s.seq++
				s.reject(RejectTorn, "FFmpeg ended inside a picture")
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return fmt.Errorf("reading from ffmpeg: %w", err)
		}
		s.seq++
		s.clock.arrived()
		if stderr.sync(); errors.Is(context.Cause(ctx), errChanged) {
			// FFmpeg scales these to the size of those before. Its notice comes ahead of the first of them.
			s.reject(RejectChanged, errChanged.Error())
			continue
		}
		if p.data == nil {
			s.reject(RejectOverCap, fmt.Sprintf("%d bytes where max_frame allows %d", p.size, s.config.MaxFrame))
			watchdog.Reset(s.stallAfter())
			continue
		}
		f, err := s.frame(p)
		if errors.Is(err, errCodec) {
			return err
		}
		if err != nil {
			s.reject(RejectTorn, err.Error())
			s.demux.reread(p)
			continue
		}
		if f == nil {
			s.reject(RejectBeforeKeyframe, "no keyframe yet")
			continue
		}
		if s.damage.shows(ticks(p.pts, &s.demux.stream, uint64(time.Second/time.Microsecond)), s.isKey(f)) {
			s.reject(RejectCorrupt, "damaged, or predicted from a damaged picture")
			continue
		}
		s.accept(f)
		watchdog.Reset(s.stallAfter())
	}
}

func (s *session) accept(f *schema.Frame) {
	now := time.Now()
	s.refused = false
	if s.accepted++; s.accepted == 1 {
		s.first = now
		s.reader.hold(s)
		s.pass(func(out Output) {
			out.State(State{State: schema.CameraUp, Breaker: schema.BreakerClosed, Epoch: s.epoch})
		})
		close(s.up)
	} else {
		s.rhythm.add(s.gap(f, now))
	}
	s.last, s.lastPTS = now, f.PTS
	if s.delivers() {
		s.reader.looks.see(f, s.config.Mode, now)
	}
	s.pass(func(out Output) { out.Frame(f) })
}

// frame makes a frame of a packet. It is nil without an error for video before the first keyframe.
func (s *session) frame(p packet) (*schema.Frame, error) {
	c := &s.config
	f := &schema.Frame{Site: c.Site, Camera: c.ID, Node: c.Node, Epoch: s.epoch, Seq: s.seq, Data: p.data}
	video := &s.demux.stream
	var err error
	if isMJPEG(video.fourcc) {
		f.ContentType = schema.ContentJPEG
		f.Width, f.Height, err = jpegSize(p.data)
	} else {
		f, err = s.videoFrame(f, p)
	}
	if f == nil || err != nil {
		return nil, err
	}
	if f.Width*f.Height > maxPixels {
		return nil, fmt.Errorf("%w: it claims to be %dx%d", errTorn, f.Width, f.Height)
	}
	s.clock.stamp(f, c, p.pts, video)
	return f, nil
}

func (s *session) videoFrame(f *schema.Frame, p packet) (*schema.Frame, error) {
	codec := codecOf(s.demux.stream.fourcc)
	if codec == nil {
		return nil, fmt.Errorf("%w; the camera sends %q", errCodec, s.demux.stream.fourcc)
	}
	var err error
	if s.units == nil {
		if s.units, err = newAccessUnits(codec, s.demux.stream.extradata); err != nil {
			return nil, err
		}
	}
	f.ContentType = codec.contentType
	if f.Data, f.Keyframe, err = s.units.convert(p.data, p.keyframe); err != nil {
		return nil, err
	}
	s.keyed = s.keyed || f.Keyframe && s.units.ready()
	if !s.keyed {
		return nil, nil
	}
	f.Width, f.Height = s.units.width, s.units.height
	return f, nil
}

// isKey reports whether a picture is known to need no other. In mode jpeg FFmpeg says it by [keyframeNotice].
func (s *session) isKey(f *schema.Frame) bool {
	mode := s.config.Mode
	return mode == ModeKeyframes || mode == ModeCopy && (f.Keyframe || f.ContentType == schema.ContentJPEG)
}

func (s *session) reject(reason Rejection, detail string) {
	s.refused = true
	s.pass(func(out Output) { out.Rejected(s.epoch, s.seq, reason, detail) })
}

func (s *session) foreign(n int) { s.reject(RejectForeign, fmt.Sprintf("%d foreign bytes", n)) }

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

// hidden is what FFmpeg's messages must not show: the user part of the URL, and the password by itself.
func hidden(c *Config) []string {
	if c.Username == "" {
		return nil
	}
	user := url.UserPassword(c.Username, c.Password).String()
	if c.Password == "" {
		return []string{user + "@"}
	}
	_, encoded, _ := strings.Cut(user, ":")
	return []string{user + "@", c.Password, encoded}
}
