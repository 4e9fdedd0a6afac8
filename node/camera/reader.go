package camera

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// Output takes what a [Reader] captures. The reader calls it from one goroutine, in order; no call may block.
type Output interface {
	// Frame takes a picture over, and its Data with it.
	Frame(f *schema.Frame)
	// Rejected reports a picture that used up a number and is not stored, or foreign bytes, whose seq is that of the last picture.
	Rejected(epoch int64, seq uint64, reason Rejection, detail string)
	// State reports a change.
	State(s State)
}

// Rejection is why a picture is not stored, as a label.
type Rejection string

// Rejections.
const (
	RejectTorn           Rejection = "torn"            // incomplete, or with bytes in it that are not its own
	RejectForeign        Rejection = "foreign"         // bytes between pictures that are no picture
	RejectBeforeKeyframe Rejection = "before_keyframe" // video that cannot be decoded, since it begins in mid-sequence
	RejectCorrupt        Rejection = "corrupt"         // damaged on the way, or predicted from a picture that was
	RejectOverCap        Rejection = "over_cap"        // larger than the largest frame allowed
	RejectChanged        Rejection = "changed"         // scaled to a size that the camera has just left
)

// State is where a reader stands.
type State struct {
	State  schema.CameraState
	Epoch  int64
	Fault  Fault         // what ended the last run; set with stalled and backoff
	Err    error         // the same for people; it holds no secret
	Pause  time.Duration // with backoff: until the next start
	Faults int           // runs that ended in a fault since the last picture
}

// Reader captures one camera.
type Reader struct {
	config Config
	ffmpeg FFmpeg
	out    Output
	// turn waits for this camera's turn to start an FFmpeg, so that a fleet does not start all at once.
	turn func(context.Context) error

	lastEpoch int64
	backoff   backoff
	faults    int
	pid       atomic.Int64
}

// NewReader makes a reader whose epochs are above lastEpoch, the last one stored for the camera, 0 for none. turn returns when the
// camera may start an FFmpeg, or with the context's error.
func NewReader(config Config, ffmpeg FFmpeg, lastEpoch int64, turn func(context.Context) error, out Output) *Reader {
	return &Reader{config: config, ffmpeg: ffmpeg, out: out, turn: turn, lastEpoch: lastEpoch}
}

// Run reads the camera until ctx ends, restarting FFmpeg whenever it ends or stalls. It returns when FFmpeg has been waited for and
// everything it had written has been handed to the output. Its error is nil.
func (r *Reader) Run(ctx context.Context) error {
	for r.turn(ctx) == nil {
		epoch := max(time.Now().UnixMilli(), r.lastEpoch+1)
		r.lastEpoch = epoch
		r.out.State(State{State: schema.CameraStarting, Epoch: epoch, Faults: r.faults})
		s := &session{reader: r, epoch: epoch}
		err := s.run(ctx)
		if ctx.Err() != nil {
			break
		}
		fault := faultOf(err, s.news)
		pause := r.backoff.after(fault, s.delivered())
		if s.accepted == 0 && strings.Contains(s.stderr, "zscale") {
			r.ffmpeg.Zscale = false // it refuses pictures of odd size; FFmpeg's own scaler takes them
		}
		r.faults++
		state := State{State: schema.CameraBackoff, Epoch: epoch, Fault: fault, Err: s.describe(err), Pause: pause, Faults: r.faults}
		if fault == FaultStall {
			r.out.State(State{State: schema.CameraStalled, Epoch: epoch, Fault: fault, Err: state.Err, Faults: r.faults})
		}
		r.out.State(state)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	r.out.State(State{State: schema.CameraDown, Epoch: r.lastEpoch})
	return nil
}

// PID is the process number of the FFmpeg that runs now, 0 while there is none.
func (r *Reader) PID() int { return int(r.pid.Load()) }
