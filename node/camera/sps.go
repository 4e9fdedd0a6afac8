package camera

import (
	"errors"
	"fmt"
)

// Reading a picture's size out of a sequence parameter set takes a bit reader and two field lists (ITU-T H.264 7.3.2.1.1 and H.265
// 7.3.2.2.1); the libraries that can do it bring a whole container or RTSP stack along.

var errSPS = errors.New("bad sequence parameter set")

// h264Size returns the size in pixels that an H.264 sequence parameter set states, after cropping. nal includes its one-byte header.
func h264Size(nal []byte) (width, height int, err error) {
	b := newBitReader(nal, 1)
	profile := b.bits(8)
	b.skip(16) // constraint flags, level
	b.ue()     // id
	chroma := uint64(1)
	if highProfile(profile) {
		chroma = b.ue()
		if chroma == 3 {
			b.skip(1) // planes apart: cropped like planes together
		}
		b.ue() // luma depth
		b.ue() // chroma depth
		b.skip(1)
		if b.bits(1) == 1 {
			skipScalingLists(b, chroma)
		}
	}
	b.ue() // log2 of the largest frame number
	switch b.ue() {
	case 0:
		b.ue()
	case 1:
		b.skip(1)
		b.ue()
		b.ue()
		n := b.ue()
		for i := uint64(0); i < n && b.err == nil; i++ {
			b.ue()
		}
	}
	b.ue() // reference frames
	b.skip(1)
	w := (b.ue() + 1) * 16
	h := (b.ue() + 1) * 16
	frameOnly := b.bits(1)
	if frameOnly == 0 {
		b.skip(1)
	}
	h *= 2 - frameOnly
	b.skip(1)
	if b.bits(1) == 1 {
		x, y := cropUnit(chroma)
		w -= x * (b.ue() + b.ue())
		h -= y * (2 - frameOnly) * (b.ue() + b.ue())
	}
	return b.size(w, h)
}

func highProfile(p uint64) bool {
	switch p {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		return true
	}
	return false
}

func skipScalingLists(b *bitReader, chroma uint64) {
	lists := 8
	if chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if b.bits(1) == 0 {
			continue
		}
		size := 16
		if i >= 6 {
			size = 64
		}
		last, next := int64(8), int64(8)
		for range size {
			if next != 0 {
				next = (last + b.se() + 256) % 256
			}
			if next != 0 {
				last = next
			}
		}
	}
}

// cropUnit is how many pixels one step of a crop offset stands for, by chroma format.
func cropUnit(chroma uint64) (x, y uint64) {
	switch chroma {
	case 1:
		return 2, 2
	case 2:
		return 2, 1
	}
	return 1, 1
}

// h265Size is the same for H.265. nal includes its two-byte header.
func h265Size(nal []byte) (width, height int, err error) {
	b := newBitReader(nal, 2)
	b.skip(4)
	layers := b.bits(3)
	b.skip(1)
	skipProfileTierLevel(b, layers)
	b.ue() // id
	chroma := b.ue()
	if chroma == 3 {
		b.skip(1)
	}
	w, h := b.ue(), b.ue()
	if b.bits(1) == 1 {
		x, y := cropUnit(chroma)
		w -= x * (b.ue() + b.ue())
		h -= y * (b.ue() + b.ue())
	}
	return b.size(w, h)
}

func skipProfileTierLevel(b *bitReader, layers uint64) {
	b.skip(88 + 8)
	var profile, level [8]bool
	for i := range layers {
		profile[i] = b.bits(1) == 1
		level[i] = b.bits(1) == 1
	}
	if layers > 0 {
		b.skip(2 * (8 - int(layers)))
	}
	for i := range layers {
		if profile[i] {
			b.skip(88)
		}
		if level[i] {
			b.skip(8)
		}
	}
}

// bitReader reads the fields of a parameter set and keeps the first error.
type bitReader struct {
	b   []byte
	at  int // in bits
	err error
}

// newBitReader reads behind the header, without the bytes that keep start codes out of a NAL unit.
func newBitReader(nal []byte, header int) *bitReader {
	r := &bitReader{b: make([]byte, 0, len(nal))}
	zeros := 0
	for i := header; i < len(nal); i++ {
		c := nal[i]
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		if zeros++; c != 0 {
			zeros = 0
		}
		r.b = append(r.b, c)
	}
	return r
}

func (r *bitReader) bits(n int) uint64 {
	var v uint64
	for range n {
		if r.at >= len(r.b)*8 {
			r.err = fmt.Errorf("%w: cut off", errSPS)
			return 0
		}
		v = v<<1 | uint64(r.b[r.at/8]>>(7-r.at%8)&1)
		r.at++
	}
	return v
}

func (r *bitReader) skip(n int) { r.at += n }

// ue reads an unsigned Exp-Golomb code.
func (r *bitReader) ue() uint64 {
	zeros := 0
	for r.bits(1) == 0 {
		if zeros++; zeros > 32 || r.err != nil {
			r.err = fmt.Errorf("%w: number too long", errSPS)
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

func (r *bitReader) se() int64 {
	v := r.ue()
	if v&1 == 1 {
		return int64(v/2) + 1
	}
	return -int64(v / 2)
}

func (r *bitReader) size(w, h uint64) (int, int, error) {
	if r.err != nil {
		return 0, 0, r.err
	}
	if w < 1 || h < 1 || w > 65535 || h > 65535 {
		return 0, 0, fmt.Errorf("%w: size %dx%d", errSPS, w, h)
	}
	return int(w), int(h), nil
}
