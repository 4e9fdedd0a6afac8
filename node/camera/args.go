package camera

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// networkTimeout is how long FFmpeg waits for a camera's answer or next byte before it gives up by itself. The watchdog covers the
// protocols that have no such option.
const networkTimeout = 10 * time.Second

// maxPixels is the largest picture that is taken: 67 megapixels, beyond any camera. A stream that claims to be larger would make a
// decoder take gigabytes.
const maxPixels = 64 << 20

// Args returns the arguments FFmpeg is started with, and what it is given on standard input: a one-line playlist that names the
// camera with its credentials, empty where there are none. The arguments hold no secret.
func Args(c Config, f FFmpeg) (args []string, stdin string) {
	s := parseSource(c.URL)
	args = []string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+warning"}
	if c.Mode != ModeCopy {
		args = append(args, "-threads", "1")
		if c.HWAccel != "" && c.HWAccel != "none" {
			args = append(args, "-hwaccel", c.HWAccel)
		}
		if c.Mode == ModeKeyframes {
			args = append(args, "-skip_frame", "nokey")
		}
		if !s.paced {
			// The time at which a packet has been read becomes its timestamp and comes out with the picture.
			args = append(args, "-use_wallclock_as_timestamps", "1")
			// Guessing the camera's rate would hold the first pictures back; nothing here needs it.
			args = append(args, "-fpsprobesize", "0")
		}
		// Pictures of another size would be scaled to the size of the first. Instead FFmpeg says so, and is started afresh.
		args = append(args, "-reinit_filter", "0")
	}
	args = append(args, "-copyts", "-max_pixels", strconv.Itoa(maxPixels))
	input, stdin := inputArgs(c, s)
	args = append(args, input...)
	args = append(args, "-map", "0:v:0", "-an", "-sn", "-dn")
	if c.Mode == ModeCopy {
		args = append(args, "-c:v", "copy")
	} else {
		args = append(args, "-vf", filters(c, f), "-fps_mode", "passthrough", "-enc_time_base", "1:1000000",
			"-c:v", "mjpeg", "-threads", "1", "-q:v", strconv.Itoa(c.Quality))
	}
	return append(args, "-flush_packets", "1", "-write_index", "0", "-f", "nut", "pipe:1"), stdin
}

// inputArgs is the part of the command line that names the camera and how to reach it.
func inputArgs(c Config, s source) (args []string, stdin string) {
	options := inputOptions(s.scheme)
	if c.Username == "" {
		if s.paced {
			args = append(args, "-re")
		}
		if s.scheme == "file" {
			args = append(args, "-stream_loop", "-1")
		}
		if s.format != "" {
			args = append(args, "-f", s.format)
		}
		for _, o := range options {
			args = append(args, "-"+o[0], o[1])
		}
		return append(args, "-i", s.input), ""
	}
	var b strings.Builder
	b.WriteString("ffconcat version 1.0\nfile " + quote(c.withCredentials(s.input)) + "\n")
	for _, o := range options {
		b.WriteString("option " + o[0] + " " + quote(o[1]) + "\n")
	}
	return []string{"-f", "concat", "-safe", "0",
		"-protocol_whitelist", "pipe,file,crypto,rtsp,rtsps,rtmp,rtmps,rtp,srtp,srt,http,https,httpproxy,hls,tls,tcp,udp",
		"-i", "pipe:0"}, b.String()
}

// inputOptions are a protocol's options, as name and value.
func inputOptions(scheme string) [][2]string {
	timeout := strconv.FormatInt(networkTimeout.Microseconds(), 10)
	switch scheme {
	case "rtsp", "rtsps":
		return [][2]string{{"rtsp_transport", "tcp"}, {"timeout", timeout}}
	case "rtmp", "http", "https":
		return [][2]string{{"rw_timeout", timeout}}
	case "udp", "srt":
		return [][2]string{{"timeout", timeout}}
	}
	return nil
}

// quote writes a value of a playlist: in single quotes, in which FFmpeg ends only at the next one.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// filters chooses pictures ahead of the costly conversion, then makes of them what the JPEG encoder takes: full range 4:2:0.
func filters(c Config, f FFmpeg) string {
	var chain []string
	s := parseSource(c.URL)
	if !s.paced {
		chain = append(chain, distinct)
	}
	if c.Mode == ModeJPEG {
		if s.scheme != "lavfi" { // nothing damages made-up pictures
			chain = append(chain, keyframeNotice)
		}
		chain = append(chain, pace(c.FPS, s.paced))
	}
	width, height := "iw", "ih"
	if c.Width > 0 {
		width, height = strconv.Itoa(c.Width), "-2"
	}
	if f.Zscale && s.scheme != "lavfi" { // made-up pictures may be RGB, which zscale refuses to convert
		chain = append(chain, "zscale=w="+width+":h="+height+":range=full")
	} else {
		chain = append(chain, "scale=w="+width+":h="+height+":out_range=full")
	}
	return strings.Join(append(chain, "format=yuvj420p"), ",")
}

// distinct is a filter that keeps two pictures from having the same time, with which the encoder would give up. FFmpeg notes arrival
// times in a stream's own unit, which is 40 ms for JPEG pictures over HTTP.
const distinct = "settb=AVTB,setpts='if(isnan(PREV_OUTPTS),PTS,max(PTS,PREV_OUTPTS+1))'"

// pace is a filter that keeps fps pictures a second. Variable 0 is when the next one is due: half a period early will do, so that a
// camera whose own rate is fps loses none to jitter; after a pause the due time restarts one period back, so that a burst that was
// held up is not let through; and a camera slower than fps is passed as it is.
//
// FFmpeg has no arrival time for the first picture of some live streams, and gives 0: that one is left to the next picture.
func pace(fps float64, paced bool) string {
	period := strconv.FormatFloat(1/fps, 'f', 9, 64)
	due := fmt.Sprintf("gte(t,ld(0)-%s/2)", period)
	if !paced {
		due += "*gt(t,0)"
	}
	return fmt.Sprintf("select='if(%s,st(0,max(ld(0),t-%s)+%s),0)'", due, period, period)
}
