package harness

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"
)

// GenerateJPEG returns a picture of the given size; seed makes it differ from others. Quality is 1 to 100.
func GenerateJPEG(t testing.TB, width, height, quality, seed int) []byte {
	t.Helper()
	img := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	fill(img.Cb, 110)
	fill(img.Cr, 140)
	for y := range height {
		for x := range width {
			img.Y[img.YOffset(x, y)] = uint8((x + y + seed*7) / 4)
		}
	}
	// the seed as bars, so that any two seeds make different pictures
	for bit := range 32 {
		shade := color.YCbCrModel.Convert(color.Gray{Y: uint8(seed >> bit & 1 * 255)}).(color.YCbCr).Y
		for x := bit * width / 32; x < (bit+1)*width/32; x++ {
			for y := range min(8, height) {
				img.Y[img.YOffset(x, y)] = shade
			}
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatalf("encoding a picture: %v", err)
	}
	return b.Bytes()
}

// JPEGOfSize returns a picture of the given width and height in exactly n bytes: it is padded with comment segments.
func JPEGOfSize(t testing.TB, width, height, n, seed int) []byte {
	t.Helper()
	for _, quality := range []int{75, 30, 5, 1} {
		picture := GenerateJPEG(t, width, height, quality, seed)
		if pad := n - len(picture); pad == 0 || pad >= minComment {
			return padded(picture, pad)
		}
	}
	t.Fatalf("no %dx%d picture fits in %d bytes", width, height, n)
	return nil
}

const (
	minComment = 4             // marker and length
	maxComment = 2 + 1<<16 - 1 // marker, and a length of two bytes that counts itself
)

// padded inserts pad bytes of comments after the start-of-image marker.
func padded(picture []byte, pad int) []byte {
	out := make([]byte, 0, len(picture)+pad)
	out = append(out, picture[:2]...)
	for pad > 0 {
		n := min(pad, maxComment)
		if rest := pad - n; rest > 0 && rest < minComment {
			n -= minComment
		}
		out = append(out, 0xff, 0xfe, byte((n-2)>>8), byte(n-2))
		out = append(out, bytes.Repeat([]byte{'.'}, n-minComment)...)
		pad -= n
	}
	return append(out, picture[2:]...)
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}
