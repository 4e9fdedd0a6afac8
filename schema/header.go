package schema

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Header names of a frame. All values are ASCII.
const (
	HeaderMsgID       = "Nats-Msg-Id"         // identity, [Frame.ID]; JetStream drops repeats by it
	HeaderContentType = "Content-Type"        // what the body is
	HeaderSchema      = "Frame-Schema"        // [Version]
	HeaderNode        = "Frame-Node"          // which node captured it
	HeaderEpoch       = "Frame-Epoch"         // Unix milliseconds, [Frame.Epoch]
	HeaderSeq         = "Frame-Seq"           // [Frame.Seq]
	HeaderCaptured    = "Frame-Captured"      // RFC 3339, UTC, six digits of fraction
	HeaderPTS         = "Frame-PTS"           // 90 kHz ticks
	HeaderWidth       = "Frame-Width"         // pixels
	HeaderHeight      = "Frame-Height"        // pixels
	HeaderKeyframe    = "Frame-Keyframe"      // "1" on video that decodes on its own
	HeaderReplayed    = "Frame-Replayed"      // "1" on frames delivered again by request
	HeaderReject      = "Frame-Reject-Reason" // only in [StreamDead]: why the sink refused it
)

// CapturedLayout is the form of Frame-Captured, for [time.Time.Format] of a UTC time.
const CapturedLayout = "2006-01-02T15:04:05.000000Z"

var (
	// ErrFrame says that a message is not a frame that edge-video wrote; the text names the header or field at fault.
	ErrFrame = errors.New("not a frame")
	// ErrVersion says that a frame was written with a schema version this package does not know.
	ErrVersion = errors.New("unknown frame schema version")
)

// Header returns the frame's headers, ready for a NATS message. The caller owns the map.
func (f *Frame) Header() map[string][]string {
	h := make(map[string][]string, 13)
	f.EachHeader(func(name, value string) { h[name] = []string{value} })
	return h
}

// EachHeader calls yield for every header of the frame, in a fixed order.
func (f *Frame) EachHeader(yield func(name, value string)) {
	yield(HeaderMsgID, f.ID())
	yield(HeaderContentType, f.ContentType)
	yield(HeaderSchema, strconv.Itoa(Version))
	yield(HeaderNode, f.Node)
	yield(HeaderEpoch, strconv.FormatInt(f.Epoch, 10))
	yield(HeaderSeq, strconv.FormatUint(f.Seq, 10))
	yield(HeaderCaptured, f.Captured.UTC().Format(CapturedLayout))
	if f.HasPTS {
		yield(HeaderPTS, strconv.FormatInt(f.PTS, 10))
	}
	yield(HeaderWidth, strconv.Itoa(f.Width))
	yield(HeaderHeight, strconv.Itoa(f.Height))
	if f.Keyframe {
		yield(HeaderKeyframe, "1")
	}
	if f.Replayed {
		yield(HeaderReplayed, "1")
	}
}

// Decode reads the frame out of a NATS message. The frame's Data is body, not a copy. An error wraps [ErrVersion] for a frame of
// another schema version and [ErrFrame] for anything else, and names the header at fault. Unknown headers are ignored.
func Decode(subject string, header map[string][]string, body []byte) (*Frame, error) {
	d := decoder{header: header}
	f := &Frame{Data: body}
	var err error
	if f.Site, f.Camera, err = ParseFrameSubject(subject); err != nil {
		return nil, err
	}
	if v := d.text(HeaderSchema); d.err == nil && v != strconv.Itoa(Version) {
		return nil, fmt.Errorf("%w %q: this program knows %d", ErrVersion, printable(v), Version)
	}
	f.Node = d.text(HeaderNode)
	f.Epoch = d.integer(HeaderEpoch)
	f.Seq = uint64(max(0, d.integer(HeaderSeq)))
	f.Captured = d.time(HeaderCaptured)
	f.ContentType = d.text(HeaderContentType)
	f.Width = d.side(HeaderWidth)
	f.Height = d.side(HeaderHeight)
	if d.has(HeaderPTS) {
		f.PTS, f.HasPTS = d.integer(HeaderPTS), true
	}
	f.Keyframe = d.flag(HeaderKeyframe)
	f.Replayed = d.flag(HeaderReplayed)
	id := d.text(HeaderMsgID)
	if d.err != nil {
		return nil, d.err
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if id != f.ID() {
		return nil, fmt.Errorf("%w: header %s is %q where subject, epoch and seq make %q", ErrFrame, HeaderMsgID, printable(id), f.ID())
	}
	return f, nil
}

// DecodeDead reads a frame that a bridge keeps in [StreamDead]. Its identity, which the stream does not hold so that several bridges may
// keep the same frame, is made again from the rest. Errors are those of [Decode]: what a bridge keeps need not be a frame.
func DecodeDead(subject string, header map[string][]string, body []byte) (*Frame, error) {
	site, camera, err := ParseDeadSubject(subject)
	if err != nil {
		return nil, err
	}
	d := decoder{header: header}
	f := Frame{Site: site, Camera: camera, Epoch: d.integer(HeaderEpoch), Seq: uint64(max(0, d.integer(HeaderSeq)))}
	whole := maps.Clone(header)
	if d.err == nil {
		whole[HeaderMsgID] = []string{f.ID()}
	}
	return Decode(f.Subject(), whole, body)
}

// decoder reads headers one by one and keeps the first error.
type decoder struct {
	header map[string][]string
	err    error
}

func (d *decoder) has(name string) bool { return len(d.header[name]) > 0 }

func (d *decoder) text(name string) string {
	values := d.header[name]
	switch {
	case d.err != nil:
	case len(values) == 0 || values[0] == "":
		d.err = fmt.Errorf("%w: header %s is missing", ErrFrame, name)
	case len(values) > 1:
		d.err = fmt.Errorf("%w: header %s is given %d times", ErrFrame, name, len(values))
	default:
		return values[0]
	}
	return ""
}

func (d *decoder) integer(name string) int64 {
	s := d.text(name)
	if d.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		d.err = fmt.Errorf("%w: header %s is %q, not a whole number", ErrFrame, name, printable(s))
		return 0
	}
	return n
}

// side reads a width or height; what no picture can have becomes maxSide+1, which Validate refuses.
func (d *decoder) side(name string) int {
	return int(min(max(0, d.integer(name)), maxSide+1))
}

func (d *decoder) time(name string) time.Time {
	s := d.text(name)
	if d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(CapturedLayout, s)
	if err != nil {
		d.err = fmt.Errorf("%w: header %s is %q, not a UTC time like %s", ErrFrame, name, printable(s), CapturedLayout)
		return time.Time{}
	}
	return t
}

func (d *decoder) flag(name string) bool {
	if !d.has(name) {
		return false
	}
	s := d.text(name)
	if d.err == nil && s != "1" {
		d.err = fmt.Errorf("%w: header %s is %q, not 1 or absent", ErrFrame, name, printable(s))
	}
	return d.err == nil
}

func fieldError(field, value, rule string) error {
	return fmt.Errorf("%w: %s %q %s", ErrFrame, field, printable(value), rule)
}

// printable cuts foreign text to what fits in an error message.
func printable(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// HeaderText maps any text to what a header can hold: printable ASCII, at most 500 bytes.
func HeaderText(s string) string {
	b := make([]byte, 0, min(len(s), 500))
	for _, r := range s {
		if len(b) >= 500 {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return string(b)
}
