package camera

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFindFFmpeg_KnowsWhatItCanRead(t *testing.T) {
	t.Parallel()
	f := testFFmpeg(t)
	for _, url := range []string{"rtsp://h", "rtsps://h", "rtmp://h", "http://h", "https://h", "udp://h:1", "srt://h:1", "file:/a", "v4l2:/dev/video0", "lavfi:testsrc2"} {
		if err := f.CanRead(url); err != nil {
			t.Error(err)
		}
	}
	f.protocols = slices.DeleteFunc(slices.Clone(f.protocols), func(p string) bool { return p == "srt" || p == "tls" })
	f.demuxers = nil
	if err := f.CanRead("srt://h:1"); err == nil || !strings.Contains(err.Error(), "cannot read srt: it was built without the protocol srt") {
		t.Errorf("srt: %v", err)
	}
	if err := f.CanRead("rtsps://h"); err == nil || !strings.Contains(err.Error(), "the protocol tls") {
		t.Errorf("rtsps: %v", err)
	}
	f.demuxers = []string{"rtsp"}
	if err := f.CanRead("v4l2:/dev/video0"); err == nil || !strings.Contains(err.Error(), "the input format v4l2") {
		t.Errorf("v4l2: %v", err)
	}
	// every option of every protocol is one that this ffmpeg knows
	for _, url := range []string{"rtsp://h", "rtmp://h", "http://h", "http://h/a.m3u8", "udp://h:1", "srt://h:1"} {
		for _, transport := range []string{"tcp", "udp", "http", "auto"} {
			for _, mode := range []Mode{ModeJPEG, ModeCopy} {
				c := testConfig(url, mode)
				c.RTSPTransport = transport
				s := parseSource(url)
				for _, o := range append(probing(c, s), protocol(c, s)...) {
					if !f.common[o.name] && !f.private[o.name] && o.name != "rw_timeout" { // which belongs to no class that the help shows
						t.Errorf("%s: no option %s", url, o.name)
					}
				}
			}
		}
	}
}

func TestFindFFmpeg_RefusesOneThatIsTooOld(t *testing.T) {
	t.Parallel()
	old := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho ffmpeg version 4.3.6 Copyright\n"), 0o700); err != nil { // it is run
		t.Fatal(err)
	}
	if _, err := FindFFmpeg(t.Context(), old); !errors.Is(err, ErrNoFFmpeg) || !strings.Contains(err.Error(), "is version 4.3.6; install FFmpeg 5.1 or later") {
		t.Errorf("%v", err)
	}
}

// Between the watchdog of a stream that runs and that of one that starts.
func TestArgs_FFmpegGivesUpAfterTheWatchdogWouldInMidStream(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"rtsp://h", "rtsps://h", "rtmp://h", "http://h", "https://h", "udp://h:1", "srt://h:1"} {
		for _, fps := range []float64{10, 0.05} {
			for _, stall := range []time.Duration{time.Second, 15 * time.Second, 24 * time.Hour} {
				c := testConfig(url, ModeJPEG)
				c.StallTimeout, c.FPS = stall, fps
				args, _ := Args(c, FFmpeg{})
				i := slices.IndexFunc(args, func(a string) bool { return a == "-timeout" || a == "-rw_timeout" })
				us, err := strconv.ParseInt(args[i+1], 10, 32) // which is what some protocols can hold
				if err != nil {
					t.Fatal(err)
				}
				watchdog := max(stall, time.Duration(3/fps*float64(time.Second)))
				if got := time.Duration(us) * time.Microsecond; stall < time.Hour && (got <= watchdog || got >= watchdog+startGrace) {
					t.Errorf("%s at %v fps: FFmpeg gives up after %v, the watchdog after %v", url, fps, got, watchdog)
				}
			}
		}
	}
}
