package camera

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// probeClip is ten pictures of H.264 in MP4, 320x240: the left half dark, the right half bright.
//
//go:embed probe.mp4
var probeClip []byte

// probeTimeout bounds one try.
const probeTimeout = 10 * time.Second

// probePictures is how many pictures a try must deliver.
const probePictures = 3

// Hardware is what came of looking for hardware that decodes.
type Hardware struct {
	Use   string // the accelerator to use, "" for software
	Tries []Try  // in order of preference, up to the first that works
}

// Try is one accelerator that was tried.
type Try struct {
	Accelerator string
	Err         error // nil for the one that works
}

// ProbeHardware decodes a short clip on one accelerator after the other, with the arguments that a camera would get, until one works.
// A try takes at most 10 s. Its folder for the clip is gone when it returns.
func ProbeHardware(ctx context.Context, f FFmpeg) (h Hardware) {
	// vulkan and drm are for those who name them: there are drivers that decode slower than software.
	for _, name := range []string{"rkmpp", "cuda", "qsv", "vaapi", "videotoolbox", "d3d11va", "v4l2m2m"} {
		t := Try{Accelerator: name, Err: f.TryHardware(ctx, name)}
		h.Tries = append(h.Tries, t)
		if t.Err == nil {
			h.Use = name
			break
		}
	}
	return h
}

// TryHardware decodes a short clip on an accelerator, in at most 10 s. Its error says what hinders it.
func (f FFmpeg) TryHardware(ctx context.Context, name string) error {
	if err := f.offers(name); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "edge-video-probe-")
	if err != nil {
		return fmt.Errorf("making a folder for a clip: %w", err)
	}
	defer os.RemoveAll(dir)
	clip := filepath.Join(dir, "probe.mp4")
	if err := os.WriteFile(clip, probeClip, 0o600); err != nil {
		return fmt.Errorf("writing a clip: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	args, _ := Args(Config{URL: "file:" + clip, Mode: ModeJPEG, FPS: 30, Quality: 2, HWAccel: name,
		OutputArgs: []string{"-frames:v", fmt.Sprint(probePictures)}}, f)
	proc, err := f.start(args, "", nil, nil)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, proc.Stop)
	err = checkProbe(proc.Stdout)
	_, _ = io.Copy(io.Discard, proc.Stdout) // its end is what is waited for
	stop()
	exit := proc.Wait()
	if cause := ctx.Err(); cause != nil {
		err = fmt.Errorf("no pictures in time: %w", cause)
	}
	if err == nil {
		err = exit
	}
	if said := proc.Stderr.String(); err != nil && said != "" {
		return fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// offers reports what this ffmpeg was built without, as far as it lists that: two of the names are decoders.
func (f FFmpeg) offers(name string) error {
	if f.hwaccels == nil || slices.Contains(f.hwaccels, name) || name == "rkmpp" || name == "v4l2m2m" {
		return nil
	}
	return fmt.Errorf("this ffmpeg was built without the accelerator %s", name)
}

// checkProbe reads the pictures of the clip: drivers at odds with the hardware deliver green or grey ones.
func checkProbe(r io.Reader) error {
	demux := newNUTDemuxer(r, 1<<20, func(int) {})
	for n := range probePictures {
		p, err := demux.next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%d of %d pictures came", n, probePictures)
		}
		if err != nil {
			return err
		}
		picture, err := jpeg.Decode(bytes.NewReader(p.data))
		if err != nil {
			return fmt.Errorf("reading a picture: %w", err)
		}
		if size := picture.Bounds().Size(); size != image.Pt(320, 240) {
			return fmt.Errorf("the pictures are %dx%d where the clip is 320x240", size.X, size.Y)
		}
		if left, right := luma(picture, 80, 120), luma(picture, 240, 120); left > 64 || right < 192 {
			return fmt.Errorf("the pictures are wrong: brightness %d and %d where the clip has 0 and 255", left, right)
		}
	}
	return nil
}

// luma is a point's brightness.
func luma(m image.Image, x, y int) uint8 { return color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y }
