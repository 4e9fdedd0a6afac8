package harness

import (
	"bufio"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

//go:embed rtsp.py
var rtspScript []byte

// Codecs that an RTSP camera sends.
const (
	CodecH264  = "h264"
	CodecH265  = "h265"
	CodecMJPEG = "mjpeg"
)

// RTSPOptions describe a camera. Zero fields are 640x360, 10 fps, a keyframe in two seconds, H.264 with 1,000 kb/s.
type RTSPOptions struct {
	Codec         string
	Width, Height int
	FPS           int
	GOP           int    // frames from one keyframe to the next
	Kbps          int    // not for MJPEG
	Clip          string // an H.264 file to play over and over at FPS instead of a made-up picture; costs next to no CPU
}

// RTSP is a camera: an RTSP server with one live stream.
type RTSP struct {
	*service
	port int
}

// StartRTSP starts a camera and returns when its stream can be described.
func StartRTSP(t testing.TB, o RTSPOptions) *RTSP {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "rtsp.py")
	if err := os.WriteFile(script, rtspScript, 0o600); err != nil {
		t.Fatal(err)
	}
	r := &RTSP{port: FreePort(t)}
	o = o.defaults()
	args := []string{script,
		"--port", fmt.Sprint(r.port), "--codec", o.Codec, "--width", fmt.Sprint(o.Width), "--height", fmt.Sprint(o.Height),
		"--fps", fmt.Sprint(o.FPS), "--gop", fmt.Sprint(o.GOP), "--kbps", fmt.Sprint(o.Kbps),
	}
	if o.Clip != "" {
		args = append(args, "--file", annexB(t, o.Clip, dir))
	}
	r.service = newService(t, program{
		// Debian's own interpreter: another one in PATH does not see Debian's modules
		name: "rtsp", path: "/usr/bin/python3", args: args, dir: dir,
		pkg: "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly",
	}, r.describe)
	r.grace = 0 // it has nothing to put in order
	r.Start()
	return r
}

func (o RTSPOptions) defaults() RTSPOptions {
	or := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	or(&o.Width, 640)
	or(&o.Height, 360)
	or(&o.FPS, 10)
	or(&o.GOP, 2*o.FPS)
	or(&o.Kbps, 1000)
	if o.Codec == "" {
		o.Codec = CodecH264
	}
	return o
}

// URL is the stream's address.
func (r *RTSP) URL() string { return "rtsp://" + r.Addr() + "/stream1" }

// Addr is where it listens.
func (r *RTSP) Addr() string { return hostPort(r.port) }

// describe asks for the stream's description, which the server gives only when its encoder works.
func (r *RTSP) describe() error {
	c, err := net.DialTimeout("tcp", r.Addr(), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "DESCRIBE %s RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n", r.URL()); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return fmt.Errorf("reading the answer to DESCRIBE: %w", err)
	}
	if !strings.HasPrefix(line, "RTSP/1.0 200 ") {
		return fmt.Errorf("answer to DESCRIBE: %s", strings.TrimSpace(line))
	}
	return nil
}

// annexB rewrites clip so that every access unit begins with a delimiter.
func annexB(t testing.TB, clip, dir string) string {
	t.Helper()
	out := filepath.Join(dir, "clip.h264")
	runFFmpeg(t, "-i", clip, "-an", "-c:v", "copy", "-bsf:v", "h264_mp4toannexb,h264_metadata=aud=insert", "-f", "h264", out)
	return out
}

func runFFmpeg(t testing.TB, args ...string) {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing: apt-get install ffmpeg")
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
