package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
)

// measured is for how long a camera is watched: a few keyframes of most cameras.
const measured = 4 * time.Second

// sendsNothing is what to do about a camera that cannot be read.
var sendsNothing = map[camera.Fault]string{
	camera.FaultRefused:      "see that the camera is on, and the URL's host and port; some cameras serve few connections",
	camera.FaultTimeout:      "see that the camera is on, its address, and what firewalls or VLANs are between",
	camera.FaultStall:        "see that the camera is on, its address, and rtsp_transport: udp gets through few firewalls",
	camera.FaultNotFound:     "see the URL's host and path; edge-video discover prints those of ONVIF cameras",
	camera.FaultUnauthorised: "see username and password; some cameras answer so when they serve as many connections as they can",
	camera.FaultBadData:      "see the URL's path, and that the stream is video which FFmpeg knows",
	camera.FaultEnded:        "see whether the camera serves one connection alone, and who else reads it",
	camera.FaultProcess:      "see that FFmpeg runs, and input_args",
}

// Camera connects to a camera that nobody of ours reads, and measures what it sends.
func Camera(ffmpeg camera.FFmpeg, c camera.Config) Check {
	return func(ctx context.Context) []Finding {
		f := Finding{Area: "camera", Of: c.ID, Status: OK}
		v, err := ffmpeg.Survey(ctx, c, measured)
		if err != nil {
			f.Status, f.What, f.Remedy = Fail, err.Error(), sendsNothing[camera.FaultProcess]
			if why := new(camera.SurveyError); errors.As(err, &why) && sendsNothing[why.Fault] != "" {
				f.Remedy = sendsNothing[why.Fault]
			}
			return []Finding{f}
		}
		f.Figures = map[string]any{"from": "camera", "codec": v.Codec, "width": v.Width, "height": v.Height, "fps": v.FPS,
			"keyframe_seconds": v.KeyInterval.Seconds(), "bytes_per_second": int64(v.Bytes)}
		f.What = fmt.Sprintf("sends %s%s at %.1f fps, %.0f kB/s", v.Codec, size(v.Width, v.Height), v.FPS, v.Bytes/1e3)
		if v.KeyInterval > 0 && v.Codec != "mjpeg" {
			f.What += fmt.Sprintf(", a keyframe every %.1f s", v.KeyInterval.Seconds())
		} else if v.Codec != "mjpeg" && v.Stored {
			f.What += fmt.Sprintf(", fewer than two keyframes in %s", 2*measured)
		}
		judge(&f, v, c)
		return []Finding{f}
	}
}

// judge finds what does not go with the configuration.
func judge(f *Finding, v camera.Survey, c camera.Config) {
	slow := v.KeyInterval > 5*time.Second || v.KeyInterval == 0 && v.Stored
	switch {
	case c.Mode == camera.ModeCopy && !v.Stored:
		f.Status, f.Remedy = Fail, "mode copy stores H.264, H.265 and MJPEG: set the camera to one of them, or use mode jpeg"
	case v.Pictures < 2:
		f.Status, f.Remedy = Warn, "one picture came: see the camera's frame rate, and its network"
	case c.Mode == camera.ModeJPEG && v.FPS > 0 && c.FPS > v.FPS*1.1:
		f.Status, f.Remedy = Warn, fmt.Sprintf("fps asks for %g, and the camera sends less: set its own frame rate, or lower fps", c.FPS)
	case c.Mode == camera.ModeKeyframes && slow && v.Codec != "mjpeg":
		f.Status, f.Remedy = Warn, "mode keyframes has a picture for each keyframe: set the camera's keyframe (I-frame) interval to 1 or 2 s"
	case slow && v.Codec != "mjpeg":
		f.Status = Warn
		f.Remedy = "set the camera's keyframe (I-frame) interval to 1 or 2 s: a start, and what follows a damaged picture, waits for the next"
	}
}

func size(width, height int) string {
	if width == 0 {
		return ""
	}
	return fmt.Sprintf(" %dx%d", width, height)
}

// read are the states of a camera that a node is connected to, or is about to be.
var read = []schema.CameraState{schema.CameraUp, schema.CameraStarting, schema.CameraStalled}

// IsRead reports whether a node reads a camera, so that another connection might cost it its own.
func IsRead(s schema.CameraStatus) bool { return slices.Contains(read, s.State) }

// CameraOfNode says how a camera is that a running node reads, from its state and the frames that it stores now; the camera itself is left
// in peace.
func CameraOfNode(nc *nats.Conn, site, id string, status schema.CameraStatus) Check {
	return func(ctx context.Context) []Finding {
		f := Finding{Area: "camera", Of: id, Status: OK}
		v, err := watchFrames(ctx, nc, site, id)
		f.Figures = map[string]any{"from": "node", "state": status.State, "content_type": v.kind, "width": v.width, "height": v.height,
			"fps": v.fps(), "bytes_per_second": int64(v.rate())}
		if v.interval() > 0 {
			f.Figures["keyframe_seconds"] = v.interval().Seconds()
		}
		f.What = fmt.Sprintf("node %s reads it, state %s; stores %s%s at %.1f fps, %.0f kB/s", status.Node, status.State, v.kind,
			size(v.width, v.height), v.fps(), v.rate()/1e3)
		if v.interval() > 0 {
			f.What += fmt.Sprintf(", a keyframe every %.1f s", v.interval().Seconds())
		}
		const more = "; --connect reads the camera itself, which may cost the node its connection"
		switch {
		case err != nil:
			f.Status, f.What, f.Remedy = Warn, fmt.Sprintf("node %s reads it, state %s; its frames cannot be watched: %s", status.Node,
				status.State, err), "see that these credentials may subscribe to frames.>"
		case v.frames == 0:
			f.Status, f.What = Fail, fmt.Sprintf("node %s reads it, state %s; no frame in %s", status.Node, status.State, measured)
			f.Remedy = "see events.> for its faults" + more
		case status.Look != "":
			f.Status, f.What, f.Remedy = Warn, f.What+"; its pictures are "+status.Look, "look at them, and at the camera"
		}
		return []Finding{f}
	}
}

// CameraUnasked is a camera that a node may read which cannot be asked: the running one, or another one of the cluster.
func CameraUnasked(id string) Check {
	return func(context.Context) []Finding {
		return []Finding{{Area: "camera", Of: id, Status: Warn,
			What:   "not looked at: a node may read it that cannot be asked, and another connection may cost it its own",
			Remedy: "give the NATS URL of a running node of the site with --server, or connect all the same with --connect"}}
	}
}

// watch is what was seen of a camera's frames.
type watch struct {
	kind          string
	width, height int
	frames, keys  int
	bytes         int
	first, last   time.Time
	keyed         [2]time.Time
}

// watchFrames counts a camera's frames as they are stored.
func watchFrames(ctx context.Context, nc *nats.Conn, site, id string) (v watch, err error) {
	sub, err := nc.SubscribeSync(schema.FrameSubject(site, id))
	if err != nil {
		return v, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only with the connection
	ctx, cancel := context.WithTimeout(ctx, measured)
	defer cancel()
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return v, nil
		}
		if err != nil {
			return v, err
		}
		frame, err := schema.Decode(m.Subject, http.Header(m.Header), m.Data)
		if err != nil {
			return v, err
		}
		v.take(frame)
	}
}

func (v *watch) take(f *schema.Frame) {
	if v.frames == 0 {
		v.first = f.Captured
	}
	v.frames++
	v.kind, v.width, v.height, v.last = f.ContentType, f.Width, f.Height, f.Captured
	v.bytes += len(f.Data)
	if f.Keyframe {
		if v.keys++; v.keys == 1 {
			v.keyed[0] = f.Captured
		}
		v.keyed[1] = f.Captured
	}
}

func (v *watch) fps() float64 {
	if seconds := v.last.Sub(v.first).Seconds(); seconds > 0 {
		return float64(v.frames-1) / seconds
	}
	return 0
}

func (v *watch) rate() float64 { return v.fps() * float64(v.bytes) / float64(max(1, v.frames)) }

// interval is 0 where pictures have no keyframes, or fewer than two came.
func (v *watch) interval() time.Duration {
	if v.keys < 2 {
		return 0
	}
	return v.keyed[1].Sub(v.keyed[0]) / time.Duration(v.keys-1)
}
