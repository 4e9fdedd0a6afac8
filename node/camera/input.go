package camera

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// option is one option of an FFmpeg input.
type option struct {
	name, value string
}

// inputArgs is the part of the command line that names the camera and how to reach it.
func inputArgs(c Config, s source, f FFmpeg) (args []string, stdin string) {
	options := append(probing(c, s), protocol(c, s)...)
	if c.Username != "" {
		return playlist(c, s, f, options)
	}
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
		args = append(args, "-"+o.name, o.value)
	}
	args = append(args, c.InputArgs...)
	return append(args, "-i", s.input), ""
}

// playlist names the camera with its credentials in a playlist of one line, which FFmpeg reads from standard input. What an option
// belongs to matters there: FFmpeg opens the playlist with those of the command line, and the camera with those of the playlist.
func playlist(c Config, s source, f FFmpeg, options []option) (args []string, stdin string) {
	var b strings.Builder
	b.WriteString("ffconcat version 1.0\nfile " + quote(c.withCredentials(s.input)) + "\n")
	inner, outer := f.split(c.InputArgs)
	for _, o := range append(options, inner...) {
		b.WriteString("option " + o.name + " " + quote(o.value) + "\n")
	}
	if s.paced {
		args = append(args, "-re")
	}
	args = append(args, "-f", "concat", "-safe", "0",
		"-protocol_whitelist", "pipe,file,crypto,rtsp,rtsps,rtmp,rtmps,rtp,srtp,srt,http,https,httpproxy,hls,tls,tcp,udp",
		"-fpsprobesize", "0", "-max_ts_probe", "0")
	args = append(args, outer...)
	return append(args, "-i", "pipe:0"), b.String()
}

// probing bounds the look that FFmpeg takes at a stream before it hands on the first picture, and says what time pictures carry.
func probing(c Config, s source) (all []option) {
	if s.paced {
		return nil
	}
	if c.Mode != ModeCopy && c.Username != "" {
		// A playlist would count times from the first one, if its item had a first one: without filling in missing times it has none.
		all = append(all, option{"fflags", "+nofillin"})
	}
	if c.Mode != ModeCopy {
		// The time at which a packet has been read becomes its timestamp and comes out with the picture.
		all = append(all, option{"use_wallclock_as_timestamps", "1"})
	}
	// Guessing the camera's rate and waiting for its first decoding time would hold pictures back at the start; nothing here needs it.
	all = append(all, option{"fpsprobesize", "0"}, option{"max_ts_probe", "0"})
	switch {
	case c.Mode != ModeCopy:
		// Decoding needs no more than the codec. A sound track that is announced and never comes is not waited for.
		all = append(all, option{"analyzeduration", microseconds(time.Second)})
	case strings.HasPrefix(s.scheme, "rtsp"):
		// The picture's size must be known, which may take a keyframe.
		all = append(all, option{"analyzeduration", microseconds(networkTimeout(c))}, option{"probesize", "33554432"})
	}
	return all
}

// socketBuffer is the largest that Linux grants by default, in its own count. FFmpeg would warn of more.
const socketBuffer = "425984"

// protocol are the options of the way in. The names are those of FFmpeg 5.1 to 8.
func protocol(c Config, s source) []option {
	timeout := microseconds(networkTimeout(c))
	switch s.scheme {
	case "rtsp", "rtsps":
		return rtsp(c, timeout)
	case "rtmp": // has a timeout too, which means to wait for a caller
		return []option{{"rw_timeout", timeout}}
	case "http", "https":
		all := []option{{"rw_timeout", timeout}}
		if s.hls { // begin with the newest segment
			all = append(all, option{"live_start_index", "-1"})
		}
		return all
	case "udp":
		return []option{{"timeout", timeout}, {"buffer_size", socketBuffer}, {"overrun_nonfatal", "1"}}
	case "srt":
		return []option{{"timeout", timeout}}
	}
	return nil
}

func rtsp(c Config, timeout string) []option {
	all := []option{{"timeout", timeout}, {"allowed_media_types", "video"}}
	switch c.RTSPTransport {
	case "auto":
		return append(all, option{"rtsp_flags", "prefer_tcp"})
	case "udp", "udp_multicast":
		// Packets that overtake each other are put in order again; one that does not come is waited for as long as max_delay.
		return append(all, option{"rtsp_transport", c.RTSPTransport}, option{"buffer_size", socketBuffer},
			option{"reorder_queue_size", "1000"}, option{"max_delay", microseconds(200 * time.Millisecond)})
	case "http":
		return append(all, option{"rtsp_transport", "http"})
	}
	return append(all, option{"rtsp_transport", "tcp"})
}

// networkTimeout is how long FFmpeg waits for a camera's answer or next byte before it gives up by itself: longer than the watchdog,
// which so decides about a stream that runs, and shorter than the watchdog with its grace at the start, where FFmpeg knows the reason.
func networkTimeout(c Config) time.Duration {
	return c.silence() + startGrace/2
}

// microseconds writes d as FFmpeg's protocols take it: some keep it in 32 bits.
func microseconds(d time.Duration) string {
	return strconv.FormatInt(min(d.Microseconds(), math.MaxInt32), 10)
}

// quote writes a value of a playlist: in single quotes, in which FFmpeg ends only at the next one.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
