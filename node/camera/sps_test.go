package camera

import (
	"bytes"
	"errors"
	"testing"
)

// videoOf is what the node makes of an H.264 or H.265 file in mode copy.
func videoOf(t testing.TB, path string) (u *accessUnits, units [][]byte, keys []bool) {
	t.Helper()
	r := demux(nutOf(t, testConfig("file:"+path, ModeCopy)), 64<<20)
	codec := codecOf(r.stream.fourcc)
	if codec == nil {
		t.Fatalf("no codec for %q", r.stream.fourcc)
	}
	u, err := newAccessUnits(codec, r.stream.extradata)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range r.packets {
		unit, key, err := u.convert(p.data, p.keyframe)
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		if p.keyframe && !u.ready() {
			t.Errorf("packet %d: a keyframe without parameter sets", i)
		}
		units, keys = append(units, unit), append(keys, key)
	}
	if len(units) == 0 {
		t.Fatal("no packets")
	}
	return u, units, keys
}

func TestSPS_SizeIsFFprobes(t *testing.T) {
	t.Parallel()
	h264 := func(more ...string) []string {
		return append([]string{"-c:v", "libx264", "-preset", "ultrafast", "-frames:v", "2"}, more...)
	}
	h265 := func(more ...string) []string {
		return append([]string{"-c:v", "libx265", "-preset", "ultrafast", "-frames:v", "2"}, append(more, "-x265-params", "log-level=none:scaling-list=default")...)
	}
	for name, c := range map[string]struct {
		size    string
		options []string
	}{
		"1080p":            {"1920x1080", h264()},
		"480p main":        {"854x480", h264("-profile:v", "main")},
		"baseline":         {"642x362", h264("-profile:v", "baseline")},
		"high 8x8":         {"642x362", h264("-preset", "medium", "-x264-params", "cqm=jvt")},
		"444 odd":          {"641x361", h264("-pix_fmt", "yuv444p")},
		"422 odd height":   {"642x361", h264("-pix_fmt", "yuv422p", "-profile:v", "high422")},
		"10 bit":           {"642x362", h264("-pix_fmt", "yuv420p10le")},
		"grey odd":         {"641x361", h264("-pix_fmt", "gray")},
		"interlaced":       {"720x484", h264("-flags", "+ildct+ilme", "-x264-params", "interlaced=1")},
		"interlaced 1080":  {"1920x1080", h264("-flags", "+ildct+ilme", "-x264-params", "interlaced=1")},
		"small":            {"16x16", h264()},
		"vui":              {"322x242", h264("-x264-params", "nal-hrd=vbr:vbv-maxrate=500:vbv-bufsize=500:fullrange=on")},
		"h265 1080p":       {"1920x1080", h265()},
		"h265 odd crop":    {"854x486", h265()},
		"h265 444 odd":     {"641x361", h265("-pix_fmt", "yuv444p")},
		"h265 422":         {"642x361", h265("-pix_fmt", "yuv422p")},
		"h265 10 bit":      {"642x362", h265("-pix_fmt", "yuv420p10le")},
		"h265 sub layers":  {"322x242", []string{"-c:v", "libx265", "-frames:v", "8", "-x265-params", "log-level=none:temporal-layers=3"}},
		"h265 grey":        {"641x361", h265("-pix_fmt", "gray")},
		"h265 single tile": {"64x64", h265()},
	} {
		t.Run(name, func(t *testing.T) {
			path := encoded(t, "a.mp4", "testsrc2=size="+c.size, c.options...)
			var want struct {
				Streams []struct{ Width, Height int }
			}
			probe(t, path, &want, "-show_entries", "stream=width,height")
			u, _, _ := videoOf(t, path)
			if u.width != want.Streams[0].Width || u.height != want.Streams[0].Height {
				t.Errorf("%dx%d, want %dx%d", u.width, u.height, want.Streams[0].Width, want.Streams[0].Height)
			}
		})
	}
}

func FuzzSPS(f *testing.F) {
	for _, options := range [][]string{x264, x265, append(x264, "-pix_fmt", "yuv444p", "-flags", "+ildct+ilme")} {
		u, _, _ := videoOf(f, encoded(f, "a.mp4", "testsrc2=size=66x50:duration=0.2", options...))
		for _, sps := range u.sets[nalSPS] {
			f.Add(sps)
			f.Add(sps[:len(sps)/2])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, size := range map[string]func([]byte) (int, int, error){"h264": h264Size, "h265": h265Size} {
			w, h, err := size(bytes.Clone(b))
			if err != nil && !errors.Is(err, errSPS) || err == nil && (w < 1 || h < 1 || w > 65535 || h > 65535) {
				t.Errorf("%s: %dx%d, %v", name, w, h, err)
			}
		}
	})
}
