package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// LongestClip bounds the span of a clip.
const LongestClip = time.Hour

var (
	// ErrEmpty says that there is nothing to make a clip of.
	ErrEmpty = errors.New("the span holds no frame that a clip can begin with")
	// ErrCut says that a clip is whole but ends ahead of the frames that were given: what follows is encoded in another way, or too long.
	ErrCut = errors.New("the clip ends early")
)

// Format is a kind of file.
type Format string

// Formats of clips.
const (
	MP4      Format = "mp4"
	Matroska Format = "mkv"
)

// ContentType is the format's media type.
func (f Format) ContentType() string {
	if f == MP4 {
		return "video/mp4"
	}
	return "video/x-matroska"
}

// Clip writes a clip of the frames to w as it is made, until ctx ends. Frames are read one by one. Where they end with an error the clip
// ends there, and that is Clip's own. Other errors are [ErrBusy], [ErrEmpty] and [ErrCut]; with the first two nothing has been written.
func (r *Renderer) Clip(ctx context.Context, w io.Writer, format Format, frames iter.Seq2[*schema.Frame, error]) error {
	leave, err := r.clips.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	next, stop := iter.Pull2(frames)
	defer stop()
	c := &cutter{next: next}
	if err := c.begin(); err != nil {
		return fmt.Errorf("making a clip: %w", err)
	}
	args := []string{"-max_pixels", fmt.Sprint(maxPixels), "-threads", "1", "-fpsprobesize", "0", "-f", "matroska", "-i", "pipe:0",
		"-map", "0:v:0", "-an"}
	if c.first.ContentType == schema.ContentJPEG {
		encode, err := r.encode(ctx, c.first)
		if err != nil {
			return err
		}
		args = append(args, encode...)
	} else {
		args = append(args, "-c:v", "copy")
	}
	switch format {
	case MP4:
		args = append(args, "-video_track_timescale", fmt.Sprint(schema.PTSRate), "-movflags", "frag_keyframe+empty_moov+default_base_moof",
			"-f", "mp4")
	case Matroska:
		args = append(args, "-f", "matroska")
	default:
		return fmt.Errorf("making a clip: %q is no format; use %s or %s", format, MP4, Matroska)
	}
	err = r.run(ctx, append(args, "pipe:1"), c, w)
	if err = errors.Join(err, c.err); err != nil {
		return fmt.Errorf("making a clip: %w", err)
	}
	return nil
}

// cutter is what FFmpeg reads of a clip: the frames as a film, which ends where they cannot go on. After an error of FFmpeg, what it did
// not read stays unread.
type cutter struct {
	next  func() (*schema.Frame, error, bool)
	first *schema.Frame
	film  *film
	err   error // why it ended, nil with the last frame
	ended bool
}

// begin finds the frame to begin with.
func (c *cutter) begin() error {
	for {
		f, err, ok := c.next()
		switch {
		case !ok:
			return ErrEmpty
		case err != nil:
			return err
		case f.ContentType == schema.ContentJPEG || f.Keyframe:
			c.first, c.film = f, newFilm(f)
			c.film.add(f)
			return nil
		}
	}
}

// Read implements [io.Reader].
func (c *cutter) Read(b []byte) (int, error) {
	for c.film.buf.Len() == 0 {
		if c.ended {
			return 0, io.EOF
		}
		f, err, ok := c.next()
		switch {
		case !ok:
			c.ended = true
		case err != nil:
			c.ended, c.err = true, err
		case f.ContentType != c.first.ContentType:
			c.ended, c.err = true, fmt.Errorf("%w, at %s, where %s follows %s", ErrCut, moment(f), f.ContentType, c.first.ContentType)
		case f.Captured.Sub(c.first.Captured) > LongestClip:
			c.ended, c.err = true, fmt.Errorf("%w, at %s, after %s", ErrCut, moment(f), LongestClip)
		default:
			c.film.add(f)
		}
	}
	return c.film.buf.Read(b)
}

func moment(f *schema.Frame) string { return f.Captured.UTC().Format(time.RFC3339Nano) }

// encoder is how JPEG becomes video with the ffmpeg at hand.
type encoder struct {
	mu   sync.Mutex
	args []string
}

// encode is the arguments that encode frames like f, at that one's size less a line or column where that is odd.
func (r *Renderer) encode(ctx context.Context, f *schema.Frame) ([]string, error) {
	r.encoder.mu.Lock()
	defer r.encoder.mu.Unlock()
	if r.encoder.args == nil {
		list, err := exec.CommandContext(ctx, r.ffmpeg, "-hide_banner", "-encoders").Output()
		if err != nil {
			return nil, fmt.Errorf("asking ffmpeg for its encoders: %w", err)
		}
		if r.encoder.args = choose(string(list)); r.encoder.args == nil {
			return nil, errors.New("this ffmpeg has none of the encoders libx264, libopenh264 and mpeg4, " +
				"one of which a clip of JPEG frames takes; install another build")
		}
	}
	w, h := max(2, f.Width&^1), max(2, f.Height&^1)
	fit := fmt.Sprintf("scale=%d:%d:force_original_aspect_ratio=decrease:out_range=tv,pad=%d:%d:-1:-1,setsar=1,format=yuv420p", w, h, w, h)
	return append([]string{"-vf", fit, "-fps_mode", "passthrough", "-enc_time_base", fmt.Sprint("1:", schema.PTSRate), "-threads", "1"},
		r.encoder.args...), nil
}

// choose takes the best of the encoders that FFmpeg lists.
func choose(list string) []string {
	for _, e := range [][]string{{"libx264", "-preset", "veryfast", "-crf", "23", "-g", "60", "-bf", "0"}, {"libopenh264", "-g", "60"},
		{"mpeg4", "-q:v", "4", "-g", "60"}} {
		if strings.Contains(list, " "+e[0]+" ") {
			return append([]string{"-c:v"}, e...)
		}
	}
	return nil
}
