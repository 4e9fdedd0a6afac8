package camera

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/edge-video/edge-video/schema"
)

// ErrNoPicture says that bytes are not of a kind that frames hold.
var ErrNoPicture = errors.New("neither JPEG nor H.264 nor H.265")

// Picture is what a stored picture says of itself.
type Picture struct {
	ContentType   string // one of schema's
	Width, Height int    // 0 in video that does not state it, as between keyframes
	Keyframe      bool   // video alone: decodes on its own
}

// Identify reads what a frame's body says of itself. The error wraps [ErrNoPicture] where it is nothing that a frame holds; with any other
// the picture is torn, and ContentType still says what it would be.
func Identify(body []byte) (Picture, error) {
	if bytes.HasPrefix(body, []byte{0xFF, jpegSOI}) {
		p := Picture{ContentType: schema.ContentJPEG}
		var err error
		p.Width, p.Height, err = jpegSize(body)
		return p, err
	}
	codec := codecIn(splitAnnexB(nil, body))
	if codec == nil {
		return Picture{}, ErrNoPicture
	}
	units, err := newAccessUnits(codec, nil)
	if err != nil {
		return Picture{}, fmt.Errorf("identifying a picture: %w", err)
	}
	p := Picture{ContentType: codec.contentType}
	_, p.Keyframe, err = units.convert(body, false)
	p.Width, p.Height = units.width, units.height
	return p, err
}

// codecIn tells by its slices what an access unit is: those of one codec look like no unit of the other.
func codecIn(nals [][]byte) *videoCodec {
	for _, fourcc := range []string{"H264", "HEVC"} {
		codec := codecOf(fourcc)
		for _, n := range nals {
			if k := codec.kind(n); k == nalSlice || k == nalKey {
				return codec
			}
		}
	}
	return nil
}
