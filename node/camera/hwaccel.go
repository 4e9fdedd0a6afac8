package camera

import "slices"

// noAccel stands for decoding in software.
const noAccel = "none"

// accelerator is how FFmpeg is told to decode on hardware; the zero value is software.
type accelerator struct {
	input    []string // ahead of -i
	download bool     // pictures stay in the hardware's memory until they are fetched
}

// accelerate makes the arguments of a camera's accelerator. Pictures of 8 bits are what it can fetch; one of 10 bits makes FFmpeg end
// with an error.
//
// The output format is always named: without it FFmpeg would decode in software, silently, what the hardware does not take.
func accelerate(c Config, f FFmpeg) accelerator {
	name := f.accelerator(c)
	hwaccel := func(format string) accelerator {
		return accelerator{input: []string{"-hwaccel", name, "-hwaccel_output_format", format}, download: true}
	}
	switch name {
	case "cuda", "vaapi", "qsv", "vulkan":
		return hwaccel(name)
	case "videotoolbox":
		return hwaccel("videotoolbox_vld")
	case "d3d11va":
		return hwaccel("d3d11")
	case "drm":
		return hwaccel("drm_prime")
	case "rkmpp": // an accelerator in Rockchip's own FFmpeg, a decoder elsewhere
		if slices.Contains(f.hwaccels, name) {
			return hwaccel("drm_prime")
		}
		return accelerator{input: []string{"-c:v", "h264_rkmpp"}, download: true}
	case "v4l2m2m": // a decoder, which must know the codec: that of nearly all cameras
		return accelerator{input: []string{"-c:v", "h264_v4l2m2m"}}
	}
	return accelerator{}
}

// accelerator is the one that a camera is to use: "auto" is made out, and what decodes nothing has none.
func (f FFmpeg) accelerator(c Config) string {
	switch {
	case c.Mode == ModeCopy, c.HWAccel == "":
		return noAccel
	case c.HWAccel != "auto":
		return c.HWAccel
	case f.Auto == "":
		return noAccel
	}
	return f.Auto
}
