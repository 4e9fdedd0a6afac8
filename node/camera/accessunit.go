package camera

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/edge-video/edge-video/schema"
)

// nalKind is what a NAL unit means to a consumer that wants to begin decoding.
type nalKind int

const (
	nalOther nalKind = iota
	nalDelimiter
	nalVPS
	nalSPS
	nalPPS
	nalKey // a slice of a picture that decodes on its own
)

// videoCodec is what tells H.264 and H.265 apart here.
type videoCodec struct {
	contentType string
	kind        func(nal []byte) nalKind
	size        func(sps []byte) (width, height int, err error)
	sets        []nalKind // parameter sets, in the order they are sent
	config      func(extradata []byte) (nals [][]byte, lengthSize int, err error)
}

// isMJPEG reports whether a NUT stream's four-character code, which FFmpeg takes over from files, stands for JPEG pictures.
func isMJPEG(fourcc string) bool {
	code := strings.ToUpper(fourcc)
	return code == "MJPG" || code == "JPEG"
}

// codecOf returns the codec of a NUT stream's four-character code, or nil for those that are no access units.
func codecOf(fourcc string) *videoCodec {
	switch strings.ToUpper(fourcc) {
	case "H264", "AVC1", "AVC3", "X264":
		return &videoCodec{schema.ContentH264, h264Kind, h264Size, []nalKind{nalSPS, nalPPS}, avcConfig}
	case "HEVC", "H265", "HEV1", "HVC1":
		return &videoCodec{schema.ContentH265, h265Kind, h265Size, []nalKind{nalVPS, nalSPS, nalPPS}, hevcConfig}
	}
	return nil
}

func h264Kind(nal []byte) nalKind {
	switch nal[0] & 0x1F {
	case 5:
		return nalKey
	case 7:
		return nalSPS
	case 8:
		return nalPPS
	case 9:
		return nalDelimiter
	}
	return nalOther
}

func h265Kind(nal []byte) nalKind {
	switch t := nal[0] >> 1 & 0x3F; {
	case t >= 16 && t <= 21:
		return nalKey
	case t == 32:
		return nalVPS
	case t == 33:
		return nalSPS
	case t == 34:
		return nalPPS
	case t == 35:
		return nalDelimiter
	}
	return nalOther
}

// accessUnits turns the packets of one H.264 or H.265 stream into Annex-B access units with parameter sets at every keyframe. It
// remembers the newest parameter sets. Used by one goroutine.
type accessUnits struct {
	codec         *videoCodec
	lengthSize    int // bytes of the length before each NAL unit; 0 where the packets are Annex B already
	sets          map[nalKind][][]byte
	width, height int
}

// newAccessUnits reads the parameter sets that came with the stream's header.
func newAccessUnits(codec *videoCodec, extradata []byte) (*accessUnits, error) {
	u := &accessUnits{codec: codec, sets: map[nalKind][][]byte{}}
	var nals [][]byte
	if len(extradata) > 0 && extradata[0] == 1 {
		var err error
		if nals, u.lengthSize, err = codec.config(extradata); err != nil {
			return nil, err
		}
	} else {
		nals = splitAnnexB(nil, extradata)
	}
	u.remember(nals)
	return u, nil
}

// convert returns the access unit to store and whether it is a keyframe. The width and height are those of the newest sequence
// parameter set. The result may share data.
func (u *accessUnits) convert(data []byte, keyframe bool) (unit []byte, key bool, err error) {
	var nals [][]byte
	if u.lengthSize > 0 {
		if nals, err = splitLengths(data, u.lengthSize); err != nil {
			return nil, false, err
		}
	} else {
		nals = splitAnnexB(nil, data)
	}
	if len(nals) == 0 {
		return nil, false, fmt.Errorf("%w: no NAL unit", errTorn)
	}
	has := u.remember(nals)
	key = keyframe || has[nalKey]
	complete := true
	for _, k := range u.codec.sets {
		complete = complete && has[k]
	}
	if u.lengthSize == 0 && (!key || complete) {
		return data, key, nil
	}
	return u.assemble(nals, key && !complete), key, nil
}

// remember keeps parameter sets, a whole group replacing the last, and reports the kinds it saw.
func (u *accessUnits) remember(nals [][]byte) (seen [nalKey + 1]bool) {
	for _, n := range nals {
		k := u.codec.kind(n)
		if k == nalVPS || k == nalSPS || k == nalPPS {
			if !seen[k] {
				u.sets[k] = nil
			}
			u.sets[k] = append(u.sets[k], bytes.Clone(n))
			if k == nalSPS {
				if w, h, err := u.codec.size(n); err == nil {
					u.width, u.height = w, h
				}
			}
		}
		seen[k] = true
	}
	return seen
}

// assemble writes NAL units with start codes, with the remembered parameter sets behind an access unit delimiter where asked.
func (u *accessUnits) assemble(nals [][]byte, withSets bool) []byte {
	var out [][]byte
	if withSets && u.codec.kind(nals[0]) == nalDelimiter {
		out, nals = append(out, nals[0]), nals[1:]
	}
	if withSets {
		for _, k := range u.codec.sets {
			out = append(out, u.sets[k]...)
		}
	}
	for _, n := range nals {
		k := u.codec.kind(n)
		if withSets && (k == nalVPS || k == nalSPS || k == nalPPS) {
			continue // already among the remembered ones
		}
		out = append(out, n)
	}
	size := 0
	for _, n := range out {
		size += 4 + len(n)
	}
	b := make([]byte, 0, size)
	for _, n := range out {
		b = append(b, 0, 0, 0, 1)
		b = append(b, n...)
	}
	return b
}

// ready reports whether a consumer that begins at a keyframe has all parameter sets.
func (u *accessUnits) ready() bool {
	for _, k := range u.codec.sets {
		if len(u.sets[k]) == 0 {
			return false
		}
	}
	return u.width > 0
}

// splitAnnexB appends the NAL units between start codes.
func splitAnnexB(nals [][]byte, b []byte) [][]byte {
	start := -1
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte{0, 0, 1})
		end := len(b)
		if i >= 0 {
			end = at + i
		}
		if start >= 0 {
			if n := bytes.TrimRight(b[start:end], "\x00"); len(n) > 1 {
				nals = append(nals, n)
			}
		}
		if i < 0 {
			return nals
		}
		start = end + 3
		at = start
	}
}

// splitLengths cuts NAL units by the lengths before them, as in MP4.
func splitLengths(b []byte, size int) ([][]byte, error) {
	var nals [][]byte
	for len(b) > 0 {
		if len(b) < size {
			return nil, fmt.Errorf("%w: cut in a NAL unit's length", errTorn)
		}
		n := 0
		for _, c := range b[:size] {
			n = n<<8 | int(c)
		}
		b = b[size:]
		if n > len(b) {
			return nil, fmt.Errorf("%w: NAL unit of %d bytes does not fit", errTorn, n)
		}
		if n > 1 {
			nals = append(nals, b[:n])
		}
		b = b[n:]
	}
	return nals, nil
}

// avcConfig reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
func avcConfig(b []byte) (nals [][]byte, lengthSize int, err error) {
	c := configReader{b: b, at: 4}
	lengthSize = int(c.byte()&3) + 1
	for range c.byte() & 0x1F {
		nals = append(nals, c.unit())
	}
	for range c.byte() {
		nals = append(nals, c.unit())
	}
	return nals, lengthSize, c.err
}

// hevcConfig reads an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1).
func hevcConfig(b []byte) (nals [][]byte, lengthSize int, err error) {
	c := configReader{b: b, at: 21}
	lengthSize = int(c.byte()&3) + 1
	for range c.byte() {
		c.byte()
		for range c.uint16() {
			nals = append(nals, c.unit())
		}
	}
	return nals, lengthSize, c.err
}

// configReader reads a decoder configuration record and keeps the first error.
type configReader struct {
	b   []byte
	at  int
	err error
}

func (c *configReader) take(n int) []byte {
	if c.err != nil || c.at+n > len(c.b) {
		c.err = fmt.Errorf("%w: decoder configuration is cut off", errSPS)
		return make([]byte, n)
	}
	c.at += n
	return c.b[c.at-n : c.at]
}

func (c *configReader) byte() byte { return c.take(1)[0] }

func (c *configReader) uint16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }

func (c *configReader) unit() []byte {
	n := c.take(int(c.uint16()))
	if len(n) == 0 && c.err == nil {
		c.err = fmt.Errorf("%w: empty parameter set", errSPS)
	}
	return n
}
