package camera

import (
	"bytes"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/edge-video/edge-video/schema"
)

// sources are files whose packets come as NAL units with lengths (mp4) and in Annex-B form (ts), with and without delimiters.
func videoFiles(t testing.TB) map[string]string {
	source := "testsrc2=size=320x242:rate=10:duration=2"
	return map[string]string{
		"h264 mp4":            encoded(t, "a.mp4", source, x264...),
		"h264 mp4 delimited":  encoded(t, "a.mp4", source, append(x264, "-x264-params", "aud=1")...),
		"h264 mp4 in band":    encoded(t, "a.mp4", source, append(x264, "-x264-params", "repeat-headers=1")...),
		"h264 ts":             encoded(t, "a.ts", source, x264...),
		"h264 mkv":            encoded(t, "a.mkv", source, x264...),
		"h264 mov slices":     encoded(t, "a.mov", source, append(x264, "-slices", "4")...),
		"h264 mp4 reordered":  encoded(t, "a.mp4", source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-bf", "2"),
		"h264 mp4 interlaced": encoded(t, "a.mp4", "testsrc2=size=320x240:rate=10:duration=2", append(x264, "-flags", "+ilme+ildct", "-x264-params", "tff=1")...),
		"h265 mp4 reordered":  encoded(t, "a.mp4", source, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=5:bframes=2:open-gop=0"),
		"h265 mp4":            encoded(t, "a.mp4", source, x265...),
		"h265 ts":             encoded(t, "a.ts", source, x265...),
		"h265 mp4 hvc1":       encoded(t, "a.mp4", source, append(x265, "-tag:v", "hvc1")...),
	}
}

func kinds(codec *videoCodec, unit []byte) (all []nalKind) {
	for _, n := range splitAnnexB(nil, unit) {
		all = append(all, codec.kind(n))
	}
	return all
}

func TestAccessUnits_EveryKeyframeIsABeginning(t *testing.T) {
	t.Parallel()
	for name, path := range videoFiles(t) {
		t.Run(name, func(t *testing.T) {
			u, units, keys := videoOf(t, path)
			beginnings := 0
			for i, unit := range units {
				if !keys[i] {
					continue
				}
				beginnings++
				got := kinds(u.codec, unit)
				if got[0] == nalDelimiter {
					got = got[1:]
				}
				for j, want := range u.codec.sets {
					if j >= len(got) || got[j] != want {
						t.Fatalf("keyframe %d holds %v, want it to begin with %v", i, got, u.codec.sets)
					}
				}
				checkDecodes(t, u.codec, units[i:])
			}
			if beginnings < 3 || !keys[0] {
				t.Errorf("%d keyframes of %d", beginnings, len(units))
			}
		})
	}
}

// checkDecodes lets a stock decoder read the units.
func checkDecodes(t *testing.T, codec *videoCodec, units [][]byte) {
	t.Helper()
	format := map[string]string{schema.ContentH264: "h264", schema.ContentH265: "hevc"}[codec.contentType]
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "warning", "-f", format, "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "-")
	cmd.Stdin = bytes.NewReader(bytes.Join(units, nil))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || errs.Len() > 0 {
		t.Errorf("decoding: %v\n%s", err, errs.Bytes())
	}
	if got := strings.TrimSpace(string(out)); got != strconv.Itoa(len(units)) {
		t.Errorf("%s frames decoded, want %d", got, len(units))
	}
}

func TestAccessUnits_SetsComeBehindTheDelimiter(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{"h264": x264, "h265": x265} {
		t.Run(name, func(t *testing.T) {
			u, units, keys := videoOf(t, encoded(t, "a.ts", "testsrc2=size=320x242:rate=10:duration=1", options...))
			var extradata []byte
			for _, k := range u.codec.sets {
				for _, set := range u.sets[k] {
					extradata = append(append(extradata, 0, 0, 0, 1), set...)
				}
			}
			bare, err := newAccessUnits(u.codec, extradata)
			if err != nil {
				t.Fatal(err)
			}
			var again [][]byte
			for i, unit := range units {
				got, key, err := bare.convert(withoutSets(u.codec, unit), keys[i])
				if err != nil || key != keys[i] {
					t.Fatalf("unit %d: key %v, %v", i, key, err)
				}
				if k := kinds(u.codec, got); k[0] != nalDelimiter || key && k[1] != u.codec.sets[0] || !key && k[1] != nalSlice {
					t.Errorf("unit %d holds %v, key %v", i, k, key)
				}
				again = append(again, got)
			}
			if bare.width != 320 || bare.height != 242 {
				t.Errorf("%dx%d, want 320x242", bare.width, bare.height)
			}
			checkDecodes(t, u.codec, again)
		})
	}
}

func withoutSets(codec *videoCodec, unit []byte) (b []byte) {
	for _, n := range splitAnnexB(nil, unit) {
		if k := codec.kind(n); k == nalDelimiter || k == nalSlice || k == nalKey {
			b = append(append(b, 0, 0, 1), n...)
		}
	}
	return b
}

func TestAccessUnits_NewSetsReplaceOld(t *testing.T) {
	t.Parallel()
	u, small, _ := videoOf(t, encoded(t, "a.ts", "testsrc2=size=320x242:rate=10:duration=1", x264...))
	_, large, _ := videoOf(t, encoded(t, "a.ts", "testsrc2=size=640x482:rate=10:duration=1", x264...))
	if _, _, err := u.convert(large[0], true); err != nil {
		t.Fatal(err)
	}
	if u.width != 640 || u.height != 482 {
		t.Errorf("%dx%d, want 640x482", u.width, u.height)
	}
	got, _, err := u.convert(withoutSets(u.codec, large[0]), true)
	if err != nil {
		t.Fatal(err)
	}
	checkDecodes(t, u.codec, append([][]byte{got}, large[1:]...))
	if _, _, err := u.convert(small[0], true); err != nil || u.width != 320 {
		t.Errorf("width %d, %v, want 320", u.width, err)
	}
}

func TestAccessUnits_ForeignIsRefused(t *testing.T) {
	t.Parallel()
	annexB, err := newAccessUnits(codecOf("H264"), nil)
	if err != nil {
		t.Fatal(err)
	}
	mp4, _, _ := videoOf(t, encoded(t, "a.mp4", "testsrc2=size=64x48:duration=0.2", x264...))
	for name, c := range map[string]struct {
		u    *accessUnits
		data []byte
	}{
		"empty":            {annexB, nil},
		"text":             {annexB, []byte("hello, this is no picture\n")},
		"text before":      {annexB, []byte("hello\x00\x00\x01\x65\x88\x84")},
		"forbidden bit":    {annexB, []byte("\x00\x00\x01\xE5\x88\x84")},
		"elided text":      {annexB, []byte("\x00\x00\x01hello\n")},
		"sets alone":       {annexB, []byte("\x00\x00\x01\x67\x42\x00\x0A\x00\x00\x01\x68\x42\x00")},
		"start code alone": {annexB, []byte("\x00\x00\x00\x01")},
		"length too long":  {mp4, []byte("\x00\x00\x00\x09\x65\x88")},
		"length cut":       {mp4, []byte("\x00\x00\x00\x02\x65\x88\x00\x00")},
		"text for lengths": {mp4, []byte("hello\n")},
		"no units":         {mp4, []byte("\x00\x00\x00\x00")},
	} {
		t.Run(name, func(t *testing.T) {
			if b, key, err := c.u.convert(c.data, false); !errors.Is(err, errTorn) {
				t.Errorf("%x, %v, %v, want an error wrapping %v", b, key, err, errTorn)
			}
		})
	}
	if annexB.ready() {
		t.Error("ready without parameter sets")
	}
}

func TestAccessUnits_CutConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{"h264": x264, "h265": x265} {
		r := demux(nutOf(t, testConfig("file:"+encoded(t, "a.mp4", "testsrc2=size=64x48:duration=0.2", options...), ModeCopy)), 1<<20)
		codec, b := codecOf(r.stream.fourcc), r.stream.extradata
		for n := 1; n < len(b); n++ {
			u, err := newAccessUnits(codec, b[:n])
			if err == nil && u.ready() && n < len(b)-16 {
				t.Errorf("%s: ready with %d of %d bytes of configuration", name, n, len(b))
			}
		}
	}
}

func FuzzAccessUnit(f *testing.F) {
	for _, c := range []struct {
		name    string
		options []string
	}{{"a.mp4", x264}, {"a.ts", x264}, {"a.mp4", x265}, {"a.ts", x265}} {
		r := demux(nutOf(f, testConfig("file:"+encoded(f, c.name, "testsrc2=size=16x16:rate=10:duration=0.2", c.options...), ModeCopy)), 1<<20)
		f.Add(r.stream.extradata, r.packets[0].data)
		f.Add(r.stream.extradata, r.packets[1].data)
	}
	f.Fuzz(func(t *testing.T, extradata, data []byte) {
		for _, name := range []string{"H264", "HEVC"} {
			u, err := newAccessUnits(codecOf(name), bytes.Clone(extradata))
			if err != nil {
				continue
			}
			unit, key, err := u.convert(bytes.Clone(data), false)
			if err != nil || u.lengthSize > 0 { // units with lengths may hold start codes
				continue
			}
			again, err := newAccessUnits(codecOf(name), nil)
			if err != nil {
				t.Fatal(err)
			}
			twice, keyTwice, err := again.convert(unit, key)
			if err != nil || keyTwice != key || key && u.ready() && (!again.ready() || !bytes.Equal(twice, unit)) {
				t.Errorf("%s: %x converts again to %x, key %v then %v, %v", name, unit, twice, key, keyTwice, err)
			}
		}
	})
}
