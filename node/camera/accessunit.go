package camera

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/edge-video/edge-video/schema"
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
	nals, err := u.split(data)
	if err != nil {
		return nil, false, err
	}
	has := u.remember(nals)
	if !has[nalSlice] && !has[nalKey] {
		return nil, false, fmt.Errorf("%w: no slice of a picture", errTorn)
	}
	key = keyframe || has[nalKey]
	if u.lengthSize == 0 && (!key || u.begins(nals, has)) {
		return data, key, nil
	}
	return u.assemble(nals, key), key, nil
}

// split takes a packet apart and refuses one that is no access unit.
func (u *accessUnits) split(data []byte) (nals [][]byte, err error) {
	if u.lengthSize > 0 {
		if nals, err = splitLengths(data, u.lengthSize); err != nil {
			return nil, err
		}
	} else {
		if start := bytes.TrimLeft(data, "\x00"); len(data)-len(start) < 2 || len(start) == 0 || start[0] != 1 {
			return nil, fmt.Errorf("%w: no start code", errTorn)
		}
		nals = splitAnnexB(nil, data)
	}
	for _, n := range nals {
		if n[0]&0x80 != 0 {
			return nil, fmt.Errorf("%w: no NAL unit begins with %02X", errTorn, n[0])
		}
		if u.codec.kind(n) == nalSPS {
			if _, _, err := u.codec.size(n); err != nil {
				return nil, fmt.Errorf("%w: %w", errTorn, err)
			}
		}
	}
	return nals, nil
}

// begins reports whether all parameter sets stand at the beginning of an access unit.
func (u *accessUnits) begins(nals [][]byte, has [nalKey + 1]bool) bool {
	for _, k := range u.codec.sets {
		if !has[k] {
			return false
		}
	}
	if u.codec.kind(nals[0]) == nalDelimiter {
		nals = nals[1:]
	}
	return u.codec.kind(nals[0]) == u.codec.sets[0]
}

// remember keeps parameter sets, a whole group replacing the last, and reports the kinds it saw.
func (u *accessUnits) remember(nals [][]byte) (seen [nalKey + 1]bool) {
	for _, n := range nals {
		k := u.codec.kind(n)
		if k == nalSPS {
			w, h, err := u.codec.size(n)
			if err != nil {
				continue
			}
			u.width, u.height = w, h
		}
		if k == nalVPS || k == nalSPS || k == nalPPS {
			if !seen[k] {
				u.sets[k] = nil
			}
			u.sets[k] = append(u.sets[k], bytes.Clone(n))
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
