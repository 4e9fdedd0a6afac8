package camera

import (
	"bytes"
	"context"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// keyframes are the keyframes of an encoded file as frames.
func keyframes(t testing.TB, path string) (frames []*schema.Frame) {
	t.Helper()
	s := &session{reader: &Reader{config: testConfig("file:"+path, ModeCopy)}}
	s.demux = newNUTDemuxer(bytes.NewReader(nutOf(t, s.reader.config)), 4<<20, func(int) {})
	for {
		p, err := s.demux.next()
		if err != nil {
			return frames
		}
		f, err := s.frame(p)
		if err != nil {
			t.Fatal(err)
		}
		if f != nil && f.Keyframe {
			frames = append(frames, f)
		}
	}
}

func TestKeyframes_OneColourIsTinyAndDecodedToItsName(t *testing.T) {
	for name, c := range map[string]struct {
		source  string
		options []string
		want    Look
		tiny    bool
	}{
		"a.h264": {"color=black:size=1280x720:rate=5:duration=1", x264, LookBlack, true},
		"b.h264": {"color=0x008700:size=640x360:rate=5:duration=1", x264, LookGreen, true},
		"c.h264": {"color=gray:size=322x242:rate=5:duration=1", x264, LookGrey, true},
		"d.mp4":  {"color=white:size=1920x1080:rate=5:duration=1", x265, LookFlat, true},
		"e.h264": {"color=black:size=640x360:rate=5:duration=1", append([]string{"-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M",
			"-x264-params", "nal-hrd=cbr"}, x264...), LookBlack, true},
		"f.h264": {"mandelbrot=size=640x360:rate=5,trim=duration=1", x264, LookFine, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := keyframes(t, encoded(t, name, c.source, c.options...))[0]
			s, ok := newLooks(t.Context(), FFmpeg{}, nil).sight(f, ModeCopy, time.Now())
			if !ok || s.period > 0 != c.tiny {
				t.Errorf("%d bytes are tiny: %v, want %v", s.size, s.period > 0, c.tiny)
			}
			g, err := testFFmpeg(t).gridOf(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			if got := g.colour(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// still is one picture full of detail, as a source.
const still = "mandelbrot=size=640x360:rate=10,trim=end_frame=1,noise=alls=20:allf=t,loop=loop=-1:size=1"

func TestKeyframes_OfFrozenPicturesHaveEqualContentAndLiveOnesNot(t *testing.T) {
	cbr := []string{"-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M"}
	for name, c := range map[string]struct {
		source  string
		options []string
		frozen  bool
	}{
		"cavlc.h264": {still, x264, true},
		"cabac.h264": {still, append([]string{"-coder", "1"}, x264...), true},
		"cbr.h264":   {still, append(append([]string{"-coder", "1", "-tune", "zerolatency"}, cbr...), x264...), true},
		"h265.mp4":   {still, x265, true},
		"live.h264":  {still + ",noise=alls=6:allf=t", x264, false},
		"live.mp4":   {still + ",noise=alls=6:allf=t", append(cbr, x265...), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frames := keyframes(t, encoded(t, name, c.source+",trim=duration=5", c.options...))
			seed, seen, again := maphash.MakeSeed(), map[uint64]bool{}, 0
			for _, f := range frames {
				own, _ := keyframeContent(f)
				key := maphash.Bytes(seed, own)
				if seen[key] {
					again++
				}
				seen[key] = true
			}
			if len(frames) < 9 || c.frozen && again < 2 || !c.frozen && again > 0 {
				t.Errorf("%d of %d keyframes came again", again, len(frames))
			}
		})
	}
}

func TestLook_WhatCannotBeDecodedEndsInTimeAndTellsNothing(t *testing.T) {
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	unit := append([]byte{0, 0, 0, 1, 0x65}, noise...)
	for name, f := range map[string]*schema.Frame{
		"noise":     {ContentType: schema.ContentH264, Width: 640, Height: 360, Data: unit},
		"HEVC":      {ContentType: schema.ContentH265, Width: 640, Height: 360, Data: unit},
		"JPEG":      {ContentType: schema.ContentJPEG, Width: 640, Height: 360, Data: unit},
		"not a bit": {ContentType: schema.ContentH264, Width: 640, Height: 360, Data: []byte{0, 0, 0, 1, 0x65}},
	} {
		if g, err := testFFmpeg(t).gridOf(t.Context(), f); err == nil {
			t.Errorf("%s shows %v", name, g[0])
		}
	}
	hanging := FFmpeg{Path: writeFile(t, "ffmpeg", []byte("#!/bin/sh\nexec sleep 60\n"))}
	if err := os.Chmod(hanging.Path, 0o700); err != nil { // it is run
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := hanging.gridOf(ctx, &schema.Frame{ContentType: schema.ContentH264, Width: 640, Height: 360, Data: unit})
	if d := time.Since(began); err == nil || d > 3*time.Second {
		t.Errorf("an FFmpeg that hangs took %v: %v", d, err)
	}
}

func TestLooks_OnlyOneAtATimeLooks(t *testing.T) {
	f := FFmpeg{looking: make(chan struct{}, 1)}
	if !f.beginLook() || f.beginLook() {
		t.Error("want one place")
	}
	f.endLook(0)
	for began := time.Now(); !f.beginLook(); {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the place is not free again")
		}
	}
	if (FFmpeg{}).beginLook() {
		t.Error("an FFmpeg that nobody has found is used")
	}
}

func FuzzKeyframeContent(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x65, 1, 2, 3, 0, 0, 1, 0x0C, 0xFF, 0xFF}, false)
	f.Add([]byte{0, 0, 1, 0x26, 1, 2}, true)
	f.Fuzz(func(t *testing.T, b []byte, hevc bool) {
		frame := &schema.Frame{ContentType: schema.ContentH264, Data: b}
		if hevc {
			frame.ContentType = schema.ContentH265
		}
		own, size := keyframeContent(frame)
		if size > len(b) || len(own) > size || !bytes.Contains(b, own) {
			t.Errorf("%d bytes, %d of them its own, of %d", size, len(own), len(b))
		}
	})
}

// BenchmarkLooks is what each picture costs that is not looked at.
func BenchmarkLooks(b *testing.B) {
	for name, f := range map[string]*schema.Frame{
		"jpeg100KB": {ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: make([]byte, 100_000)},
		"keyframe":  {ContentType: schema.ContentH264, Width: 1280, Height: 720, Keyframe: true, Data: make([]byte, 100_000)},
	} {
		b.Run(name, func(b *testing.B) {
			l := newLooks(b.Context(), FFmpeg{}, func(int64, uint64, Look) {})
			copy(f.Data, []byte{0, 0, 0, 1, 0x65})
			for i := 5; i < len(f.Data); i++ {
				f.Data[i] = byte(i | 1)
			}
			now := time.Now()
			b.ReportAllocs()
			b.SetBytes(int64(len(f.Data)))
			for b.Loop() {
				f.Data[len(f.Data)-1]++
				now = now.Add(33 * time.Millisecond)
				l.see(f, ModeCopy, now)
			}
		})
	}
}

// BenchmarkLookAt is what a look costs.
func BenchmarkLookAt(b *testing.B) {
	ff := testFFmpeg(b)
	key := keyframes(b, encoded(b, "a.h264", "testsrc2=size=1280x720:rate=5:duration=1,noise=alls=6:allf=t", x264...))[0]
	picture := ffmpegRun(b, "-f", "lavfi", "-i", "testsrc2=size=1280x720,noise=alls=6:allf=t", "-frames:v", "1", "-q:v", "5", "-pix_fmt", "yuvj420p",
		"-c:v", "mjpeg", "-f", "image2pipe", "-")
	for name, f := range map[string]*schema.Frame{"jpeg": {ContentType: schema.ContentJPEG, Data: picture}, "h264": key} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ff.gridOf(b.Context(), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
