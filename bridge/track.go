package bridge

import (
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// track is what a worker remembers of a durable from session to session.
type track struct {
	durable  string
	consumer jetstream.Consumer
	backfill bool

	mu       sync.Mutex
	handled  uint64 // stream sequence of the last message handed over or skipped
	inFlight int
	known    bool
	floor    uint64 // with known: everything up to it was answered for
	gone     uint64 // what aged out up to it has been counted
	counted  uint64 // what was skipped up to it has been counted
	looked   bool   // see firstLook
	cameras  map[string]cameraState
}

// cameraState is how a bridge stands with one camera.
type cameraState struct {
	place place
	due   due
}

// place is where a camera's last frame stands, by its own numbers and the stream's.
type place struct {
	epoch       int64
	seq, stream uint64
}

func newTrack(durable string, backfill bool) *track {
	return &track{durable: durable, backfill: backfill, cameras: map[string]cameraState{}}
}

// start is called when a session begins behind the given stream sequence. It returns the one up to which it is known what became of
// every message.
func (t *track) start(floor uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight = 0
	if !t.known {
		t.known, t.floor = true, floor
	}
	t.handled = t.floor
	return max(t.floor, t.gone)
}

// forget is called when another process may have been at work. What has been counted is not counted again.
func (t *track) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known, t.looked, t.handled, t.floor, t.cameras = false, false, 0, 0, map[string]cameraState{}
}

// answered is called when everything up to a stream sequence is known to be answered for.
func (t *track) answered(floor uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known, t.floor = true, max(t.floor, floor)
}

// moved is called when everything up to a stream sequence has become another's.
func (t *track) moved(floor uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known, t.floor, t.cameras = true, floor, map[string]cameraState{}
}

// begin takes on a frame.
func (t *track) begin(seq uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handled = seq
	t.inFlight++
}

// done is called when the sink has answered for a frame.
func (t *track) done(seq uint64, camera string, state cameraState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight--
	t.floor = seq
	if t.inFlight == 0 {
		t.floor = t.handled
	}
	t.cameras[camera] = state
}

// skip passes over a message and reports whether that is the first time. A frame in front of it that the sink has not answered for may
// come again, and then finds the camera's state as it was.
func (t *track) skip(seq uint64, camera string, state cameraState) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handled = seq
	if t.inFlight == 0 {
		t.floor = seq
		if camera != "" {
			t.cameras[camera] = state
		}
	}
	first := seq > t.counted
	t.counted = max(t.counted, seq)
	return first
}

func (t *track) camera(name string) cameraState {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cameras[name]
}

// vanish says that all messages behind seen and up to last are gone, and returns how many of them had not been counted as such.
func (t *track) vanish(seen, last uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	seen = max(seen, t.gone)
	if last <= seen {
		return 0
	}
	t.gone = last
	return last - seen
}

// rest is vanish while no session is there: behind what has been answered for. It is nothing before the first session.
func (t *track) rest(last uint64) uint64 {
	t.mu.Lock()
	floor, known := t.floor, t.known
	t.mu.Unlock()
	if !known {
		return 0
	}
	return t.vanish(floor, last)
}

// firstLook reports whether it is called for the first time.
func (t *track) firstLook() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := !t.looked
	t.looked = true
	return first
}

// doneUpTo is the stream sequence up to which everything was answered for, 0 where that is not known.
func (t *track) doneUpTo() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.floor
}
