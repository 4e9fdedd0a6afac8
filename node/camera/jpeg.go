package camera

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// errTorn says that a picture is not whole: a piece is missing, or foreign bytes are in it.
var errTorn = errors.New("torn picture")

// JPEG markers that the walk tells apart (ITU-T T.81, table B.1).
const (
	jpegSOF0 = 0xC0 // the lowest in use
	jpegSOI  = 0xD8
	jpegEOI  = 0xD9
	jpegSOS  = 0xDA
	jpegDHT  = 0xC4
	jpegJPG  = 0xC8
	jpegDAC  = 0xCC
	jpegRST0 = 0xD0
	jpegTEM  = 0x01
)

// jpegSize walks a JPEG from marker to marker, by the lengths that the segments state, and returns its width and height in pixels.
// The picture must begin with its first byte, hold a frame header and a scan, and end in EOI; cameras that pad after EOI with zeros
// are accepted, and a second EOI, which FFmpeg adds to pictures that came by RTP with their own. Any other picture is an error wrapping errTorn.
func jpegSize(b []byte) (width, height int, err error) {
	if len(b) < 4 || b[0] != 0xFF || b[1] != jpegSOI {
		return 0, 0, fmt.Errorf("%w: no JPEG start", errTorn)
	}
	at, scans := 2, 0
	for {
		if at+2 > len(b) || b[at] != 0xFF {
			return 0, 0, fmt.Errorf("%w: no marker at byte %d", errTorn, at)
		}
		marker := b[at+1]
		at += 2
		switch {
		case marker == 0xFF:
			at-- // fill byte
			continue
		case marker == jpegEOI:
			if err := jpegEnd(b[at:], width, height, scans); err != nil {
				return 0, 0, err
			}
			return width, height, nil
		case marker == jpegTEM || marker&^7 == jpegRST0:
			continue
		case marker < jpegSOF0 || marker == jpegSOI:
			return 0, 0, fmt.Errorf("%w: marker %02X at byte %d, which no picture holds", errTorn, marker, at-2)
		}
		if at+2 > len(b) {
			return 0, 0, fmt.Errorf("%w: cut in a segment", errTorn)
		}
		n := int(binary.BigEndian.Uint16(b[at:]))
		if n < 2 || at+n > len(b) {
			return 0, 0, fmt.Errorf("%w: segment %02X of %d bytes at byte %d does not fit", errTorn, marker, n, at)
		}
		segment := b[at+2 : at+n]
		at += n
		switch {
		case marker == jpegSOS:
			scans++
			if at, err = jpegScanEnd(b, at); err != nil {
				return 0, 0, err
			}
		case isFrameHeader(marker):
			if len(segment) < 6 || width != 0 {
				return 0, 0, fmt.Errorf("%w: frame header", errTorn)
			}
			height, width = int(binary.BigEndian.Uint16(segment[1:])), int(binary.BigEndian.Uint16(segment[3:]))
		}
	}
}

func isFrameHeader(marker byte) bool {
	return marker&0xF0 == 0xC0 && marker != jpegDHT && marker != jpegJPG && marker != jpegDAC
}

// jpegScanEnd returns the position of the first marker behind entropy-coded data, in which FF is followed by 00 or a restart marker.
func jpegScanEnd(b []byte, at int) (int, error) {
	for {
		i := bytes.IndexByte(b[at:], 0xFF)
		if i < 0 || at+i+1 >= len(b) {
			return 0, fmt.Errorf("%w: no JPEG end", errTorn)
		}
		at += i
		if next := b[at+1]; next != 0 && next&^7 != jpegRST0 {
			return at, nil
		}
		at += 2
	}
}

func jpegEnd(rest []byte, width, height, scans int) error {
	switch {
	case width == 0 || height == 0 || scans == 0:
		return fmt.Errorf("%w: end without a picture", errTorn)
	case len(bytes.Trim(bytes.TrimPrefix(rest, []byte{0xFF, jpegEOI}), "\x00")) > 0:
		return fmt.Errorf("%w: %d foreign bytes behind the picture", errTorn, len(rest))
	}
	return nil
}
