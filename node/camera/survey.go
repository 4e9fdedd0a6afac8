package camera

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// surveyPatience is how long a camera may take to its first picture: it connects, and FFmpeg looks at the stream for up to five seconds.
const surveyPatience = 15 * time.Second

// Survey is what a camera sends, as measured.
type Survey struct {
	Codec         string // h264, h265, mjpeg, or what FFmpeg calls another
	Width, Height int    // 0 where the codec is another
	Pictures      int
	FPS           float64       // 0 for a single picture
	KeyInterval   time.Duration // mean time from one keyframe to the next; 0 for fewer than two
	Bytes         float64       // a second
	Stored        bool          // mode copy can store it
}

// SurveyError is why a camera could not be measured, in words that hold no secret.
type SurveyError struct {
	Fault Fault
	Err   error
}

func (e *SurveyError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *SurveyError) Unwrap() error { return e.Err }

// Survey connects to a camera beside whoever reads it, and measures what it sends for as long as d, or twice that where it takes that to
// see two keyframes. A camera without a picture is given up after 15 s. The error is a [*SurveyError].
func (f FFmpeg) Survey(ctx context.Context, c Config, d time.Duration) (Survey, error) {
	if parseSource(c.URL).scheme != "lavfi" { // whose pictures have no encoding
		c.Mode = ModeCopy
	}
	c.OutputArgs, c.Masks, c.StallTimeout = nil, nil, surveyPatience
	args, stdin := Args(c, f)
	proc, err := f.start(args, stdin, hidden(&c), func(string) bool { return true })
	if err != nil {
		return Survey{}, &SurveyError{FaultProcess, err}
	}
	stopWith := context.AfterFunc(ctx, proc.Stop)
	watchdog := time.AfterFunc(surveyPatience, proc.Stop)
	v := surveyor{demux: newNUTDemuxer(proc.Stdout, c.MaxFrame, func(int) {})}
	err = v.watch(d, watchdog)
	late := !watchdog.Stop()
	stopWith()
	said := proc.Stderr.String()
	proc.Stop()
	_, _ = io.Copy(io.Discard, proc.Stdout) // its end is what is waited for
	exit := proc.Wait()
	switch {
	case ctx.Err() != nil:
		return Survey{}, &SurveyError{FaultProcess, context.Cause(ctx)}
	case v.Pictures > 0:
		return v.result(), nil
	case late:
		err = fmt.Errorf("%w in %s", errStalled, surveyPatience)
	case err == nil:
		err = errors.Join(exit)
	}
	if said == "" {
		said = proc.Stderr.String()
	}
	fault := faultOf(err, said)
	if err == nil {
		err = errors.New("the camera ended the stream")
	}
	if said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return Survey{}, &SurveyError{fault, err}
}

// surveyor counts.
type surveyor struct {
	Survey
	demux       *nutDemuxer
	units       *accessUnits
	bytes       int
	began, last time.Time // of arrival
	from, to    int64     // the camera's own time
	keys        int
	keyed       [2]int64 // the first and last keyframe
}

// watch takes pictures for d from the first one on, or until they end.
func (v *surveyor) watch(d time.Duration, watchdog *time.Timer) error {
	for {
		p, err := v.demux.next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		v.last = time.Now()
		if v.Pictures == 0 {
			v.began, v.from, v.to = v.last, p.pts, p.pts
			watchdog.Reset(2 * d)
		}
		v.take(p)
		if spent := v.last.Sub(v.began); spent >= 2*d || spent >= d && v.keys > 1 {
			return nil
		}
	}
}

func (v *surveyor) take(p packet) {
	v.Pictures++
	v.bytes += p.size
	v.from, v.to = min(v.from, p.pts), max(v.to, p.pts)
	key := p.keyframe
	video := &v.demux.stream
	v.Codec = video.fourcc
	if isMJPEG(video.fourcc) {
		v.Codec, v.Stored, key = "mjpeg", true, true
		if w, h, err := jpegSize(p.data); err == nil {
			v.Width, v.Height = w, h
		}
	} else if codec := codecOf(video.fourcc); codec != nil {
		v.Codec, v.Stored = map[string]string{schema.ContentH264: "h264", schema.ContentH265: "h265"}[codec.contentType], true
		key = v.unit(codec, p)
	}
	if key {
		if v.keys++; v.keys == 1 {
			v.keyed[0] = p.pts
		}
		v.keyed[1] = p.pts
	}
}

// unit looks into an access unit; one that is torn is no keyframe.
func (v *surveyor) unit(codec *videoCodec, p packet) (key bool) {
	if v.units == nil {
		units, err := newAccessUnits(codec, v.demux.stream.extradata)
		if err != nil {
			return p.keyframe
		}
		v.units = units
	}
	_, key, err := v.units.convert(p.data, p.keyframe)
	v.Width, v.Height = v.units.width, v.units.height
	return key && err == nil
}

// result is what the counts come to. Time is the camera's own, or that of arrival where it sends none.
func (v *surveyor) result() Survey {
	tick := float64(v.demux.stream.num) / float64(v.demux.stream.den)
	seconds := float64(v.to-v.from) * tick
	if seconds <= 0 {
		seconds = v.last.Sub(v.began).Seconds()
	}
	if v.Pictures > 1 && seconds > 0 {
		v.FPS = float64(v.Pictures-1) / seconds
		v.Bytes = float64(v.bytes) / float64(v.Pictures) * v.FPS
	}
	if v.keys > 1 {
		v.KeyInterval = time.Duration(float64(v.keyed[1]-v.keyed[0]) * tick / float64(v.keys-1) * float64(time.Second))
	}
	return v.Survey
}
