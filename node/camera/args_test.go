package camera

import (
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// trickyPassword has everything that URLs, playlists and shells treat in their own way.
const trickyPassword = "p@ss:w/rd#%?&+ é'"

func TestArgs_AreTheGoldenCommandLines(t *testing.T) {
	t.Parallel()
	urls := []string{"rtsp://10.0.0.5:554/stream1", "rtsps://10.0.0.5/stream1", "rtmp://10.0.0.5/live/1", "http://10.0.0.5/video",
		"https://10.0.0.5/video?x=1&y=2", "udp://239.0.0.1:5000", "srt://10.0.0.5:9000", "file:/media/a b.mp4", "v4l2:/dev/video0", "lavfi:testsrc2=size=640x360"}
	var b strings.Builder
	for _, url := range urls {
		for _, mode := range []Mode{ModeJPEG, ModeKeyframes, ModeCopy} {
			args, stdin := Args(testConfig(url, mode), FFmpeg{Zscale: true})
			fmt.Fprintf(&b, "# %s %s\n%s\n%s\n", mode, url, shown(args), stdin)
		}
	}
	for _, url := range urls[:5] {
		c := testConfig(url, ModeJPEG)
		c.Username, c.Password = "viewer", trickyPassword
		args, stdin := Args(c, FFmpeg{Zscale: true})
		fmt.Fprintf(&b, "# jpeg %s with credentials\n%s\n%s\n", url, shown(args), stdin)
	}
	show := func(name string, c Config, f FFmpeg) {
		args, stdin := Args(c, f)
		fmt.Fprintf(&b, "# %s\n%s\n%s\n", name, shown(args), stdin)
	}
	c := testConfig(urls[0], ModeJPEG)
	c.Width, c.FPS, c.Quality = 640, 2.5, 2
	c.Masks = []Mask{{X: 0.1, Width: 0.2, Height: 1.0 / 3}, {X: 1e-7, Y: 0.7, Width: 0.9, Height: 0.3}}
	show("scaled, masked", c, FFmpeg{Zscale: true})
	show("scaled, masked, without zscale", c, FFmpeg{})
	for _, transport := range []string{"udp", "udp_multicast", "http", "auto"} {
		c := testConfig(urls[0], ModeJPEG)
		c.RTSPTransport = transport
		show("rtsp_transport "+transport, c, FFmpeg{Zscale: true})
	}
	for _, mode := range []Mode{ModeJPEG, ModeCopy} {
		show(string(mode)+" of HLS", testConfig("https://10.0.0.5/live/index.m3u8?token=1", mode), FFmpeg{Zscale: true})
	}
	for _, name := range []string{"cuda", "vaapi", "qsv", "v4l2m2m", "rkmpp", "videotoolbox", "d3d11va", "drm", "vulkan"} {
		for _, mode := range []Mode{ModeJPEG, ModeKeyframes} {
			c := testConfig(urls[0], mode)
			c.HWAccel = name
			show(string(mode)+", hwaccel "+name, c, FFmpeg{Zscale: true})
		}
	}
	c = testConfig(urls[0], ModeJPEG)
	c.HWAccel = "rkmpp"
	show("hwaccel rkmpp of Rockchip's FFmpeg", c, FFmpeg{Zscale: true, hwaccels: []string{"rkmpp"}})
	c.HWAccel, c.Width, c.Masks = "vaapi", 320, []Mask{{Width: 0.5, Height: 0.5}}
	show("hwaccel vaapi, scaled, masked", c, FFmpeg{Zscale: true})
	c = testConfig(urls[0], ModeJPEG)
	c.HWAccel = "auto"
	show("hwaccel auto, which is vaapi", c, FFmpeg{Zscale: true, Auto: "vaapi"})
	show("hwaccel auto, which is software", c, FFmpeg{Zscale: true})
	c = testConfig(urls[0], ModeJPEG)
	c.InputArgs, c.OutputArgs = []string{"-rtsp_flags", "prefer_tcp", "-an", "-fflags", "+genpts", "-thread_queue_size", "64"}, []string{"-huffman", "default"}
	options := FFmpeg{Zscale: true, common: map[string]bool{"fflags": true}, private: map[string]bool{"rtsp_flags": true}}
	show("further arguments", c, options)
	c.Username, c.Password = "viewer", trickyPassword
	show("further arguments with credentials", c, options)
	golden := filepath.Join("testdata", "args.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b.String(), string(want)); d != "" {
		t.Errorf("command lines differ (-got +want), -update writes them anew:\n%s", d)
	}
}

func TestArgs_HoldNoSecret(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"rtsp://cam/1", "rtsps://cam/1", "rtmp://cam/1", "http://cam/1?a=b", "https://cam/1"} {
		for _, mode := range []Mode{ModeJPEG, ModeKeyframes, ModeCopy} {
			c := testConfig(url, mode)
			c.Username, c.Password = "viewer", trickyPassword
			args, stdin := Args(c, FFmpeg{})
			all := strings.Join(args, " ")
			for _, secret := range append(hidden(&c), "viewer") {
				if strings.Contains(all, secret) {
					t.Errorf("%s %s: %q is in %s", mode, url, secret, all)
				}
			}
			if want := "://viewer:p%40ss%3Aw%2Frd%23%25%3F&+%20%C3%A9%27@cam/1"; !strings.Contains(stdin, want) {
				t.Errorf("%s %s: playlist %q, want %q in it", mode, url, stdin, want)
			}
		}
	}
}

// The names are read by FFmpeg itself, from a playlist in the form of Args.
func TestArgs_FFmpegReadsQuotedNamesAsTheyAre(t *testing.T) {
	t.Parallel()
	clip := encoded(t, "a.ts", "testsrc2=size=64x48:rate=10:duration=0.5", x264...)
	b, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	c := testConfig("rtsp://cam/1", ModeJPEG)
	c.Username = "viewer"
	args, stdin := Args(c, FFmpeg{})
	i := slices.Index(args, "pipe:0")
	for _, name := range []string{"plain.ts", "it's.ts", "''.ts", `back\slash.ts`, `a"b.ts`, " space .ts", "#hash.ts", "per%20cent.ts", "tab\t.ts", "é.ts", `\'.ts`} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, name, b)
			cmd := exec.CommandContext(t.Context(), "ffmpeg", append(slices.Clone(args[:i+1]), "-f", "null", "-")...)
			first, _, _ := strings.Cut(stdin, "\n")
			cmd.Stdin = strings.NewReader(first + "\nfile " + quote("file:"+path) + "\n")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// FFmpeg does the same with recorded pictures as with a camera's, without waiting for them.
func TestPace_KeepsTheRateAskedFor(t *testing.T) {
	t.Parallel()
	const length = 60
	for _, c := range []struct {
		camera    int
		fps, want float64
	}{
		{30, 0.2, 0.2}, {30, 0.5, 0.5}, {30, 1, 1}, {30, 7, 7}, {30, 10, 10}, {30, 15, 15}, {30, 25, 25}, {30, 30, 30}, {25, 24, 24}, {10, 10, 10}, {5, 10, 5},
	} {
		for _, paced := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d to %v, paced %v", c.camera, c.fps, paced), func(t *testing.T) {
				t.Parallel()
				setpts := "PTS"
				if !paced {
					// as arrival times are: late by up to a third of a period, each its own
					setpts = fmt.Sprintf("PTS+(1795419833+mod(N*0.381966\\,0.333)/%d)/TB", c.camera)
				}
				n := passed(t, fmt.Sprintf("color=size=16x16:rate=%d:duration=%d", c.camera, length), "settb=1/1000000,setpts='"+setpts+"',"+pace(c.fps, paced))
				want := c.want * length
				if off := math.Abs(float64(n) - want); off > max(1, want/100) {
					t.Errorf("%d pictures in %d s, want %v and 1 %%", n, length, want)
				}
			})
		}
	}
}

// passed counts the pictures that a filter lets through.
func passed(t *testing.T, source, filter string) (n int) {
	t.Helper()
	for line := range strings.Lines(string(ffmpegRun(t, "-f", "lavfi", "-i", source, "-vf", filter, "-fps_mode", "passthrough", "-f", "framecrc", "-"))) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

// A camera's own clock jitters, and its pictures may come in bursts after a pause.
func TestPace_BearsJitterAndLetsNoBurstThrough(t *testing.T) {
	t.Parallel()
	count := func(t *testing.T, setpts string, fps float64) int {
		return passed(t, "color=size=16x16:rate=10:duration=20", "settb=1/1000,setpts='"+setpts+"',"+pace(fps, true))
	}
	// 10 fps, each picture up to 40 ms early or late
	if n := count(t, "N*100+40*sin(N*1.7)", 10); n < 196 {
		t.Errorf("%d of 200 pictures at the camera's own rate with jitter", n)
	}
	// 5 s of nothing after picture 50, then the 50 pictures held up, all within 0.1 s
	if n := count(t, "if(lt(N,50),N*100,if(lt(N,100),10000+(N-50)*2,N*100))", 10); n < 148 || n > 156 {
		t.Errorf("%d pictures with a burst, want about 150", n)
	}
}

// shown writes arguments as a shell would need them, so that each can be told from the next.
func shown(args []string) string {
	var all []string
	for _, a := range args {
		if strings.ContainsAny(a, " '\"?&;*") {
			a = strconv.Quote(a)
		}
		all = append(all, a)
	}
	return strings.Join(all, " ")
}
