package camera

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// nutCases are FFmpeg outputs of every kind: small pictures, whose beginnings NUT may leave out, large ones, whose headers carry a
// checksum, and time bases of the encoder and of the camera.
func nutCases(t testing.TB) map[string]func() []byte {
	lavfi := func(size string, rate int) Config {
		return testConfig(fmt.Sprintf("lavfi:testsrc2=size=%s:rate=%d:duration=2", size, rate), ModeJPEG)
	}
	noise := testConfig("lavfi:color=gray:size=1280x720:rate=10:duration=1,noise=alls=100:allf=t", ModeJPEG)
	noise.Quality = 2
	made := func(c Config) func() []byte { return func() []byte { return nutOf(t, c) } }
	file := func(name, source string, options ...string) func() []byte {
		return func() []byte { return nutOf(t, testConfig("file:"+encoded(t, name, source, options...), ModeCopy)) }
	}
	return map[string]func() []byte{
		"jpeg small":      made(lavfi("64x48", 10)),
		"jpeg":            made(lavfi("640x360", 10)),
		"jpeg large":      made(noise),
		"h264 mp4":        file("a.mp4", "testsrc2=size=320x240:rate=10:duration=2", x264...),
		"h264 ts":         file("a.ts", "testsrc2=size=320x240:rate=10:duration=2", x264...),
		"h264 ts bframes": file("a.ts", "testsrc2=size=320x240:rate=10:duration=2", "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-bf", "2"),
		"h264 ts large": file("b.ts", "color=gray:size=1280x720:rate=10:duration=1,noise=alls=60:allf=t",
			"-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-bf", "0", "-qp", "10"),
		"hevc mp4":  file("a.mp4", "testsrc2=size=320x240:rate=10:duration=2", x265...),
		"hevc ts":   file("a.ts", "testsrc2=size=320x240:rate=10:duration=2", x265...),
		"mjpeg mov": file("a.mov", "testsrc2=size=320x240:rate=10:duration=2", "-c:v", "mjpeg"),
	}
}

type demuxed struct {
	packets []packet
	foreign int
	stream  nutVideo
	err     error
	d       *nutDemuxer
}

// demux reads b to its end, in pieces as a pipe would give them.
func demux(b []byte, most int) (r demuxed) {
	r.d = newNUTDemuxer(&chunks{b: b}, most, func(n int) { r.foreign += n })
	for {
		p, err := r.d.next()
		if err != nil {
			r.err, r.stream = err, r.d.stream
			return r
		}
		r.packets = append(r.packets, p)
	}
}

// chunks gives a buffer out in pieces of odd size.
type chunks struct {
	b []byte
	n int
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	c.n = c.n*7%4093 + 1
	n := copy(b[:min(len(b), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}

func TestNUT_PacketsAreFFprobes(t *testing.T) {
	t.Parallel()
	for name, made := range nutCases(t) {
		t.Run(name, func(t *testing.T) {
			b := made()
			got := demux(b, 64<<20)
			if !errors.Is(got.err, io.EOF) || got.foreign != 0 {
				t.Errorf("ended with %v and %d foreign bytes, want EOF and none", got.err, got.foreign)
			}
			var want struct {
				Packets []struct {
					PTS   int64
					Size  string
					Flags string
				}
				Streams []struct {
					Time_base string
				}
			}
			probe(t, writeFile(t, "a.nut", b), &want, "-show_entries", "packet=pts,size,flags:stream=time_base")
			if tb := fmt.Sprintf("%d/%d", got.stream.num, got.stream.den); tb != want.Streams[0].Time_base {
				t.Errorf("time base %s, want %s", tb, want.Streams[0].Time_base)
			}
			if len(got.packets) != len(want.Packets) || len(want.Packets) < 10 {
				t.Fatalf("%d packets, want %d", len(got.packets), len(want.Packets))
			}
			for i, p := range got.packets {
				w := want.Packets[i]
				if p.pts != w.PTS || strconv.Itoa(len(p.data)) != w.Size || p.size != len(p.data) || p.keyframe != strings.Contains(w.Flags, "K") {
					t.Errorf("packet %d: pts %d, %d bytes, key %v, want %+v", i, p.pts, len(p.data), p.keyframe, w)
				}
			}
		})
	}
}

// frameEnds are the offsets in b behind each picture, and syncs those of start codes of syncpoints.
func frameEnds(b []byte) (ends []int) {
	counted := &countingReader{r: bytes.NewReader(b)}
	d := newNUTDemuxer(counted, 64<<20, func(int) {})
	for {
		if _, err := d.next(); err != nil {
			return ends
		}
		ends = append(ends, counted.n-d.r.Buffered())
	}
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

func TestNUT_ForeignBytesCostNothingBeyondTheNextSyncpoint(t *testing.T) {
	t.Parallel()
	c := testConfig("lavfi:testsrc2=size=320x240:rate=25:duration=2", ModeJPEG)
	c.FPS = 25
	b := nutOf(t, c)
	want := demux(b, 4<<20)
	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	foreign := map[string][]byte{
		"line":       []byte("hello\n"),
		"one byte":   {'N'},
		"zeros":      make([]byte, 100),
		"random":     random,
		"start code": {0x4E, 0x4B, 0xE4, 0xAD, 0xEE, 0xCA, 0x45, 0x69},
		"half code":  {0x4E, 0x4B, 0xE4, 0xAD},
		"long":       bytes.Repeat([]byte("libva info: VA-API version 1.17.0\n"), 200),
	}
	places := append([]int{0, len(nutFileID)}, frameEnds(b)...)
	for name, f := range foreign {
		t.Run(name, func(t *testing.T) {
			for _, at := range places {
				injected := bytes.Join([][]byte{b[:at], f, b[at:]}, nil)
				good, bad, foreign := readPictures(injected)
				next := at + bytes.Index(b[at:], []byte{0x4E, 0x4B, 0xE4, 0xAD, 0xEE, 0xCA, 0x45, 0x69})
				if next < at {
					next = len(b)
				}
				checkInjected(t, at, next, frameEnds(b), want.packets, good)
				if bad+foreign == 0 && at < len(b) {
					t.Errorf("at %d: the foreign bytes were not counted", at)
				}
			}
		})
	}
}

// readPictures does what a session does with JPEG pictures.
func readPictures(b []byte) (good []packet, bad, foreign int) {
	d := newNUTDemuxer(bytes.NewReader(b), 4<<20, func(n int) { foreign += n })
	for {
		p, err := d.next()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			bad++
		}
		if err != nil {
			return good, bad, foreign
		}
		if _, _, err := jpegSize(p.data); err != nil {
			bad++
			d.reread(p)
			continue
		}
		good = append(good, p)
	}
}

// checkInjected holds that all pictures before at and after next are there, and none that FFmpeg did not write.
func checkInjected(t *testing.T, at, next int, ends []int, want, got []packet) {
	t.Helper()
	known := map[string]packet{}
	for _, p := range want {
		known[string(p.data)] = p
	}
	found := map[string]bool{}
	for _, p := range got {
		w, ok := known[string(p.data)]
		if !ok {
			t.Fatalf("at %d: a picture of %d bytes that FFmpeg did not write", at, p.size)
		}
		if w.pts != p.pts && ends[indexOf(want, w)] > next {
			t.Errorf("at %d: pts %d, want %d", at, p.pts, w.pts)
		}
		found[string(p.data)] = true
	}
	for i, p := range want {
		start := 0
		if i > 0 {
			start = ends[i-1]
		}
		if (ends[i] <= at || start >= next) && !found[string(p.data)] {
			t.Errorf("injected at %d, next syncpoint at %d: picture %d at %d to %d is missing", at, next, i, start, ends[i])
		}
	}
}

func indexOf(packets []packet, p packet) int {
	for i := range packets {
		if packets[i].pts == p.pts {
			return i
		}
	}
	return -1
}

func TestNUT_CutAnywhereEnds(t *testing.T) {
	t.Parallel()
	b := nutOf(t, testConfig("lavfi:testsrc2=size=64x48:rate=10:duration=0.5", ModeJPEG))
	whole := demux(b, 4<<20).packets
	for n := range b {
		got := demux(b[:n], 4<<20)
		if !errors.Is(got.err, io.EOF) && !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, got.err)
		}
		for i, p := range got.packets {
			if !bytes.Equal(p.data, whole[i].data) {
				t.Fatalf("cut at %d: picture %d differs", n, i)
			}
		}
	}
}

func TestNUT_OverCapIsSkippedAndTheNextIsRight(t *testing.T) {
	t.Parallel()
	cases := nutCases(t)
	for name, most := range map[string]int{"h264 ts large": 100_000, "jpeg large": 1000, "h264 mp4": 5000} {
		t.Run(name, func(t *testing.T) {
			b := cases[name]()
			want, got := demux(b, 64<<20).packets, demux(b, most)
			if len(got.packets) != len(want) || !errors.Is(got.err, io.EOF) || got.foreign != 0 {
				t.Fatalf("%d packets, %v, %d foreign bytes, want %d", len(got.packets), got.err, got.foreign, len(want))
			}
			over := 0
			for i, p := range got.packets {
				w := want[i]
				if w.size > most {
					over++
					w.data = nil
				}
				if p.size != w.size || p.pts != w.pts || p.keyframe != w.keyframe || !bytes.Equal(p.data, w.data) || (p.data == nil) != (w.data == nil) {
					t.Errorf("packet %d: %d bytes at %d, want %d at %d", i, p.size, p.pts, w.size, w.pts)
				}
			}
			if over == 0 {
				t.Error("no picture was over the cap")
			}
		})
	}
}

func FuzzNUT(f *testing.F) {
	for _, b := range [][]byte{
		nutOf(f, testConfig("lavfi:testsrc2=size=16x16:rate=10:duration=0.2", ModeJPEG)),
		nutOf(f, testConfig("file:"+encoded(f, "a.ts", "testsrc2=size=16x16:rate=10:duration=0.2", x264...), ModeCopy)),
	} {
		f.Add(b)
		f.Add(append([]byte("hello\n"), b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := demux(b, 1<<20)
		total := r.foreign
		for _, p := range r.packets {
			total += len(p.data) - min(p.elided, len(p.data))
			if p.data != nil && len(p.data) != p.size || p.size > 1<<20 && p.data != nil {
				t.Errorf("a packet of %d bytes has %d", p.size, len(p.data))
			}
		}
		if total > len(b) {
			t.Errorf("%d bytes out of %d", total, len(b))
		}
		if !errors.Is(r.err, io.EOF) && !errors.Is(r.err, io.ErrUnexpectedEOF) {
			t.Errorf("ended with %v", r.err)
		}
	})
}
