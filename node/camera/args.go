package camera

import "strconv"

// maxPixels is the largest picture that is taken: 67 megapixels, beyond any camera. A stream that claims to be larger would make a
// decoder take gigabytes.
const maxPixels = 64 << 20

// Args returns the arguments FFmpeg is started with, and what it is given on standard input: a one-line playlist that names the
// camera with its credentials, empty where there are none. The arguments hold no secret.
func Args(c Config, f FFmpeg) (args []string, stdin string) {
	s := parseSource(c.URL)
	accel := accelerate(c, f)
	args = []string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+warning"}
	if c.Mode != ModeCopy {
		args = append(args, "-threads", "1")
		args = append(args, accel.input...)
		if c.Mode == ModeKeyframes {
			args = append(args, "-skip_frame", "nokey")
		}
		// Pictures of another size would be scaled to the size of the first. Instead FFmpeg says so, and is started afresh.
		args = append(args, "-reinit_filter", "0")
	}
	args = append(args, "-copyts", "-max_pixels", strconv.Itoa(maxPixels))
	input, stdin := inputArgs(c, s, f)
	args = append(args, input...)
	args = append(args, "-map", "0:v:0", "-an", "-sn", "-dn")
	if c.Mode == ModeCopy {
		args = append(args, "-c:v", "copy")
	} else {
		args = append(args, "-vf", filters(c, s, f, accel), "-fps_mode", "passthrough", "-enc_time_base", "1:1000000",
			"-c:v", "mjpeg", "-threads", "1", "-q:v", strconv.Itoa(c.Quality))
	}
	args = append(args, c.OutputArgs...)
	return append(args, "-flush_packets", "1", "-write_index", "0", "-f", "nut", "pipe:1"), stdin
}
