package harness

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cameraNiceness is how much a timed camera's encoder goes before all else.
const cameraNiceness = -10

// TimedCamera is a live camera whose every picture shows the time at which it was handed to the encoder; [TimeIn] reads it. FFmpeg
// encodes and packs the pictures, and each RTSP client is sent them from the moment it asks. It has sensor noise.
type TimedCamera struct {
	t      testing.TB
	server *rtspServer
	mu     sync.Mutex
	feeds  map[chan []byte]bool
	drawn  []time.Time
	left   map[time.Time]time.Time // by when they were drawn: when the first packet of pictures was sent
}

// StartTimed starts a camera; Kbps and Clip are not used. It ends with the test.
func StartTimed(t testing.TB, o RTSPOptions) *TimedCamera {
	t.Helper()
	o = o.defaults()
	cam := &TimedCamera{t: t, feeds: map[chan []byte]bool{}, left: map[time.Time]time.Time{}}
	rtp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if err := rtp.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	sdpFile := filepath.Join(t.TempDir(), "sdp")
	encoder := encoderOf(o, sdpFile, rtp.LocalAddr())
	encoder.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	encoder.Stderr = os.Stderr
	pictures, err := encoder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := encoder.Start(); err != nil {
		t.Fatalf("starting ffmpeg: %v", err)
	}
	// A camera is a machine of its own: what the node and its tests do does not hold it up. Where that is not allowed it is as any other.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, encoder.Process.Pid, cameraNiceness)
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { cam.draw(pictures, o, ended) })
	running.Go(func() { cam.relay(rtp) })
	t.Cleanup(func() {
		close(ended)
		_ = encoder.Process.Kill()
		_ = encoder.Wait() // it was killed
		rtp.Close()
		running.Wait()
	})
	cam.server = startRTSPServer(t, describe(t, sdpFile), cam.play)
	return cam
}

// URL is the stream's address.
func (c *TimedCamera) URL() string { return c.server.url(1) }

// Delay is how long the camera itself took to encode and send the picture that shows the given time.
func (c *TimedCamera) Delay(at time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left[at].Sub(at)
}

// encoderOf is an FFmpeg that makes RTP of raw pictures and writes the stream's description to a file.
func encoderOf(o RTSPOptions, sdpFile string, to net.Addr) *exec.Cmd {
	gop := fmt.Sprint(o.GOP)
	codec := map[string][]string{
		CodecH264: {"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", gop, "-flags", "+global_header", "-bsf:v", "dump_extra"},
		CodecH265: {"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-flags", "+global_header", "-bsf:v", "dump_extra",
			"-x265-params", "log-level=none:pools=none:frame-threads=1:open-gop=0:keyint=" + gop},
		CodecMJPEG: {"-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p", "-huffman", "default", "-force_duplicated_matrix", "1"},
	}[o.Codec]
	args := []string{"-hide_banner", "-loglevel", "error", "-probesize", "32", "-f", "rawvideo", "-pix_fmt", "yuv420p",
		"-video_size", fmt.Sprintf("%dx%d", o.Width, o.Height), "-framerate", fmt.Sprint(o.FPS), "-i", "pipe:0", "-fps_mode", "passthrough", "-threads", "1"}
	return exec.Command("ffmpeg", append(append(args, codec...),
		"-flush_packets", "1", "-sdp_file", sdpFile, "-f", "rtp", fmt.Sprintf("rtp://%s?pkt_size=1400", to))...)
}

// draw hands pictures to the encoder at their times.
func (c *TimedCamera) draw(to io.WriteCloser, o RTSPOptions, ended <-chan struct{}) {
	defer to.Close()
	var noisy [4][]byte
	for i := range noisy {
		noisy[i] = make([]byte, o.Width*o.Height*3/2)
		for k := range noisy[i] {
			noisy[i][k] = byte(120 + rand.IntN(16))
		}
	}
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case <-ended:
			return
		case <-timer.C:
		}
		picture := noisy[n%len(noisy)]
		now := time.Now().Truncate(time.Microsecond)
		drawTime(picture, o.Width, o.Height, now)
		c.mu.Lock()
		c.drawn = append(c.drawn, time.UnixMicro(now.UnixMicro()))
		c.mu.Unlock()
		if _, err := to.Write(picture); err != nil {
			return
		}
		timer.Reset(time.Until(began.Add(time.Duration(n) * time.Second / time.Duration(o.FPS))))
	}
}

// describe waits for the stream's description.
func describe(t testing.TB, path string) (sdp string) {
	t.Helper()
	WaitFor(t, 20*time.Second, "the encoder's stream description", func() bool {
		b, err := os.ReadFile(path)
		sdp = strings.TrimSpace(string(b))
		return err == nil && strings.Contains(sdp, "m=video")
	})
	return strings.TrimPrefix(sdp, "SDP:\n") + "\r\na=control:track0\r\n"
}

// relay passes each packet on to all clients.
func (c *TimedCamera) relay(from *net.UDPConn) {
	buffer := make([]byte, 64<<10)
	sent, last := 0, []byte(nil) // pictures, and the newest one's timestamp
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		packet := append(binary.BigEndian.AppendUint16([]byte{'$', 0}, uint16(n)), buffer[:n]...)
		c.mu.Lock()
		if stamp := packet[framing+4 : framing+8]; !bytes.Equal(stamp, last) && sent < len(c.drawn) {
			c.left[c.drawn[sent]] = time.Now()
			sent, last = sent+1, stamp
		}
		for feed := range c.feeds {
			select {
			case feed <- packet:
			default:
				c.t.Error("a client of the camera has fallen behind")
				delete(c.feeds, feed)
			}
		}
		c.mu.Unlock()
	}
}

// play sends packets until the client goes.
func (c *TimedCamera) play(client *rtspClient) {
	feed := make(chan []byte, 8192)
	c.mu.Lock()
	c.feeds[feed] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.feeds, feed)
		c.mu.Unlock()
	}()
	for {
		select {
		case <-client.ended:
			return
		case packet := <-feed:
			if _, err := client.Write(packet); err != nil {
				return
			}
		}
	}
}
