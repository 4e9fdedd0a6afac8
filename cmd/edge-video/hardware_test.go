package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck_SaysWhatHardwareComesTo(t *testing.T) {
	path, _ := write(t, `cameras:
  - {id: a, url: 'rtsp://10.0.0.5/1', hwaccel: auto}
  - {id: b, url: 'rtsp://10.0.0.5/2', hwaccel: videotoolbox}
  - {id: c, url: 'rtsp://10.0.0.5/3', hwaccel: videotoolbox, mode: copy}
`)
	r := execute(t, "check", "--config", path)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	for _, want := range []string{"\n# Hardware decoding\nrkmpp: ", "\nhwaccel auto uses ",
		"\nwarning: cameras[1].hwaccel: videotoolbox does not work here, camera b would be decoded in software: this ffmpeg was built without the accelerator videotoolbox\n"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in\n%s", want, r.out)
		}
	}
	if strings.Contains(r.out, "cameras[2].hwaccel: videotoolbox does not") {
		t.Errorf("mode copy is warned of hardware:\n%s", r.out)
	}
}

func TestCheck_RefusesWhatFFmpegWasBuiltWithout(t *testing.T) {
	path, _ := write(t, "cameras:\n  - id: a\n    url: srt://10.0.0.5:9000\n")
	ffmpeg := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(ffmpeg, []byte("#!/bin/sh\nffmpeg \"$@\" | sed '/^ *srt$/d'\n"), 0o700); err != nil { // it is run
		t.Fatal(err)
	}
	for _, command := range []string{"run", "check"} {
		r := execute(t, command, "--config", path, "--ffmpeg", ffmpeg)
		if want := ":4: cameras[0].url: camera a: the ffmpeg at " + ffmpeg + " cannot read srt: it was built without the protocol srt; install an FFmpeg that can"; r.code != 2 || !strings.Contains(r.err, want) {
			t.Errorf("%s exits with %d: %s", command, r.code, r.err)
		}
	}
}
