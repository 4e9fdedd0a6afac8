package camera

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/test/harness"
)

// goPictures are the pictures that Go's own JPEG decoder is tested with: progressive ones, restart markers, every subsampling.
func goPictures(t testing.TB) map[string][]byte {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skip("no go command: ", err)
	}
	names, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src/image/testdata/*.jpeg"))
	if err != nil || len(names) == 0 {
		t.Skip("Go's sources are not there")
	}
	pictures := map[string][]byte{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(name, "truncated") {
			pictures[filepath.Base(name)] = b
		}
	}
	return pictures
}

func decodedSize(t testing.TB, b []byte) (int, int) {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m.Bounds().Dx(), m.Bounds().Dy()
}

func segment(marker byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(content)+2)), content...)
}

// inserted puts segments behind the start of a picture.
func inserted(picture []byte, segments ...[]byte) []byte {
	return bytes.Join([][]byte{picture[:2], bytes.Join(segments, nil), picture[2:]}, nil)
}

func TestJPEG_SizeIsTheDecoders(t *testing.T) {
	t.Parallel()
	pictures := goPictures(t)
	for name, args := range map[string][]string{
		"ffmpeg":             {"-q:v", "5"},
		"ffmpeg best":        {"-q:v", "1", "-qmin", "1"},
		"ffmpeg default huf": {"-huffman", "default"},
		"ffmpeg 422":         {"-pix_fmt", "yuvj422p"},
		"ffmpeg 444 slices":  {"-pix_fmt", "yuvj444p", "-slices", "4"},
	} {
		pictures[name] = ffmpegRun(t, append(append([]string{"-f", "lavfi", "-i", "testsrc2=size=642x362", "-frames:v", "1", "-c:v", "mjpeg"}, args...), "-f", "image2pipe", "-")...)
	}
	small := harness.GenerateJPEG(t, 37, 21, 60, 1)
	pictures["1x1"] = harness.GenerateJPEG(t, 1, 1, 90, 1)
	pictures["wide"] = harness.GenerateJPEG(t, 65500, 1, 5, 1)
	pictures["thumbnail"] = inserted(small, segment(0xE1, append([]byte("Exif\x00\x00"), harness.GenerateJPEG(t, 16, 16, 50, 2)...)))
	pictures["FFD9 in a comment"] = inserted(small, segment(0xFE, []byte{0xFF, 0xD9, 0xFF, 0xD8, 0xFF, 0xD9}))
	pictures["largest segment"] = inserted(small, segment(0xE2, bytes.Repeat([]byte{0xFF, 0xD9}, (65535-2)/2)))
	pictures["padded"] = append(bytes.Clone(small), make([]byte, 1000)...)
	pictures["second end"] = append(bytes.Clone(small), 0xFF, 0xD9)
	pictures["fill bytes"] = inserted(small, []byte{0xFF, 0xFF, 0xFF, 0xFE, 0, 2})
	for name, b := range pictures {
		t.Run(name, func(t *testing.T) {
			w, h, err := jpegSize(b)
			if err != nil {
				t.Fatal(err)
			}
			if ww, wh := decodedSize(t, b); w != ww || h != wh {
				t.Errorf("%dx%d, want %dx%d", w, h, ww, wh)
			}
		})
	}
}

func TestJPEG_TornIsRefused(t *testing.T) {
	t.Parallel()
	small := harness.GenerateJPEG(t, 33, 17, 60, 1)
	other := harness.GenerateJPEG(t, 16, 16, 60, 2)
	scan := bytes.Index(small, []byte{0xFF, 0xDA})
	torn := map[string][]byte{
		"nothing":             nil,
		"text":                []byte("HTTP/1.1 200 OK\r\n"),
		"foreign head":        append([]byte("x"), small...),
		"foreign tail":        append(bytes.Clone(small), "hello\n"...),
		"foreign behind zero": append(bytes.Clone(small), 0, 0, 'x'),
		"foreign behind ends": append(bytes.Clone(small), 0xFF, 0xD9, 'x'),
		"two pictures":        append(bytes.Clone(small), other...),
		"no end":              append(bytes.Clone(small[:len(small)-2]), 0, 0),
		"only start and end":  {0xFF, 0xD8, 0xFF, 0xD9},
		"no scan":             append(bytes.Clone(small[:scan]), 0xFF, 0xD9),
		"next picture inside": bytes.Join([][]byte{small[:len(small)-20], small}, nil),
		"segment too short":   inserted(small, []byte{0xFF, 0xE1, 0, 1}),
		"segment too long":    inserted(small, []byte{0xFF, 0xE1, 0xFF, 0xFF}),
		"reserved marker":     inserted(small, []byte{0xFF, 0x42, 0, 2}),
		"foreign in a header": inserted(small, []byte("hello\n")),
		"no size":             bytes.Replace(small, []byte{0xFF, 0xC0, 0, 17, 8, 0, 17, 0, 33}, []byte{0xFF, 0xC0, 0, 17, 8, 0, 0, 0, 33}, 1),
	}
	for name, b := range torn {
		t.Run(name, func(t *testing.T) { mustBeTorn(t, b) })
	}
	for n := range small {
		mustBeTorn(t, small[:n])
	}
	for name, b := range goPictures(t) {
		for n := 0; n < len(b); n += 1 + len(b)/300 {
			if _, _, err := jpegSize(b[:n]); !errors.Is(err, errTorn) {
				t.Errorf("%s cut at %d of %d: %v, want %v", name, n, len(b), err, errTorn)
			}
		}
	}
}

func mustBeTorn(t *testing.T, b []byte) {
	t.Helper()
	if w, h, err := jpegSize(b); !errors.Is(err, errTorn) || w != 0 || h != 0 {
		t.Errorf("%d bytes: %dx%d, %v, want an error wrapping %v", len(b), w, h, err, errTorn)
	}
}

func FuzzJPEG(f *testing.F) {
	for _, size := range []image.Point{{1, 1}, {8, 8}, {17, 9}} {
		b := harness.GenerateJPEG(f, size.X, size.Y, 30, 1)
		f.Add(b)
		f.Add(append(bytes.Clone(b), b...))
	}
	for _, b := range goPictures(f) {
		if len(b) < 3500 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, h, err := jpegSize(b)
		if (err == nil) != (w > 0 && h > 0) {
			t.Fatalf("%dx%d and %v", w, h, err)
		}
		c, configErr := jpeg.DecodeConfig(bytes.NewReader(b))
		if err != nil || configErr != nil || c.Width*c.Height > 1<<20 {
			return
		}
		if _, err := jpeg.Decode(bytes.NewReader(b)); err == nil && (c.Width != w || c.Height != h) {
			t.Errorf("%dx%d, want %dx%d", w, h, c.Width, c.Height)
		}
	})
}
