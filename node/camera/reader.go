package camera

import (
	"context"
	"strings"
	"sync"
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
	// Looks reports that pictures begin to show nothing worth seeing, from the given one on, or show something again. Other than the
	// rest it may come from another goroutine, one call at a time and all before the state turns down.
	Looks(epoch int64, seq uint64, look Look)
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
	State   schema.CameraState
	Breaker schema.BreakerState
	Epoch   int64
	Fault   Fault         // what ended the last run; set with stalled and backoff
	Err     error         // the same for people; it holds no secret
	Pause   time.Duration // with backoff: until the next start
	Faults  int           // runs that ended in a fault since the last picture

	Decoder       string // what the camera is decoded with: "software", the name of an accelerator, or "none" in mode copy
	DecoderReason string // why that is not what the camera is configured for, "" where it is
}

// breakerFaults is how many runs in a row end without a picture before the camera's breaker opens. It only gives the back-off a name
// that operators know: the pauses grow from the first fault on.
const breakerFaults = 3

// change is another configuration of the same camera, and the ffmpeg to read it with.
type change struct {
	config Config
	ffmpeg FFmpeg
}

// Reader captures one camera.
type Reader struct {
	config Config
	ffmpeg FFmpeg
	out    Output
	// turn waits for this camera's turn to start an FFmpeg, so that a fleet does not start all at once.
	turn    func(context.Context) error
	changes chan change   // the newest configuration, not yet in force
	kicks   chan struct{} // received from during a pause alone
	rest    rest

	lastEpoch int64
	epoch     atomic.Int64 // lastEpoch for others
	backoff   backoff
	faults    int
	rhythm    rhythm
	alone     bool // the camera serves one connection at a time, as far as the last change showed

	looks    *looks
	mu       sync.Mutex // held while out is called
	holder   *session   // what it reports is passed on
	decoding decoding   // changed under mu
}

// NewReader makes a reader whose epochs are above lastEpoch, the last one stored for the camera, 0 for none. turn returns when the
// camera may start an FFmpeg, or with the context's error.
func NewReader(config Config, ffmpeg FFmpeg, lastEpoch int64, turn func(context.Context) error, out Output) *Reader {
	r := &Reader{turn: turn, lastEpoch: lastEpoch, changes: make(chan change, 1), kicks: make(chan struct{}), rest: rest{wake: make(chan struct{}, 1)}}
	r.out = reporting{Output: out, reader: r}
	r.adopt(change{config, ffmpeg})
	return r
}

// Run reads the camera until ctx ends, restarting FFmpeg whenever it ends or stalls. It returns when FFmpeg has been waited for and
// everything it had written has been handed to the output. Its error is nil.
func (r *Reader) Run(ctx context.Context) error {
	for r.sleep(ctx); ctx.Err() == nil; r.sleep(ctx) {
		awake, cancel := r.rest.awake(ctx)
		r.read(awake)
		cancel()
		r.report(State{State: schema.CameraDown, Epoch: r.lastEpoch})
	}
	return nil
}

// read reads the camera until ctx ends.
func (r *Reader) read(ctx context.Context) {
	r.looks = newLooks(ctx, r.ffmpeg, r.look)
	for r.turn(ctx) == nil {
		s := r.begin(ctx)
		r.expect(s)
		s, err := r.attend(ctx, s)
		if ctx.Err() != nil {
			break
		}
		r.pause(ctx, r.fault(s, err))
	}
	r.looks.wait()
}

// look passes on what is to be said of the pictures.
func (r *Reader) look(epoch int64, seq uint64, look Look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out.Looks(epoch, seq, look)
}

// Kick ends the pause before the next start, and has the pauses begin small again. It reports whether there was a pause to end.
func (r *Reader) Kick() bool {
	select {
	case r.kicks <- struct{}{}:
		return true
	default:
		return false
	}
}

// Change puts another configuration of the same camera in force: a new FFmpeg starts beside the one that delivers, and takes over with
// its first picture. It is called by one goroutine.
func (r *Reader) Change(c Config, f FFmpeg) {
	select {
	case <-r.changes:
	default:
	}
	r.changes <- change{c, f}
}

// PID is the process number of the FFmpeg that delivers now, 0 while there is none.
func (r *Reader) PID() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holder == nil {
		return 0
	}
	return int(r.holder.pid.Load())
}

// Epoch is that of the FFmpeg that was started last, 0 before the first.
func (r *Reader) Epoch() int64 { return r.epoch.Load() }

// begin starts an FFmpeg in an epoch of its own.
func (r *Reader) begin(ctx context.Context) *session {
	r.lastEpoch = max(time.Now().UnixMilli(), r.lastEpoch+1)
	r.epoch.Store(r.lastEpoch)
	s := newSession(r, r.config, r.lastEpoch)
	s.start(ctx)
	return s
}

// fault reports how a run ended, and returns the pause before the next one.
func (r *Reader) fault(s *session, err error) time.Duration {
	fault := faultOf(err, s.news)
	r.rhythm = s.rhythm
	pause := r.backoff.after(fault, s.delivered())
	if s.accepted == 0 && strings.Contains(s.stderr, "zscale") {
		r.ffmpeg.Zscale = false // it refuses pictures of odd size; FFmpeg's own scaler takes them
	}
	r.config.HWAccel = r.decoding.after(fault, s.stderr, time.Since(s.began), s.accepted > 0)
	if s.accepted > 0 {
		r.faults = 0
	}
	r.faults++
	state := State{State: schema.CameraBackoff, Epoch: s.epoch, Fault: fault, Err: s.describe(err), Pause: pause, Faults: r.faults}
	if fault == FaultStall {
		r.report(State{State: schema.CameraStalled, Epoch: s.epoch, Fault: fault, Err: state.Err, Faults: r.faults})
	}
	r.report(state)
	return pause
}

// pause waits before the next start. A kick and a new configuration end it.
func (r *Reader) pause(ctx context.Context, d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	select {
	case <-ctx.Done():
	case <-over.C:
	case <-r.kicks:
		r.backoff = backoff{}
	case c := <-r.changes:
		r.adopt(c)
	}
}

// adopt puts a configuration in force. What was learnt with the last one counts no more.
func (r *Reader) adopt(c change) {
	r.config, r.ffmpeg, r.backoff, r.rhythm = c.config, c.ffmpeg, backoff{}, 0
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decoding = newDecoding(c.config, c.ffmpeg)
	r.config.HWAccel = r.decoding.accelerator
}

// hold makes s the session whose reports are passed on, unless a later one is already.
func (r *Reader) hold(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds(s)
}

// holds reports whether it changed the holder; r.mu is held.
func (r *Reader) holds(s *session) bool {
	if r.holder != nil && r.holder.epoch >= s.epoch {
		return false
	}
	r.holder = s
	return true
}

// expect makes s, which runs already, the session whose reports are passed on, and says that the camera starts. Where its first picture
// was quicker both have been done, and the camera is up.
func (r *Reader) expect(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds(s) {
		r.say(State{State: schema.CameraStarting, Epoch: s.epoch, Faults: r.faults})
	}
}

// report passes on a state of the reader itself.
func (r *Reader) report(st State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.say(st)
}

// say passes on a state with where the breaker stands; r.mu is held.
func (r *Reader) say(st State) {
	st.Breaker = r.breaker(st.State)
	r.out.State(st)
}

// breaker is where the camera's breaker stands in a state.
func (r *Reader) breaker(s schema.CameraState) schema.BreakerState {
	switch {
	case r.faults < breakerFaults || s == schema.CameraUp || s == schema.CameraDown:
		return schema.BreakerClosed
	case s == schema.CameraStarting:
		return schema.BreakerHalfOpen
	}
	return schema.BreakerOpen
}
