package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"time"

	"github.com/edge-video/edge-video/schema"
)

const (
	maxLookPixels = 1 << 24          // more than 5K; a progressive JPEG of that takes 100 MB for a moment
	lookTimeout   = 10 * time.Second // it takes 0.3 s, but a machine that is overloaded should not do it for nothing
	lookRest      = time.Second      // between two runs of FFmpeg, each a quarter of a second of CPU: however many cameras ask for it

	// A keyframe of one colour takes 1/32 of a bit a pixel and some hundred bytes, that of a scene a quarter and more.
	tinyPart, tinyBytes = 100, 1500
)

var errUnread = errors.New("no picture that can be looked at")

// keyframeContent is the part of a keyframe that is equal for equal pictures, and the bytes of all its slices. The headers of slices
// count keyframes, so the part is the second half of the last slice. Padding, as of encoders with a constant rate, does not count.
func keyframeContent(f *schema.Frame) (own []byte, size int) {
	codec := codecOfContent(f.ContentType)
	for _, n := range splitAnnexB(nil, f.Data) {
		if k := codec.kind(n); k == nalKey || k == nalSlice {
			own = n[len(n)/2:]
			size += len(n)
		}
	}
	return own, size
}

func codecOfContent(contentType string) *videoCodec {
	if contentType == schema.ContentH265 {
		return codecOf("HEVC")
	}
	return codecOf("H264")
}

// gridOf decodes a picture: JPEG here, a keyframe by a short run of FFmpeg, whose start takes most of that run.
func (f FFmpeg) gridOf(ctx context.Context, frame *schema.Frame) (*grid, error) {
	if frame.ContentType != schema.ContentJPEG {
		return f.keyframeGrid(ctx, frame)
	}
	m, err := jpeg.Decode(bytes.NewReader(frame.Data))
	if err != nil {
		return nil, fmt.Errorf("decoding a JPEG: %w", err)
	}
	switch m := m.(type) {
	case *image.YCbCr:
		return newGrid(m), nil
	case *image.Gray:
		return newGrid(colourless(m)), nil
	}
	return nil, errUnread // CMYK, RGB: no camera sends them
}

func colourless(m *image.Gray) *image.YCbCr {
	none := bytes.Repeat([]byte{128}, (m.Rect.Dx()+1)/2*((m.Rect.Dy()+1)/2))
	return &image.YCbCr{Y: m.Pix, Cb: none, Cr: none, YStride: m.Stride, CStride: (m.Rect.Dx() + 1) / 2,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: m.Rect}
}

func (f FFmpeg) keyframeGrid(ctx context.Context, frame *schema.Frame) (*grid, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	format := "h264"
	if frame.ContentType == schema.ContentH265 {
		format = "hevc"
	}
	proc, err := f.start([]string{"-hide_banner", "-nostats", "-loglevel", "error", "-threads", "1", "-f", format, "-i", "pipe:0",
		"-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "rawvideo", "pipe:1"}, string(frame.Data), nil, nil)
	if err != nil {
		return nil, err
	}
	stopWith := context.AfterFunc(ctx, proc.Stop)
	m := image.NewYCbCr(image.Rect(0, 0, frame.Width, frame.Height), image.YCbCrSubsampleRatio420)
	for _, plane := range [][]byte{m.Y, m.Cb, m.Cr} {
		if err == nil {
			_, err = io.ReadFull(proc.Stdout, plane)
		}
	}
	stopWith()
	proc.Stop() // it has done its work, or does not
	err = errors.Join(err, ctx.Err())
	_ = proc.Wait() // it was told to end
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %s", errUnread, err, proc.Stderr)
	}
	g := newGrid(m)
	g.fullRange()
	return g, nil
}

// fullRange widens video's range, in which black is 16 and white 235, to that of JPEG.
func (g *grid) fullRange() {
	for i := range g {
		c := &g[i]
		c[0] = clamp((int(c[0]) - 16) * 255 / 219)
		c[1], c[2] = clamp(128+(int(c[1])-128)*255/224), clamp(128+(int(c[2])-128)*255/224)
	}
}

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }
