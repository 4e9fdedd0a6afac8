package camera

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// software makes an ffmpeg that decodes in software whatever accelerator it is asked for.
func software(t *testing.T, lines string) FFmpeg {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	script := `#!/bin/bash
args=()
while [ $# -gt 0 ]; do
	case "$1" in
	-hwaccel | -hwaccel_output_format) shift ;;
	*) args+=("${1/hwdownload,/}") ;;
	esac
	shift
done
` + strings.ReplaceAll(lines, "FFMPEG", "exec "+path+` "${args[@]}"`)
	fake := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(fake, []byte(script), 0o700); err != nil { // it is run
		t.Fatal(err)
	}
	f := testFFmpeg(t)
	f.Path, f.hwaccels = fake, []string{"cuda", "vaapi"}
	return f
}

func TestProbeHardware_TakesTheFirstThatDecodes(t *testing.T) {
	t.Parallel()
	h := ProbeHardware(t.Context(), software(t, "FFMPEG"))
	if h.Use != "cuda" || len(h.Tries) != 2 || h.Tries[0].Accelerator != "rkmpp" || h.Tries[0].Err == nil || h.Tries[1].Err != nil {
		t.Errorf("%+v, want cuda after rkmpp", h)
	}
}

// On a machine with hardware that works this holds nothing; it is for those without.
func TestProbeHardware_NamesWhatHindersEach(t *testing.T) {
	t.Parallel()
	h := ProbeHardware(t.Context(), testFFmpeg(t))
	if h.Use != "" {
		t.Skipf("%s works here", h.Use)
	}
	if len(h.Tries) != 7 {
		t.Errorf("%d tries, want 7", len(h.Tries))
	}
	for _, try := range h.Tries {
		if try.Err == nil || len(try.Err.Error()) < 20 {
			t.Errorf("%s: %v, want what hinders it", try.Accelerator, try.Err)
		}
	}
}

func TestTryHardware_RefusesWrongPictures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lines, want string }{
		"green":     {`args=("${args[@]/format=nv12/drawbox=color=green:t=fill}"); FFMPEG`, "the pictures are wrong: brightness"},
		"too small": {`args=("${args[@]/format=nv12/scale=160:120}"); FFMPEG`, "the pictures are 160x120 where the clip is 320x240"},
		"none":      {`exit 0`, "0 of 3 pictures came"},
		"crash":     {`echo "no device" >&2; kill -SEGV $$`, "no device"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := software(t, c.lines).TryHardware(t.Context(), "vaapi"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestTryHardware_EndsAnFFmpegThatHangs(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err := software(t, `trap "" TERM; while :; do sleep 0.1; done`).TryHardware(ctx, "vaapi")
	if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d > probeTimeout {
		t.Errorf("%v after %v", err, d)
	}
}

func TestDecoding_BlamesTheHardwareOnlyWithReason(t *testing.T) {
	t.Parallel()
	const early = time.Second
	for name, c := range map[string]struct {
		fault  Fault
		stderr string
		took   time.Duration
		came   bool
		want   string // for the next run
		final  bool
	}{
		"refused":         {FaultRefused, "Connection refused", early, false, "vaapi", false},
		"unauthorised":    {FaultUnauthorised, "401 Unauthorized", early, false, "vaapi", false},
		"named":           {FaultProcess, "Device creation failed: -5.", early, false, "none", true},
		"named later":     {FaultStall, "Failed setup for format vaapi", time.Minute, false, "none", true},
		"after pictures":  {FaultProcess, "Device creation failed: -5.", time.Minute, true, "vaapi", false},
		"crash":           {FaultProcess, "", early, false, "none", false},
		"late crash":      {FaultProcess, "", time.Minute, false, "vaapi", false},
		"no use of blame": {FaultProcess, "zscale: Error reinitializing filters!", early, false, "none", false},
	} {
		d := newDecoding(Config{Mode: ModeJPEG, HWAccel: "vaapi"}, FFmpeg{})
		got := d.after(c.fault, c.stderr, c.took, c.came)
		if got != c.want || (d.shown == decoderSoftware) != c.final {
			t.Errorf("%s: next %s, shown %s, want %s, for good %v", name, got, d.shown, c.want, c.final)
		}
		if c.want == "none" && !c.final { // software delivers nothing either
			if got := d.after(c.fault, c.stderr, c.took, false); got != "vaapi" || d.shown != "vaapi" {
				t.Errorf("%s: after a run in software without pictures next %s, shown %s", name, got, d.shown)
			}
		}
	}
}
