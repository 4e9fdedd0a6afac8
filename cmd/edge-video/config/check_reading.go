package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
)

// Modes of capture.
const (
	ModeJPEG      = "jpeg"      // every picture is decoded and stored as JPEG, thinned out to fps
	ModeKeyframes = "keyframes" // only keyframes are decoded and stored as JPEG
	ModeCopy      = "copy"      // the camera's own encoding is stored
)

// maxPayload is the most that the embedded server is set to take in one message; headerRoom of it is left for a frame's headers.
const (
	maxPayload = 64 * MiB
	headerRoom = 16 * KiB
)

// unused lists the keys that have no effect in a mode.
func unused(mode string) []string {
	switch mode {
	case ModeCopy:
		return []string{"fps", "quality", "width", "hwaccel"}
	case ModeKeyframes:
		return []string{"fps"}
	}
	return nil
}

// ownReading checks what a camera says itself. What it inherits is a problem of capture, once, and not of every camera.
func (k *checker) ownReading(path string, r Reading) {
	own := false
	for _, f := range fields(reflect.TypeFor[Reading]()) {
		if k.source.isGiven(path + "." + f.key) {
			own = true
		} else if k.faulty["capture."+f.key] {
			k.faulty[path+"."+f.key] = true
		}
	}
	if own {
		k.reading(path, r)
	}
}

func (k *checker) reading(path string, r Reading) {
	k.picture(path, r)
	k.oneOf(path+".rtsp_transport", r.RTSPTransport, "tcp", "udp", "udp_multicast", "http", "auto")
	k.arguments(path+".input_args", r.InputArgs, refusedInput())
	k.arguments(path+".output_args", r.OutputArgs, refusedOutput())
	k.above(path+".stall_timeout", r.StallTimeout, time.Second)
	k.stall(path, r)
	k.frameSizes(path, r)
}

func (k *checker) picture(path string, r Reading) {
	k.oneOf(path+".mode", r.Mode, ModeJPEG, ModeKeyframes, ModeCopy)
	k.oneOf(path+".hwaccel", r.HWAccel, "none", "auto", "cuda", "vaapi", "qsv", "v4l2m2m", "rkmpp", "videotoolbox", "d3d11va", "drm", "vulkan")
	if !(r.FPS > 0 && r.FPS <= 240) {
		k.fail(path+".fps", fmt.Sprintf("%v is not above 0 and at most 240", r.FPS), "write pictures a second, as in 10 or 0.2")
	}
	if r.Quality < 2 || r.Quality > 31 {
		k.fail(path+".quality", fmt.Sprintf("%d is not from 2 (best) to 31", r.Quality), "write 5")
	}
	if r.Width != 0 && (r.Width < 16 || r.Width > 16384 || r.Width%2 != 0) {
		k.fail(path+".width", fmt.Sprintf("%d is neither 0 nor an even number from 16 to 16384", r.Width), "write 0 to keep the camera's own")
	}
}

// stall refuses a watchdog that would bite between two pictures of a slow camera.
func (k *checker) stall(path string, r Reading) {
	if slices.Contains(unused(r.Mode), "fps") || !(r.FPS > 0) {
		return
	}
	if least := 2 / r.FPS; r.StallTimeout.Seconds() < least {
		what := fmt.Sprintf("stall_timeout %s is less than two pictures at %v fps take", formatDuration(r.StallTimeout), r.FPS)
		k.fail(k.blame(path, "stall_timeout", "fps"), what, fmt.Sprintf("make stall_timeout at least %.0fs", math.Ceil(least)))
	}
}

func (k *checker) frameSizes(path string, r Reading) {
	switch {
	case r.MaxFrame < KiB:
		k.fail(path+".max_frame", r.MaxFrame.String()+" is too small for a picture", "write at least 1KiB, best 4MiB")
	case r.MaxFrame > maxPayload-headerRoom:
		k.fail(path+".max_frame", r.MaxFrame.String()+" is more than a message can hold", "write at most "+(maxPayload-headerRoom).String())
	case r.MaxFrame >= r.QueueBytes:
		what := fmt.Sprintf("queue_bytes %s cannot hold a picture of max_frame %s", r.QueueBytes, r.MaxFrame)
		k.fail(k.blame(path, "queue_bytes", "max_frame"), what, "make queue_bytes a few times max_frame")
	}
}

// blame is the path of the first of two keys, unless only the second is given.
func (k *checker) blame(path, first, second string) string {
	if !k.source.isGiven(path+"."+first) && k.source.isGiven(path+"."+second) {
		return path + "." + second
	}
	return path + "." + first
}

// unusedCapture warns about keys of capture that neither its own mode nor any camera's uses.
func (k *checker) unusedCapture() {
	for _, key := range k.c.captureUnused() {
		if k.source.isGiven("capture." + key) {
			k.warn("capture."+key, "has no effect in mode "+k.c.Capture.Mode, "remove it")
		}
	}
}

// captureUnused lists the keys of capture that no mode in use takes.
func (c *Config) captureUnused() []string {
	return slices.DeleteFunc(unused(c.Capture.Mode), func(key string) bool {
		return slices.ContainsFunc(c.Cameras, func(cam Camera) bool { return !slices.Contains(unused(cam.Mode), key) })
	})
}
