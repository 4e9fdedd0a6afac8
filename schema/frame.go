package schema

import (
	"fmt"
	"strconv"
	"time"
)

// Version is the value of the Frame-Schema header that this package writes and reads.
const Version = 1

// Content types of a frame's body.
const (
	ContentJPEG = "image/jpeg" // one whole JPEG picture
	ContentH264 = "video/h264" // one H.264 access unit in Annex-B form, parameter sets included at keyframes
	ContentH265 = "video/h265" // one H.265 access unit in Annex-B form, parameter sets included at keyframes
)

// PTSRate is the number of ticks of [Frame.PTS] in a second.
const PTSRate = 90_000

// Frame is one captured picture with all that is known of it. Data is the encoded picture alone.
type Frame struct {
	Site   string // [ValidSite]
	Camera string // [ValidName]
	Node   string // [ValidSite]: the node that captured it

	// Epoch is the Unix time in milliseconds at which the FFmpeg process that read the picture was started. It grows with every
	// start of the same camera.
	Epoch int64
	// Seq counts, from 1 in each epoch, every picture that FFmpeg handed to the node. A jump is a gap.
	Seq uint64
	// Captured is when FFmpeg had read the picture's encoded bytes; UTC, in whole microseconds.
	Captured time.Time
	// PTS is the camera's own presentation time in ticks of 1/[PTSRate] s, valid where HasPTS is set.
	PTS    int64
	HasPTS bool

	ContentType   string // one of the Content constants
	Width, Height int    // pixels, read from the picture itself
	Keyframe      bool   // video only: decodable on its own
	Replayed      bool   // delivered again by request

	Data []byte
	Kept *Kept // where a sink keeps the picture: beside Data once that has confirmed the frame, in place of Data in a frame of [StreamStored]
}

// Subject is the NATS subject the frame is published under.
func (f *Frame) Subject() string { return FrameSubject(f.Site, f.Camera) }

// CameraName is <site>.<camera>, as cameras of several sites are told apart.
func (f *Frame) CameraName() string { return f.Site + "." + f.Camera }

// ID is the frame's identity, <site>.<camera>.<epoch>.<seq>: the Nats-Msg-Id, the AMQP message-id and the base of Redis keys.
func (f *Frame) ID() string {
	b := make([]byte, 0, len(f.Site)+len(f.Camera)+32)
	b = append(b, f.Site...)
	b = append(b, '.')
	b = append(b, f.Camera...)
	b = append(b, '.')
	b = strconv.AppendInt(b, f.Epoch, 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, f.Seq, 10)
	return string(b)
}

// Before reports whether the frame came before another one of its camera, which is given by its epoch and number.
func (f *Frame) Before(epoch int64, seq uint64) bool {
	return f.Epoch < epoch || f.Epoch == epoch && f.Seq < seq
}

// Validate reports the first field that keeps the frame from being written, as an error wrapping [ErrFrame].
func (f *Frame) Validate() error {
	switch {
	case !ValidSite(f.Site):
		return fieldError("site", f.Site, siteRule)
	case !ValidName(f.Camera):
		return fieldError("camera", f.Camera, nameRule)
	case !ValidSite(f.Node):
		return fieldError("node", f.Node, siteRule)
	case f.Epoch < 1:
		return fieldError("epoch", strconv.FormatInt(f.Epoch, 10), "is not a positive Unix time in milliseconds")
	case f.Seq < 1:
		return fieldError("seq", strconv.FormatUint(f.Seq, 10), "does not start at 1")
	case f.Captured.Year() < 1970 || f.Captured.Year() > 9999:
		return fieldError("captured", f.Captured.String(), "is not a time between 1970 and 9999")
	case f.Width < 1 || f.Height < 1 || f.Width > maxSide || f.Height > maxSide:
		return fieldError("size", fmt.Sprintf("%dx%d", f.Width, f.Height), fmt.Sprintf("has a side outside 1 to %d pixels", maxSide))
	case !knownContentType(f.ContentType):
		return fieldError("content type", f.ContentType, "is none of "+ContentJPEG+", "+ContentH264+", "+ContentH265)
	case f.Keyframe && f.ContentType == ContentJPEG:
		return fieldError("keyframe", "1", "is set on "+ContentJPEG+", where every picture stands alone")
	case f.Kept != nil:
		return f.Kept.validate()
	case len(f.Data) == 0:
		return fieldError("body", "", "is empty")
	}
	return nil
}

// maxSide is the largest width or height that JPEG, H.264 and H.265 headers can state.
const maxSide = 65535

func knownContentType(t string) bool {
	return t == ContentJPEG || t == ContentH264 || t == ContentH265
}
