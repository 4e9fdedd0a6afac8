package camera

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"github.com/edge-video/edge-video/schema"
)

// drawn is a picture of one colour with rectangles of other ones in it, encoded as JPEG.
func drawn(t testing.TB, ground color.Color, size image.Point, parts map[image.Rectangle]color.Color, noise int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(m, m.Rect, image.NewUniform(ground), image.Point{}, draw.Src)
	for r, c := range parts {
		draw.Draw(m, r, image.NewUniform(c), image.Point{}, draw.Src)
	}
	if noise > 0 {
		for i := range m.Pix {
			m.Pix[i] = clamp(int(m.Pix[i]) + rand.IntN(2*noise) - noise)
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 75}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gridOfJPEG(t testing.TB, b []byte) *grid {
	t.Helper()
	g, err := FFmpeg{}.gridOf(t.Context(), &schema.Frame{ContentType: schema.ContentJPEG, Data: b})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGrid_NamesTheColourAndNothingElse(t *testing.T) {
	t.Parallel()
	grey := func(y uint8) color.Color { return color.Gray{y} }
	rgb := func(r, g, b uint8) color.Color { return color.RGBA{r, g, b, 255} }
	part := func(x0, y0, x1, y1 int, c color.Color) map[image.Rectangle]color.Color {
		return map[image.Rectangle]color.Color{image.Rect(x0, y0, x1, y1): c}
	}
	wide, small := image.Pt(640, 360), image.Pt(161, 121)
	for name, c := range map[string]struct {
		ground color.Color
		size   image.Point
		parts  map[image.Rectangle]color.Color
		noise  int
		want   Look
	}{
		"black":                         {grey(0), wide, nil, 0, LookBlack},
		"video's black, taken as it is": {grey(16), small, nil, 0, LookBlack},
		"a covered lens with noise":     {grey(8), wide, nil, 12, LookBlack},
		"grey":                          {grey(128), wide, nil, 0, LookGrey},
		"green":                         {rgb(0, 128, 0), small, nil, 0, LookGreen},
		"a decoder's green":             {rgb(0, 135, 0), wide, nil, 0, LookGreen},
		"bright green":                  {rgb(0, 255, 0), wide, nil, 0, LookGreen},
		"white":                         {grey(255), wide, nil, 0, LookFlat},
		"blue":                          {rgb(0, 0, 255), wide, nil, 0, LookFlat},
		"one pixel":                     {grey(128), image.Pt(1, 1), nil, 0, LookGrey},
		"black with name and clock":     {grey(0), wide, part(20, 15, 200, 30, grey(255)), 0, LookBlack},
		"dark with a lamp":              {grey(4), wide, part(300, 150, 308, 158, grey(200)), 0, LookFine},
		"dark with shapes":              {grey(4), wide, part(150, 100, 250, 350, grey(14)), 0, LookFine},
		"dark under a sky":              {grey(4), wide, part(0, 0, 640, 30, grey(40)), 0, LookFine},
		"half grey":                     {grey(128), wide, part(0, 180, 640, 360, grey(60)), 0, LookFine},
		"two colours of one lightness":  {rgb(0, 128, 0), wide, part(0, 180, 640, 360, rgb(180, 36, 36)), 0, LookFine},
	} {
		if got := gridOfJPEG(t, drawn(t, c.ground, c.size, c.parts, c.noise)).colour(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestGrid_TellsADigitButNotNoise(t *testing.T) {
	t.Parallel()
	hd := image.Pt(1280, 720)
	digit := map[image.Rectangle]color.Color{image.Rect(700, 30, 704, 54): color.White} // one stroke of it
	scene := gridOfJPEG(t, drawn(t, color.Gray{90}, hd, nil, 20))
	if !scene.shows(gridOfJPEG(t, drawn(t, color.Gray{90}, hd, nil, 20))) {
		t.Error("noise makes another picture")
	}
	if scene.shows(gridOfJPEG(t, drawn(t, color.Gray{90}, hd, digit, 20))) {
		t.Error("a digit makes no other picture")
	}
}

func TestGrid_GrayJPEG(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 33, 17)), nil); err != nil {
		t.Fatal(err)
	}
	if got := gridOfJPEG(t, b.Bytes()).colour(); got != LookBlack {
		t.Errorf("%q, want black", got)
	}
}

func FuzzGrid(f *testing.F) {
	for _, size := range []image.Point{{1, 1}, {17, 3}, {64, 64}} {
		f.Add(drawn(f, color.Gray{90}, size, nil, 20))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || c.Width*c.Height > 1<<20 {
			return
		}
		g, err := FFmpeg{}.gridOf(t.Context(), &schema.Frame{ContentType: schema.ContentJPEG, Data: b})
		if err == nil && !g.shows(g) {
			t.Error("a picture does not show what it shows")
		}
		if err == nil {
			g.colour()
		}
	})
}
