package camera

import (
	"fmt"
	"io"
)

// nutHead reads the numbers of a NUT header and keeps the bytes it has read, for the checksum, and the first error.
type nutHead struct {
	r    io.ByteReader
	seen []byte
	err  error
}

func (h *nutHead) reset(r io.ByteReader) { h.r, h.seen, h.err = r, h.seen[:0], nil }

func (h *nutHead) byte() byte {
	if h.err != nil {
		return 0
	}
	b, err := h.r.ReadByte()
	if err != nil {
		h.err = err
		return 0
	}
	h.seen = append(h.seen, b)
	return b
}

// v reads a number of seven bits a byte, the highest first.
func (h *nutHead) v() uint64 {
	var n uint64
	for range 10 {
		b := h.byte()
		n = n<<7 | uint64(b&0x7f)
		if b < 0x80 || h.err != nil {
			return n
		}
	}
	h.err = fmt.Errorf("%w: number of more than ten bytes", errNUT)
	return 0
}

// s reads a signed number: its sign is the lowest bit.
func (h *nutHead) s() int64 {
	n := h.v() + 1
	if n&1 != 0 {
		return -int64(n >> 1)
	}
	return int64(n >> 1)
}

// bytes reads a length and as many bytes, at most most.
func (h *nutHead) bytes(most uint64) []byte {
	n := h.v()
	if h.err == nil && n > most {
		h.err = fmt.Errorf("%w: %d bytes where at most %d make sense", errNUT, n, most)
	}
	if h.err != nil {
		return nil
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = h.byte()
	}
	return b
}

func (h *nutHead) uint32() uint32 {
	var n uint32
	for range 4 {
		n = n<<8 | uint32(h.byte())
	}
	return n
}

// nutCRC is NUT's checksum: CRC-32 with generator 0x04C11DB7, most significant bit first, starting at 0. hash/crc32 knows only the
// reflected form.
type nutCRC [256]uint32

func newNUTCRC() nutCRC {
	var t nutCRC
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&0x80000000 != 0 {
				c = c<<1 ^ 0x04C11DB7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}

func (t *nutCRC) sum(crc uint32, b []byte) uint32 {
	for _, v := range b {
		crc = crc<<8 ^ t[byte(crc>>24)^v]
	}
	return crc
}
