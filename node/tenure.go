package node

import (
	"sync/atomic"

	"github.com/edge-video/edge-video/node/cluster"
	"github.com/edge-video/edge-video/schema"
)

// tenure is how a camera of a cluster stands with this node. Outside of clusters it is always held.
type tenure struct {
	term  *cluster.Term // nil outside of clusters
	stage atomic.Int32
	first chan bool // takes one: whether the camera can be read
}

// Stages of a tenure, in order.
const (
	tenurePrepared = iota // frames wait in the lane, nothing is told
	tenureHeld
	tenureLeft    // frames in the lane go to the stream, no more come, nothing is told
	tenureDropped // nobody wants what was read
)

func newTenure(term *cluster.Term) *tenure {
	t := &tenure{term: term, first: make(chan bool, 1)}
	if term == nil {
		t.stage.Store(tenureHeld)
	}
	return t
}

// takes reports whether a picture that comes now is this node's to store.
func (t *tenure) takes() bool {
	return t.stage.Load() <= tenureHeld && (t.term == nil || t.term.Valid())
}

// sends reports whether frames may go to the stream now.
func (t *tenure) sends() bool {
	return t.stores() && (t.term == nil || t.term.Valid())
}

// stores reports whether what becomes of frames is this node's to tell.
func (t *tenure) stores() bool {
	stage := t.stage.Load()
	return stage == tenureHeld || stage == tenureLeft
}

// tells reports whether the camera's state is this node's to tell.
func (t *tenure) tells() bool { return t.stage.Load() == tenureHeld }

// works notes whether the camera can be read, once.
func (t *tenure) works(ok bool) {
	select {
	case t.first <- ok:
	default:
	}
}

// open makes a prepared camera this node's before all: its state is told, and its frames go to the stream.
func (s *station) open(from string) {
	s.stage.Store(tenureHeld)
	st := s.snapshot()
	s.showUp(st.State)
	message := "node " + s.node + " reads it"
	if from != "" && from != s.node {
		message += " in place of node " + from
	}
	s.log.Info("camera taken", "from", from, "epoch", st.Epoch)
	s.tell(schema.KindControl, schema.Event{Reason: "lease", Message: message, Epoch: st.Epoch})
	if st.State == schema.CameraUp {
		s.tell(schema.KindState, schema.Event{State: string(st.State), Epoch: st.Epoch})
	}
	s.publish()
	s.lane.signal()
}

// leave makes the camera another node's; "" where it is not known whose.
func (s *station) leave(to string) {
	message := "node " + s.node + " leaves it to others"
	if to != "" {
		message = "node " + s.node + " leaves it to node " + to
	}
	s.log.Info("camera left", "to", to)
	s.tell(schema.KindControl, schema.Event{Reason: "lease", Message: message, Epoch: s.snapshot().Epoch})
	s.stage.Store(tenureLeft)
	s.showUp(schema.CameraDown)
	s.journal.Forget(schema.BucketCameras, s.id)
}

// discard gives up what was read and is not wanted.
func (s *station) discard() {
	s.stage.Store(tenureDropped)
	s.lane.discard()
}
