package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/edge-video/edge-video/node/process"
)

var (
	// ErrBusy says that too much is asked for at once.
	ErrBusy = errors.New("too many pictures and clips are being made; try again in a moment")
	// ErrNoPicture says that frames have no picture: they are damaged, or not of a kind that FFmpeg decodes.
	ErrNoPicture = errors.New("no picture can be made of these frames")
	// ErrWidth says that no picture is made of that width.
	ErrWidth = fmt.Errorf("a picture's width is from %d to %d pixels", narrowest, widest)
)

const (
	narrowest, widest = 16, 8192

	// How many pictures and clips are made at once, and how many wait.
	stillsAtOnce, stillsWaiting = 2, 64
	clipsAtOnce, clipsWaiting   = 2, 4

	// stillTimeout bounds what one picture takes; it is below 0.2 s on a machine with room.
	stillTimeout = 10 * time.Second
	// maxPixels is the largest picture that is decoded, as in package camera.
	maxPixels = 64 << 20
)

// Renderer makes pictures and clips. It may be used by many at once.
type Renderer struct {
	ffmpeg        string
	stills, clips *gate
	lives         chan struct{} // a token for each camera that is decoded as it comes
	standby       *standby

	mu      sync.Mutex
	kept    cache
	flights map[stillKey]*flight
	newest  map[view]sighting
	usual   time.Duration // that a decoder which stands by takes for a picture

	encoder encoder
}

// New makes one that runs the ffmpeg of that name or path, which need not be there until it is wanted.
func New(ffmpeg string, log *slog.Logger) *Renderer {
	r := &Renderer{ffmpeg: ffmpeg, stills: newGate(stillsAtOnce, stillsWaiting), clips: newGate(clipsAtOnce, clipsWaiting),
		lives: make(chan struct{}, livesAtOnce), flights: map[stillKey]*flight{}, newest: map[view]sighting{}}
	r.standby = newStandby(ffmpeg, r.stills, log)
	return r
}

// Run has decoders stand by for keyframes that are asked for, until ctx ends. Without it each picture of video is made by an FFmpeg of
// its own.
func (r *Renderer) Run(ctx context.Context) error {
	r.standby.run(ctx)
	return nil
}

// run runs FFmpeg until it has read what in holds and out has taken what it made, or ctx ends.
func (r *Renderer) run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	args = append([]string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error"}, args...)
	p, err := process.Start(process.Config{Path: r.ffmpeg, Args: args, Stdin: in})
	if err != nil {
		return err
	}
	stopWith := context.AfterFunc(ctx, p.Stop)
	_, err = io.Copy(out, p.Stdout)
	stopWith()
	if err != nil {
		p.Stop()
	}
	exit := p.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case exit != nil:
		return fmt.Errorf("ffmpeg: %w: %s", exit, p.Stderr)
	}
	return nil
}
