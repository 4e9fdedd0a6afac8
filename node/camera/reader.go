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

// Output takes what a [Reader] captures. The reader calls it from one goroutine, in order; no call may block.
type Output interface {
	// Frame takes a picture over, and its Data with it.
	Frame(f *schema.Frame)
	// Rejected reports a picture that used up a number and is not stored, or foreign bytes, whose seq is that of the last picture.
	Rejected(epoch int64, seq uint64, reason Rejection, detail string)
	// State reports a change.
	State(s State)
}

// Rejection is why a picture is not stored, as a label.
type Rejection string

// Rejections.
const (
	RejectTorn           Rejection = "torn"            // incomplete, or with bytes in it that are not its own
	RejectForeign        Rejection = "foreign"         // bytes between pictures that are no picture
	RejectBeforeKeyframe Rejection = "before_keyframe" // video that cannot be decoded, since it begins in mid-sequence
	RejectOverCap        Rejection = "over_cap"        // larger than the largest frame allowed
	RejectChanged        Rejection = "changed"         // scaled to a size that the camera has just left
)

// State is where a reader stands.
type State struct {
	State  schema.CameraState
	Epoch  int64
	Fault  Fault         // what ended the last run; set with stalled and backoff
	Err    error         // the same for people; it holds no secret
	Pause  time.Duration // with backoff: until the next start
	Faults int           // runs that ended in a fault since the last picture
}

// Reader captures one camera.
type Reader struct {
	config Config
	ffmpeg FFmpeg
	out    Output
	// turn waits for this camera's turn to start an FFmpeg, so that a fleet does not start all at once.
	turn func(context.Context) error

	lastEpoch int64
	backoff   backoff
	faults    int
	pid       atomic.Int64
}

// NewReader makes a reader whose epochs are above lastEpoch, the last one stored for the camera, 0 for none. turn returns when the
// camera may start an FFmpeg, or with the context's error.
func NewReader(config Config, ffmpeg FFmpeg, lastEpoch int64, turn func(context.Context) error, out Output) *Reader {
	return &Reader{config: config, ffmpeg: ffmpeg, out: out, turn: turn, lastEpoch: lastEpoch}
}

// Run reads the camera until ctx ends, restarting FFmpeg whenever it ends or stalls. It returns when FFmpeg has been waited for and
// everything it had written has been handed to the output. Its error is nil.
func (r *Reader) Run(ctx context.Context) error {
	for r.turn(ctx) == nil {
		epoch := max(time.Now().UnixMilli(), r.lastEpoch+1)
		r.lastEpoch = epoch
		r.out.State(State{State: schema.CameraStarting, Epoch: epoch, Faults: r.faults})
		s := &session{reader: r, epoch: epoch}
		err := s.run(ctx)
		if ctx.Err() != nil {
			break
		}
		fault := faultOf(err, s.stderr)
		pause := r.backoff.after(fault, s.delivered())
		if s.accepted == 0 && strings.Contains(s.stderr, "zscale") {
			r.ffmpeg.Zscale = false // it refuses pictures of odd size; FFmpeg's own scaler takes them
		}
		r.faults++
		state := State{State: schema.CameraBackoff, Epoch: epoch, Fault: fault, Err: s.describe(err), Pause: pause, Faults: r.faults}
		if fault == FaultStall {
			r.out.State(State{State: schema.CameraStalled, Epoch: epoch, Fault: fault, Err: state.Err, Faults: r.faults})
		}
		r.out.State(state)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	r.out.State(State{State: schema.CameraDown, Epoch: r.lastEpoch})
	return nil
}

// PID is the process number of the FFmpeg that runs now, 0 while there is none.
func (r *Reader) PID() int { return int(r.pid.Load()) }

// session is one run of FFmpeg: one epoch.
type session struct {
	reader *Reader
	epoch  int64
	demux  *nutDemuxer
	units  *accessUnits
	clock  clock

	seq      uint64
	accepted uint64
	keyed    bool // a keyframe has been seen
	first    time.Time
	last     time.Time
	stderr   string
}

// delivered is for how long pictures came.
func (s *session) delivered() time.Duration { return s.last.Sub(s.first) }

func (s *session) run(ctx context.Context) error {
	c := &s.reader.config
	args, stdin := Args(*c, s.reader.ffmpeg)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	proc, err := startProcess(s.reader.ffmpeg.Path, args, stdin, hidden(c), func(line string) {
		if strings.Contains(line, changedNotice) {
			cancel(errChanged)
		}
	})
	if err != nil {
		return err
	}
	s.reader.pid.Store(int64(proc.cmd.Process.Pid))
	defer s.reader.pid.Store(0)
	stopWith := context.AfterFunc(ctx, proc.stop)
	watchdog := time.AfterFunc(s.stallAfter()+startGrace, func() { cancel(errStalled) })
	s.demux = newNUTDemuxer(proc.stdout, c.MaxFrame, s.foreign)
	err = s.read(ctx, proc.stderr, watchdog)
	watchdog.Stop()
	stopWith()
	exit := proc.wait()
	s.stderr = proc.stderr.String()
	if cause := context.Cause(ctx); cause != nil {
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
		watchdog.Reset(s.stallAfter())
		s.accept(f)
	}
}

func (s *session) accept(f *schema.Frame) {
	s.last = time.Now()
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

func (s *session) reject(reason Rejection, detail string) {
	s.reader.out.Rejected(s.epoch, s.seq, reason, detail)
}

func (s *session) foreign(n int) { s.reject(RejectForeign, fmt.Sprintf("%d foreign bytes", n)) }

// describe is the end of a run for people: the cause and FFmpeg's own last words.
func (s *session) describe(err error) error {
	switch {
	case errors.Is(err, errStalled):
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
