package camera

import (
	"net/url"
	"path"
	"reflect"
	"strings"
	"time"
)

// Mode is how a camera's video becomes frames.
type Mode string

// Modes.
const (
	ModeJPEG      Mode = "jpeg"      // decode, choose FPS pictures a second, encode each as JPEG
	ModeKeyframes Mode = "keyframes" // decode keyframes alone, encode each as JPEG
	ModeCopy      Mode = "copy"      // store the camera's own encoding
)

// Config is what a [Reader] needs to know of its camera.
type Config struct {
	Site, Node, ID string

	// URL is what FFmpeg reads, without credentials, or one of the prefixes "file:" (looped at its own pace), "v4l2:" and "lavfi:".
	URL string
	// Username and Password are sent to the camera; any characters are allowed. They reach FFmpeg through a pipe, never its arguments.
	Username, Password string

	Mode          Mode
	FPS           float64       // pictures a second to keep; mode jpeg
	Quality       int           // FFmpeg's scale, 2 best to 31; modes jpeg and keyframes
	Width         int           // pixels to scale to, the height following; 0 as sent; modes jpeg and keyframes
	HWAccel       string        // an accelerator, "auto" or "none"; modes jpeg and keyframes
	Masks         []Mask        // blackened before encoding; modes jpeg and keyframes
	RTSPTransport string        // tcp (also ""), udp, udp_multicast, http, or auto: TCP first, then UDP
	StallTimeout  time.Duration // without a picture for this long FFmpeg is replaced
	MaxFrame      int           // bytes; larger pictures are refused

	// InputArgs and OutputArgs are further FFmpeg options, which override those of [Args]. They stand in the arguments, so they must
	// hold no secret.
	InputArgs, OutputArgs []string
}

// Mask is a rectangle of the picture in fractions of its size, 0 to 1, from its upper left corner.
type Mask struct {
	X, Y, Width, Height float64
}

// Equal reports whether both configurations read the camera in the same way. What the mode does not use does not count.
func (c Config) Equal(o Config) bool { return reflect.DeepEqual(c.used(), o.used()) }

// used is the configuration without what its mode does not use, in one form.
func (c Config) used() Config {
	if c.Mode != ModeJPEG {
		c.FPS = 0
	}
	if c.Mode == ModeCopy {
		c.Quality, c.Width, c.HWAccel = 0, 0, ""
	}
	if len(c.InputArgs) == 0 {
		c.InputArgs = nil
	}
	if len(c.OutputArgs) == 0 {
		c.OutputArgs = nil
	}
	if len(c.Masks) == 0 {
		c.Masks = nil
	}
	return c
}

// source is a camera URL taken apart: how FFmpeg is told to read it.
type source struct {
	scheme string // "rtsp", "file", ...
	input  string // what stands behind -i, without credentials
	format string // -f before -i, where it must be said
	hls    bool   // comes in segments of some seconds each
	paced  bool   // FFmpeg paces it: pictures carry media time, not arrival time
}

func parseSource(raw string) source {
	scheme, rest, _ := strings.Cut(raw, ":")
	s := source{scheme: strings.ToLower(scheme), input: raw}
	switch s.scheme {
	case "lavfi":
		s.input, s.format, s.paced = rest, "lavfi", true
	case "v4l2":
		s.input, s.format = rest, "v4l2"
	case "file":
		s.input, s.paced = "file:"+strings.TrimPrefix(rest, "//"), true
	case "http", "https":
		// A segment's pictures arrive all at once, so that their arrival says nothing of their time.
		s.hls = isHLS(raw)
		s.paced = s.hls
	}
	return s
}

// isHLS goes by the name alone, which is that of a playlist with every server known.
func isHLS(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && strings.EqualFold(path.Ext(u.Path), ".m3u8")
}

// withCredentials returns the input with user name and password in it, percent-encoded.
func (c *Config) withCredentials(input string) string {
	u, err := url.Parse(input)
	if err != nil || c.Username == "" {
		return input
	}
	u.User = url.UserPassword(c.Username, c.Password)
	return u.String()
}

// hidden is what FFmpeg's messages must not show: the user part of the URL, and the password by itself.
func hidden(c *Config) []string {
	if c.Username == "" {
		return nil
	}
	user := url.UserPassword(c.Username, c.Password).String()
	if c.Password == "" {
		return []string{user + "@"}
	}
	_, encoded, _ := strings.Cut(user, ":")
	return []string{user + "@", c.Password, encoded}
}
