package render

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
)

// stillQuality is that of pictures made smaller here.
const stillQuality = 80

// shrink makes a JPEG smaller. Each pixel of it is the mean of those that it stands for.
func shrink(data []byte, width int) ([]byte, error) {
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err == nil && c.Width*c.Height > maxPixels {
		err = fmt.Errorf("%dx%d is too large", c.Width, c.Height)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPicture, err)
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPicture, err)
	}
	height := max(1, (c.Height*width+c.Width/2)/c.Width)
	small := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	switch m := m.(type) {
	case *image.YCbCr:
		w, h := m.Rect.Dx(), m.Rect.Dy()
		cw, ch := m.CStride, len(m.Cb)/m.CStride
		if full := m.COffset(m.Rect.Max.X-1, m.Rect.Max.Y-1); full >= 0 { // the planes are padded to whole blocks
			cw, ch = full%m.CStride+1, full/m.CStride+1
		}
		average(plane{small.Y, small.YStride, width, height}, plane{m.Y, m.YStride, w, h})
		cols, rows := (width+1)/2, (height+1)/2
		average(plane{small.Cb, small.CStride, cols, rows}, plane{m.Cb, m.CStride, cw, ch})
		average(plane{small.Cr, small.CStride, cols, rows}, plane{m.Cr, m.CStride, cw, ch})
	case *image.Gray:
		average(plane{small.Y, small.YStride, width, height}, plane{m.Pix, m.Stride, m.Rect.Dx(), m.Rect.Dy()})
		for i := range small.Cb {
			small.Cb[i], small.Cr[i] = 128, 128
		}
	default:
		return nil, fmt.Errorf("%w: its colours are of a kind that no camera sends", ErrNoPicture)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: stillQuality}); err != nil {
		return nil, fmt.Errorf("encoding a picture: %w", err)
	}
	return out.Bytes(), nil
}

// plane is one component of a picture.
type plane struct {
	pix           []byte
	stride        int
	width, height int
}

// average fills a plane with the means of a larger one.
func average(to, from plane) {
	sums := make([]uint32, to.width)
	columns := make([]int, to.width+1)
	for x := range columns {
		columns[x] = x * from.width / to.width
	}
	for y := range to.height {
		top := y * from.height / to.height
		bottom := max(top+1, (y+1)*from.height/to.height)
		clear(sums)
		for row := top; row < bottom; row++ {
			line := from.pix[row*from.stride : row*from.stride+from.width]
			for x := range sums {
				var sum uint32
				for _, v := range line[columns[x]:max(columns[x]+1, columns[x+1])] {
					sum += uint32(v)
				}
				sums[x] += sum
			}
		}
		out := to.pix[y*to.stride : y*to.stride+to.width]
		for x := range out {
			n := uint32(max(1, columns[x+1]-columns[x]) * (bottom - top))
			out[x] = byte((sums[x] + n/2) / n)
		}
	}
}
