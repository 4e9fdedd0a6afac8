package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// session is one run of FFmpeg: one epoch.
type session struct {
	reader *Reader
	epoch  int64
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
	stderr   string // the end of it
	news     string // the part that came after the last good picture, or shortly before it
}

// delivered is for how long pictures came.
func (s *session) delivered() time.Duration { return s.last.Sub(s.first) }

func (s *session) run(ctx context.Context) error {
	c := &s.reader.config
	args, stdin := Args(*c, s.reader.ffmpeg)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.damage.exact = c.Mode != ModeCopy && !parseSource(c.URL).paced
	proc, err := startProcess(s.reader.ffmpeg.Path, args, stdin, hidden(c), func(line string) (keep bool) {
		if strings.Contains(line, changedNotice) {
			cancel(errChanged)
		}
		return !s.damage.notice(line)
	})
	if err != nil {
		return err
	}
	s.reader.pid.Store(int64(proc.cmd.Process.Pid))
	defer s.reader.pid.Store(0)
	stopWith := context.AfterFunc(ctx, proc.stop)
	watchdog := time.AfterFunc(s.stallAfter()+startGrace, func() { cancel(stallCause(proc.stderr.since(time.Now().Add(-s.stallAfter())))) })
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

// startGrace is what FFmpeg may take beyond the stall timeout to show the first picture: it connects and looks at the stream first.
const startGrace = 10 * time.Second

// stallCause tells a camera that is silent from one that sends what FFmpeg cannot read. Told to end, FFmpeg complains of anything.
func stallCause(stderr string) error {
	if faultOf(nil, stderr) == FaultBadData {
		return errUnreadable
	}
	return errStalled
}

// stallAfter is the stall timeout, or three periods of a camera that is slower than that.
func (s *session) stallAfter() time.Duration {
	c := &s.reader.config
	d := c.StallTimeout
	if c.Mode == ModeJPEG {
		d = max(d, time.Duration(3/c.FPS*float64(time.Second)))
	}
	return d
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
		if stderr.sync(); errors.Is(context.Cause(ctx), errChanged) {
			// FFmpeg scales these to the size of those before. Its notice comes ahead of the first of them.
			s.reject(RejectChanged, errChanged.Error())
			continue
		}
		if p.data == nil {
			s.reject(RejectOverCap, fmt.Sprintf("%d bytes where max_frame allows %d", p.size, s.reader.config.MaxFrame))
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
		watchdog.Reset(s.stallAfter())
		s.accept(f)
	}
}

func (s *session) accept(f *schema.Frame) {
	s.last, s.refused = time.Now(), false
	if s.accepted++; s.accepted == 1 {
		s.first = s.last
		s.reader.faults = 0
		s.reader.out.State(State{State: schema.CameraUp, Epoch: s.epoch})
	}
	s.reader.out.Frame(f)
}

// frame makes a frame of a packet. It is nil without an error for video before the first keyframe.
func (s *session) frame(p packet) (*schema.Frame, error) {
	c := &s.reader.config
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
	mode := s.reader.config.Mode
	return mode == ModeKeyframes || mode == ModeCopy && (f.Keyframe || f.ContentType == schema.ContentJPEG)
}

func (s *session) reject(reason Rejection, detail string) {
	s.refused = true
	s.reader.out.Rejected(s.epoch, s.seq, reason, detail)
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
	if s.stderr == "" || errors.Is(err, errChanged) {
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
