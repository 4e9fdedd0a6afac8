package camera

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// ErrNoFFmpeg says that there is no working ffmpeg.
var ErrNoFFmpeg = errors.New("no working ffmpeg")

// FFmpeg is the ffmpeg at hand and what it can do.
type FFmpeg struct {
	Path    string
	Version string // as it calls itself, "5.1.9-0+deb12u1"
	Zscale  bool   // built with libzimg, which converts colour ranges faster than FFmpeg's own scaler

	// looking holds a token while a reader looks at a picture: one at a time for all who use this FFmpeg. Without it nobody looks.
	looking chan struct{}
}

// FindFFmpeg asks the ffmpeg of the given name or path for its version and filters. Its error wraps [ErrNoFFmpeg].
func FindFFmpeg(ctx context.Context, name string) (FFmpeg, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return FFmpeg{}, fmt.Errorf("%w: %w; install FFmpeg 5.1 or later (Debian: apt-get install ffmpeg)", ErrNoFFmpeg, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	version, err := exec.CommandContext(ctx, path, "-hide_banner", "-version").Output()
	if err != nil {
		return FFmpeg{}, fmt.Errorf("%w: running %s -version: %w", ErrNoFFmpeg, path, err)
	}
	f := FFmpeg{Path: path, looking: make(chan struct{}, 1)}
	if m := regexp.MustCompile(`^ffmpeg version (\S+)`).FindSubmatch(version); m != nil {
		f.Version = string(m[1])
	}
	filters, err := exec.CommandContext(ctx, path, "-hide_banner", "-filters").Output()
	if err != nil {
		return FFmpeg{}, fmt.Errorf("%w: running %s -filters: %w", ErrNoFFmpeg, path, err)
	}
	f.Zscale = strings.Contains(string(filters), " zscale ")
	return f, nil
}
