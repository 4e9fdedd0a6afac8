package camera

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// nalKind is what a NAL unit means to a consumer that wants to begin decoding.
type nalKind int

const (
	nalOther nalKind = iota
	nalDelimiter
	nalVPS
	nalSPS
	nalPPS
	nalSlice // of a picture that needs others
	nalKey   // a slice of a picture that decodes on its own
)

func h264Kind(nal []byte) nalKind {
	switch nal[0] & 0x9F { // a unit with the highest bit set is none
	case 1: // data partitions, 2 to 4, are in no use, and H.265 looks like them
		return nalSlice
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
	if nal[0]&0x81 != 0 { // no unit, or not of the base layer; slices of H.264 look like that
		return nalOther
	}
	switch t := nal[0] >> 1; {
	case t < 16:
		return nalSlice
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
