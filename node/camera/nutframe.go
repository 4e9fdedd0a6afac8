package camera

import (
	"fmt"
	"io"
)

// Flags of a NUT frame code.
const (
	nutKey       = 1
	nutCodedPTS  = 8
	nutStreamID  = 16
	nutSizeMSB   = 32
	nutChecksum  = 64
	nutReserved  = 128
	nutSideData  = 256
	nutHeaderIdx = 1024
	nutMatchTime = 2048
	nutCoded     = 4096
	nutInvalid   = 8192
)

const (
	// nutMaxFrame bounds what a frame header may claim before it is taken for foreign bytes.
	nutMaxFrame = 1 << 30
	// nutMaxElided is the largest frame whose beginning may be left out.
	nutMaxElided = 4096
)

// readFrame reads one frame: its header, which the frame code shortens, and its body. With io.ErrUnexpectedEOF comes what there is of it.
func (d *nutDemuxer) readFrame() (packet, error) {
	h := &d.head
	h.reset(d.r)
	c := d.main.codes[h.byte()]
	if h.err == nil && c.flags&nutInvalid != 0 {
		return packet{}, fmt.Errorf("%w: frame code", errNUT)
	}
	if c.flags&nutCoded != 0 {
		c.flags ^= h.v()
	}
	if c.flags&nutStreamID != 0 {
		c.stream = h.v()
	}
	pts := d.stream.lastPTS + c.ptsDelta
	if c.flags&nutCodedPTS != 0 {
		pts = d.stream.codedPTS(h.v())
	}
	size := c.sizeLSB
	if c.flags&nutSizeMSB != 0 {
		size += c.sizeMul * h.v()
	}
	if c.flags&nutMatchTime != 0 {
		h.s()
	}
	if c.flags&nutHeaderIdx != 0 {
		c.headIdx = h.v()
	}
	if c.flags&nutReserved != 0 {
		c.reserved = h.v()
	}
	for i := uint64(0); i < c.reserved && h.err == nil; i++ {
		h.v()
	}
	if size > nutMaxElided {
		c.headIdx = 0
	}
	if err := d.checkHead(c, size, pts); err != nil {
		return packet{}, err
	}
	d.stream.lastPTS = pts
	prefix := d.main.elision[c.headIdx]
	p := packet{size: int(size), pts: pts, keyframe: c.flags&nutKey != 0, elided: len(prefix)}
	var err error
	p.data, err = d.readBody(int(size), prefix)
	return p, err
}

// checkHead refuses a frame header that FFmpeg does not write: foreign bytes look like that. A header without a checksum may lead
// neither far ahead in the file nor far away in time, so that foreign bytes cannot either.
func (d *nutDemuxer) checkHead(c nutCode, size uint64, pts int64) error {
	h := &d.head
	if h.err != nil {
		return unexpected(h.err)
	}
	far := size > 2*d.main.maxDistance || distance(pts, d.stream.lastPTS) > d.stream.maxPTSDistance
	if c.flags&nutChecksum != 0 {
		want := d.crc.sum(0, h.seen)
		got := h.uint32()
		if h.err != nil {
			return unexpected(h.err)
		}
		if got != want {
			return fmt.Errorf("%w: frame header checksum", errNUT)
		}
	} else if far {
		return fmt.Errorf("%w: frame header without a checksum", errNUT)
	}
	if c.stream != 0 || c.reserved > 16 || c.flags&nutSideData != 0 || size > nutMaxFrame ||
		c.headIdx >= uint64(len(d.main.elision)) || size < uint64(len(d.main.elision[c.headIdx])) {
		return fmt.Errorf("%w: frame header", errNUT)
	}
	return nil
}

func distance(a, b int64) uint64 {
	if a < b {
		a, b = b, a
	}
	return uint64(a) - uint64(b)
}

// codedPTS undoes the coding of a time as its low bits, or as a whole behind them.
func (v *nutVideo) codedPTS(coded uint64) int64 {
	if coded >= 1<<v.ptsShift {
		return int64(coded - 1<<v.ptsShift)
	}
	mask := int64(1)<<v.ptsShift - 1
	delta := v.lastPTS - mask/2
	return (int64(coded)-delta)&mask + delta
}

// readBody reads a frame's body, or what there is of it, or skips it where it is over the cap. prefix is the part of it that NUT left out.
func (d *nutDemuxer) readBody(size int, prefix []byte) ([]byte, error) {
	if size > d.maxSize {
		if _, err := d.r.Discard(size - len(prefix)); err != nil {
			return nil, unexpected(err)
		}
		return nil, nil
	}
	data := make([]byte, size)
	n := copy(data, prefix)
	k, err := io.ReadFull(d.r, data[n:])
	return data[:n+k], unexpected(err)
}
