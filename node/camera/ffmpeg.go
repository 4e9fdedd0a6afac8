package camera

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node/process"
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
	Auto    string // the accelerator that "auto" stands for, "" for software; see [ProbeHardware]

	// What follows is nil where it is not known.
	protocols, demuxers, hwaccels []string
	common                        map[string]bool // options that every input has
	private                       map[string]bool // options of demultiplexers and protocols
}

// FindFFmpeg asks the ffmpeg of the given name or path what it can do, in a few child processes at once. Its error wraps [ErrNoFFmpeg].
func FindFFmpeg(ctx context.Context, name string) (FFmpeg, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return FFmpeg{}, fmt.Errorf("%w: %w; install FFmpeg 5.1 or later (Debian: apt-get install ffmpeg)", ErrNoFFmpeg, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	questions := [][]string{{"-version"}, {"-protocols"}, {"-demuxers"}, {"-hwaccels"}, {"-h", "full"}}
	answers := make([][]byte, len(questions))
	g, ctx := errgroup.WithContext(ctx)
	for i, q := range questions {
		g.Go(func() (err error) {
			if answers[i], err = exec.CommandContext(ctx, path, append([]string{"-hide_banner"}, q...)...).Output(); err != nil {
				return fmt.Errorf("%w: running %s %s: %w", ErrNoFFmpeg, path, strings.Join(q, " "), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return FFmpeg{}, err
	}
	help := answers[4]
	f := FFmpeg{Path: path, looking: make(chan struct{}, 1), Zscale: bytes.Contains(help, []byte("\nzscale AVOptions:")),
		protocols: strings.Fields(string(answers[1])), demuxers: table(answers[2]), hwaccels: strings.Fields(string(answers[3]))}
	if m := regexp.MustCompile(`^ffmpeg version (\S+)`).FindSubmatch(answers[0]); m != nil {
		f.Version = string(m[1])
	}
	if !bytes.Contains(help, []byte("-fps_mode")) {
		return FFmpeg{}, fmt.Errorf("%w: %s is version %s; install FFmpeg 5.1 or later", ErrNoFFmpeg, path, f.Version)
	}
	f.common, f.private = inputOptions(help)
	return f, nil
}

// table takes the names out of a list such as that of demultiplexers: flags, a name or several with commas, a description.
func table(list []byte) (names []string) {
	for line := range strings.Lines(string(list)) {
		if columns := strings.Fields(line); len(columns) > 1 {
			names = append(names, strings.Split(columns[1], ",")...)
		}
	}
	return names
}

// inputOptions reads the names of options of inputs out of the full help.
func inputOptions(help []byte) (common, private map[string]bool) {
	common, private = map[string]bool{}, map[string]bool{}
	line := regexp.MustCompile(`^ +-(\S+) +<[a-z0-9]+> +[E.]D`)
	var section map[string]bool
	scan := bufio.NewScanner(bytes.NewReader(help))
	for scan.Scan() {
		switch text := scan.Text(); {
		case strings.HasPrefix(text, "AVFormatContext AVOptions:"):
			section = common
		case section != nil && strings.HasPrefix(text, "SW"): // the scalers', then those of filters
			return common, private
		case section != nil && strings.HasSuffix(text, "AVOptions:"):
			section = private
		case section != nil:
			if m := line.FindStringSubmatch(text); m != nil {
				section[m[1]] = true
			}
		}
	}
	return common, private
}

// split sorts a user's input arguments by whom they concern under a playlist: the camera's demultiplexer and protocol (inner), or
// FFmpeg itself and the decoder (outer). Options that every input has go to both.
func (f FFmpeg) split(args []string) (inner []option, outer []string) {
	for i := 0; i < len(args); i++ {
		name := strings.TrimPrefix(args[i], "-")
		if i+1 < len(args) && (f.common[name] || f.private[name]) {
			inner = append(inner, option{name, args[i+1]})
			if f.common[name] {
				outer = append(outer, args[i:i+2]...)
			}
			i++
			continue
		}
		outer = append(outer, args[i])
	}
	return inner, outer
}

// CanRead reports what this ffmpeg lacks to read a camera's URL, as an error that names it.
func (f FFmpeg) CanRead(url string) error {
	needs := map[string]struct{ demuxer, protocol string }{
		"rtsp": {"rtsp", "tcp"}, "rtsps": {"rtsp", "tls"}, "rtmp": {"", "rtmp"}, "http": {"", "http"}, "https": {"", "https"},
		"udp": {"", "udp"}, "srt": {"", "srt"}, "v4l2": {"v4l2", ""}, "file": {"", "file"}, "lavfi": {"lavfi", ""},
	}
	scheme := parseSource(url).scheme
	n := needs[scheme]
	switch {
	case n.protocol != "" && f.protocols != nil && !slices.Contains(f.protocols, n.protocol):
		return fmt.Errorf("the ffmpeg at %s cannot read %s: it was built without the protocol %s", f.Path, scheme, n.protocol)
	case n.demuxer != "" && f.demuxers != nil && !slices.Contains(f.demuxers, n.demuxer):
		return fmt.Errorf("the ffmpeg at %s cannot read %s: it was built without the input format %s", f.Path, scheme, n.demuxer)
	}
	return nil
}

// start starts it; see [process.Start].
func (f FFmpeg) start(args []string, stdin string, hide []string, notice func(line string) (keep bool)) (*process.Process, error) {
	c := process.Config{Path: f.Path, Args: args, Hide: hide, Notice: notice}
	if stdin != "" {
		c.Stdin = strings.NewReader(stdin)
	}
	return process.Start(c)
}
