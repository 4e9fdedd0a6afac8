package camera

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"testing"
)

// pictureOf is the first picture that FFmpeg makes of a camera, as the planes of its brightness and colours.
func pictureOf(t *testing.T, c Config, f FFmpeg) []byte {
	t.Helper()
	args, _ := Args(c, f)
	args = slices.DeleteFunc(args, func(a string) bool { return a == "-re" })
	if i := slices.Index(args, "-stream_loop"); i >= 0 {
		args = slices.Delete(args, i, i+2)
	}
	nut, err := exec.CommandContext(t.Context(), "ffmpeg", args...).Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	p, err := newNUTDemuxer(bytes.NewReader(nut), 1<<20, func(int) {}).next()
	if err != nil {
		t.Fatal(err)
	}
	return ffmpegRun(t, "-f", "mjpeg", "-i", writeFile(t, "a.jpg", p.data), "-f", "rawvideo", "-pix_fmt", "yuvj420p", "-")
}

// difference is the average distance of two pictures' planes, in grey levels.
func difference(t *testing.T, got, want []byte) float64 {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
	sum := 0
	for i := range got {
		sum += max(int(got[i])-int(want[i]), int(want[i])-int(got[i]))
	}
	return float64(sum) / float64(len(got))
}

// The reference is FFmpeg's own conversion at its most exact. Quality 2 keeps the encoder's part of the difference small. The picture
// is no sharper than a lens makes it: on the edges of a drawing, scalers differ by how they see the place of a colour sample.
func TestArgs_ColoursAreThoseOfAnExactConversion(t *testing.T) {
	t.Parallel()
	const lens = ":size=320x240:rate=10:duration=0.1,gblur=sigma=1"
	const source = "testsrc2=alpha=255" + lens
	urls := map[string]string{"made-up": "lavfi:" + source, "made-up, RGB": "lavfi:testsrc=decimals=0" + lens}
	for _, matrix := range []string{"bt709", "smpte170m"} {
		for _, r := range []string{"tv", "pc"} {
			urls[matrix+" "+r] = "file:" + encoded(t, "a.mp4", source, "-vf", "scale=out_color_matrix="+matrix+":out_range="+r+",format=yuv420p",
				"-c:v", "libx264", "-qp", "4", "-colorspace", matrix, "-color_range", r)
		}
	}
	urls["MJPEG"] = "file:" + encoded(t, "a.avi", source, "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-q:v", "2")
	for name, url := range urls {
		for _, width := range []int{0, 160} {
			t.Run(fmt.Sprintf("%s, width %d", name, width), func(t *testing.T) {
				t.Parallel()
				s := parseSource(url)
				size, input := "w=iw:h=ih", []string{"-i", s.input}
				if width > 0 {
					size = fmt.Sprintf("w=%d:h=-2", width)
				}
				if s.format != "" {
					input = append([]string{"-f", s.format}, input...)
				}
				want := ffmpegRun(t, append(input, "-vf", "scale="+size+":flags=bicubic+accurate_rnd+full_chroma_int+bitexact:out_range=full,format=yuvj420p",
					"-frames:v", "1", "-f", "rawvideo", "-")...)
				c := testConfig(url, ModeJPEG)
				c.Quality, c.Width = 2, width
				for _, zscale := range []bool{true, false} {
					if d := difference(t, pictureOf(t, c, FFmpeg{Zscale: zscale}), want); d > 1 {
						t.Errorf("zscale %v: %.2f grey levels off on average, want at most 1", zscale, d)
					}
				}
			})
		}
	}
}
