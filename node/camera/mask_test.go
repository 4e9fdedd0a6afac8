package camera

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"slices"
	"strconv"
	"testing"
)

// A magenta picture shows in brightness and both colours where it is not masked.
const magenta = "color=magenta:size=322x242:rate=10:duration=0.1"

var testMasks = []Mask{{X: 0.1, Y: 0, Width: 0.2, Height: 0.3}, {X: 0.5, Y: 0.65, Width: 0.5, Height: 0.35}, {X: 0.333, Y: 0.5, Width: 0.001, Height: 0.1}}

// covered reports whether a mask covers any part of a pixel, and whether one comes within margin pixels of it.
func covered(masks []Mask, p image.Point, size image.Point, margin int) (inside, near bool) {
	for _, m := range masks {
		r := image.Rect(int(math.Floor(m.X*float64(size.X))), int(math.Floor(m.Y*float64(size.Y))),
			int(math.Ceil((m.X+m.Width)*float64(size.X))), int(math.Ceil((m.Y+m.Height)*float64(size.Y))))
		inside = inside || p.In(r)
		near = near || p.In(r.Inset(-margin))
	}
	return inside, near
}

// Sizes are odd in places where the colour planes have half as many samples, and the masks' edges fall between pixels.
func TestMask_CoversEveryPixelItTouches(t *testing.T) {
	for format, shift := range map[string]image.Point{"yuv420p": {X: 1, Y: 1}, "yuv422p": {X: 1}, "yuv444p": {}} {
		for _, size := range []image.Point{{X: 322, Y: 242}, {X: 321, Y: 239}} {
			var chain string
			for _, m := range testMasks {
				chain += "," + m.filter()
			}
			raw := ffmpegRun(t, "-f", "lavfi", "-i", magenta, "-vf", "scale="+strconv.Itoa(size.X)+":"+strconv.Itoa(size.Y)+",format="+format+chain,
				"-frames:v", "1", "-f", "rawvideo", "-")
			colours := image.Pt((size.X+shift.X)>>shift.X, (size.Y+shift.Y)>>shift.Y)
			plane := size.X * size.Y
			if len(raw) != plane+2*colours.X*colours.Y {
				t.Fatalf("%d bytes", len(raw))
			}
			for i := range plane {
				p := image.Pt(i%size.X, i/size.X)
				inside, near := covered(testMasks, p, size, 2)
				colour := plane + (p.Y>>shift.Y)*colours.X + (p.X >> shift.X)
				y, u, v := raw[i], raw[colour], raw[colour+colours.X*colours.Y]
				if inside && (y > 16 || u != 128 || v != 128) {
					t.Fatalf("%s %v: the masked pixel %v is %d %d %d", format, size, p, y, u, v)
				}
				if !near && (y < 90 || u < 180 || v < 180) {
					t.Fatalf("%s %v: the pixel %v beside the masks is %d %d %d", format, size, p, y, u, v)
				}
			}
		}
	}
}

func TestMask_IsInThePicturesOfEveryModeAndWidth(t *testing.T) {
	clip := encoded(t, "a.mp4", magenta, x264...)
	for _, url := range []string{"lavfi:" + magenta, "file:" + clip} {
		for _, mode := range []Mode{ModeJPEG, ModeKeyframes} {
			for _, width := range []int{0, 160} {
				c := testConfig(url, mode)
				c.Masks, c.Quality, c.Width = testMasks[:2], 2, width
				demux := newNUTDemuxer(bytes.NewReader(nutOf(t, c)), 1<<20, func(int) {})
				p, err := demux.next()
				if err != nil {
					t.Fatal(err)
				}
				picture, err := jpeg.Decode(bytes.NewReader(p.data))
				if err != nil {
					t.Fatal(err)
				}
				checkMasked(t, picture, c)
			}
		}
	}
}

// checkMasked leaves a margin at edges, on which the encoder's blocks ring.
func checkMasked(t *testing.T, picture image.Image, c Config) {
	t.Helper()
	const margin = 8
	size := picture.Bounds().Size()
	dark := 0
	for x := range size.X {
		for y := range size.Y {
			p := image.Pt(x, y)
			inside, near := covered(c.Masks, p, size, margin)
			r, g, b, _ := picture.At(x, y).RGBA()
			deep := inside && !slices.ContainsFunc([]image.Point{{X: margin}, {X: -margin}, {Y: margin}, {Y: -margin}}, func(d image.Point) bool {
				q := p.Add(d)
				in, _ := covered(c.Masks, q, size, 0)
				return q.In(picture.Bounds()) && !in
			})
			if deep {
				dark++
			}
			if deep && max(r, g, b)>>8 > 24 || !near && (r>>8 < 200 || g>>8 > 50 || b>>8 < 200) {
				t.Fatalf("%s %s width %d: pixel %v is %d %d %d, masked %v", c.URL, c.Mode, c.Width, p, r>>8, g>>8, b>>8, inside)
			}
		}
	}
	if dark == 0 {
		t.Error("nothing was looked at")
	}
}
