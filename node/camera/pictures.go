package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/edge-video/edge-video/node/process"
	"github.com/edge-video/edge-video/schema"
)

// read takes pictures until FFmpeg's output ends. Every picture moves the watchdog on that is good, or too large but alive.
func (s *session) read(ctx context.Context, stderr *process.Tail, watchdog *time.Timer) error {
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
		if stderr.Sync(); errors.Is(context.Cause(ctx), errChanged) {
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
