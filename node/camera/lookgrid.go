package camera

import (
	"image"
	"image/color"
)

// A grid has the format of most pictures: its cells are squares of 40 pixels at 1280x720, in which a digit that changes shows, and
// over which noise averages out.
const gridWidth, gridHeight = 32, 18

// grid is a picture in coarse: means of luma and chroma over its cells, full range.
type grid [gridWidth * gridHeight]cell

// cell holds luma, blue and red.
type cell [3]uint8

const (
	cellSpread  = 6 // how far cells of one colour lie apart
	cellChange  = 4 // how far a cell of the same picture differs, encoded anew
	edgeRows    = gridHeight / 8
	edgeTrouble = 3 // one in so many cells of an edge's rows may be an overlay
)

// newGrid averages over a picture of any size.
func newGrid(m *image.YCbCr) *grid {
	g := &grid{}
	b := m.Rect
	for row := range gridHeight {
		top, bottom := slice(b.Min.Y, b.Dy(), row, gridHeight)
		for column := range gridWidth {
			left, right := slice(b.Min.X, b.Dx(), column, gridWidth)
			c := &g[row*gridWidth+column]
			c[0] = mean(m.Y, m.YStride, image.Rect(left, top, right, bottom).Sub(b.Min))
			chroma := chromaRect(m, left, top, right, bottom)
			c[1], c[2] = mean(m.Cb, m.CStride, chroma), mean(m.Cr, m.CStride, chroma)
		}
	}
	return g
}

// slice is the part of a length that belongs to a cell, one pixel at least.
func slice(start, length, i, n int) (from, to int) {
	from = i * length / n
	return start + from, start + max((i+1)*length/n, from+1)
}

// chromaRect is where the colour of some pixels lies in its planes.
func chromaRect(m *image.YCbCr, left, top, right, bottom int) image.Rectangle {
	from, to := m.COffset(left, top), m.COffset(right-1, bottom-1)
	return image.Rect(from%m.CStride, from/m.CStride, to%m.CStride+1, to/m.CStride+1)
}

func mean(plane []byte, stride int, r image.Rectangle) uint8 {
	sum := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for _, v := range plane[y*stride+r.Min.X : y*stride+r.Max.X] {
			sum += int(v)
		}
	}
	return uint8(sum / (r.Dx() * r.Dy()))
}

// shows reports whether another picture shows the same.
func (g *grid) shows(other *grid) bool {
	for i := range g {
		for p := range g[i] {
			if d := int(g[i][p]) - int(other[i][p]); d > cellChange || d < -cellChange {
				return false
			}
		}
	}
	return true
}

// colour names the one colour that a picture shows, [LookFine] for a picture of more. In the middle three quarters no cell may differ,
// so that a dark scene with a single lamp is a scene. Clock and name that a camera writes over its pictures stand near the upper and
// the lower edge, and are not counted there.
func (g *grid) colour() Look {
	var low, high cell
	const first, end = edgeRows * gridWidth, (gridHeight - edgeRows) * gridWidth
	low, high = g[first], g[first]
	var sum [3]int
	for _, c := range g[first:end] {
		for p, v := range c {
			low[p], high[p] = min(low[p], v), max(high[p], v)
			sum[p] += int(v)
		}
	}
	for p := range low {
		if high[p]-low[p] > cellSpread {
			return LookFine
		}
	}
	other := 0
	for i, c := range g {
		if (i < first || i >= end) && !c.near(low, high) {
			other++
		}
	}
	if other*edgeTrouble > len(g)-(end-first) {
		return LookFine
	}
	const n = end - first
	return colourName(color.YCbCrToRGB(uint8(sum[0]/n), uint8(sum[1]/n), uint8(sum[2]/n)))
}

func (c cell) near(low, high cell) bool {
	for p, v := range c {
		if int(v) < int(low[p])-cellSpread || int(v) > int(high[p])+cellSpread {
			return false
		}
	}
	return true
}

func colourName(r, g, b uint8) Look {
	low, high := min(r, g, b), max(r, g, b)
	switch {
	case high < 48:
		return LookBlack
	case high-low < 24 && high < 208:
		return LookGrey
	case g == high && int(g) > int(max(r, b))+40:
		return LookGreen
	}
	return LookFlat
}
