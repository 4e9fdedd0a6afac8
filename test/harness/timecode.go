package harness

import (
	"image"
	"time"
)

// A time code is a time drawn into the upper quarter of a picture as 4 rows of 16 black and white blocks, the most significant bit
// first: 52 bits of microseconds since 1970, 12 bits of checksum. It bears scaling and hard compression.
const (
	codeColumns, codeRows = 16, 4
	codeBits              = codeColumns * codeRows
	codeChecked           = 12
	codeHeight            = 16 // the picture's height in blocks
)

// drawTime writes a time into the luma plane of a picture.
func drawTime(luma []byte, width, height int, at time.Time) {
	code := sealed(uint64(at.UnixMicro()))
	w, h := width/codeColumns, height/codeHeight
	for row := range codeRows {
		first := luma[row*h*width:][:width]
		for column := range codeColumns {
			shade := byte(16)
			if code>>(codeBits-1-row*codeColumns-column)&1 == 1 {
				shade = 235
			}
			fill(first[column*w:(column+1)*w], shade)
		}
		for y := 1; y < h; y++ {
			copy(luma[(row*h+y)*width:], first)
		}
	}
}

// TimeIn is the time that a [TimedCamera] drew into a picture. It is false where the picture holds no intact time.
func TimeIn(m image.Image) (time.Time, bool) {
	b := m.Bounds()
	w, h := b.Dx()/codeColumns, b.Dy()/codeHeight
	if w < 4 || h < 4 {
		return time.Time{}, false
	}
	var code uint64
	for row := range codeRows {
		for column := range codeColumns {
			code <<= 1
			if shadeOf(m, image.Rect(column*w+w/4, row*h+h/4, (column+1)*w-w/4, (row+1)*h-h/4).Add(b.Min)) > 1<<15 {
				code |= 1
			}
		}
	}
	micro := code >> codeChecked
	return time.UnixMicro(int64(micro)), code == sealed(micro)
}

// sealed is a time with its checksum, of which 0 is not one.
func sealed(micro uint64) uint64 {
	sum := micro*0x9e3779b97f4a7c15>>(codeBits-codeChecked) ^ 0xa5a
	return micro<<codeChecked | sum
}

// shadeOf is the average shade of a part of a picture, from 0 to 65535.
func shadeOf(m image.Image, part image.Rectangle) uint32 {
	var sum, n uint32
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			r, g, b, _ := m.At(x, y).RGBA()
			sum += (r + g + b) / 3 >> 8
			n++
		}
	}
	return sum / max(n, 1) << 8
}
