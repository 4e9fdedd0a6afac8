package cluster

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/schema"
)

const (
	// besideTime is how long a camera has to send its first picture to the node that is to take it over from another.
	besideTime = 20 * time.Second
	// giveTimeout is how long a node may take to store what it has read of a camera that it gives away.
	giveTimeout = 5 * time.Second
	// claimPause is the wait between two looks at a claim.
	claimPause = 100 * time.Millisecond
	// freeTime bounds one try to take a camera that nobody reads.
	freeTime = 15 * time.Second
	// besides is how many cameras are read twice at a time, to move them.
	besides = 8
)

// taker takes cameras, each in a goroutine of its own.
type taker struct {
	shares *Shares
	nc     *nats.Conn
	claims *claims
	work   sync.WaitGroup
	beside chan struct{}
}

func (t *taker) wait() { t.work.Wait() }

// take takes a camera from the node that reads it, or one that nobody reads.
func (t *taker) take(ctx context.Context, id string, from *beat, term *Term) {
	t.work.Go(func() {
		s := t.shares
		taken := false
		if from != nil {
			taken = t.relieve(ctx, id, from, term)
		} else {
			taken = t.claim(ctx, id, 0, term)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.busy, id)
		delete(s.free, id)
		if !taken {
			delete(s.held, id)
		}
		if !taken && from == nil {
			s.free[id] = time.Now().Add(2 * turnTime) // others first
		}
	})
}

// relieve reads a camera beside the node that does, and takes it over once pictures arrive. Until then the other goes on; what both read
// the other stores.
func (t *taker) relieve(ctx context.Context, id string, from *beat, term *Term) (taken bool) {
	select {
	case t.beside <- struct{}{}:
		defer func() { <-t.beside }()
	case <-ctx.Done():
		return false
	}
	s := t.shares
	if !term.Valid() {
		return false // it has waited too long
	}
	above := max(from.Holds[id].Epoch, s.members.clock(from.Node, time.Now()))
	first, err := s.reader.Prepare(ctx, id, above, term)
	if err != nil {
		s.log.Debug("taking a camera over", "camera", id, "err", err)
		return false
	}
	opened := false
	defer func() {
		if !opened {
			s.reader.Drop(id)
		}
	}()
	late := time.NewTimer(besideTime)
	defer late.Stop()
	select {
	case ok := <-first:
		if !ok {
			t.stays(id, from, term)
			return false
		}
	case <-late.C:
		t.stays(id, from, term)
		return false
	case <-ctx.Done():
		return false
	}
	m, err := t.nc.Request(schema.GiveSubject(s.config.Site, from.Node), encode(handover{Camera: id, Node: s.config.Node}), giveTimeout)
	if err != nil {
		s.log.Debug("asking for a camera", "camera", id, "of", from.Node, "err", err)
		return false // where it has gone meanwhile, the camera is free, and taken as such
	}
	var answer given
	if err := json.Unmarshal(m.Data, &answer); err != nil || !answer.Beat.valid() {
		s.log.Debug("asking for a camera", "camera", id, "of", from.Node, "err", err)
		return false
	}
	s.members.hear(answer.Beat, time.Now())
	if _, holds := answer.Beat.Holds[id]; holds {
		return false
	}
	if answer.Epoch >= s.reader.Epoch(id) { // it has begun anew since
		s.reader.Drop(id)
		opened = true
		return t.claim(ctx, id, answer.Epoch, term)
	}
	opened = t.write(ctx, id, from.Node, term, time.Now().Add(claimTimeout*3))
	return opened
}

// stays notes that a camera cannot be read here while another node reads it.
func (t *taker) stays(id string, from *beat, term *Term) {
	s := t.shares
	if !term.Valid() || s.members.of(from.Node, from.Run) == nil {
		return // no picture was taken, or there was another reason
	}
	if from.Holds[id].Failing {
		s.log.Info("the camera cannot be read here either", "camera", id, "node", from.Node)
	} else {
		s.log.Warn("the camera does not serve this node beside the one that reads it, and stays there", "camera", id, "node", from.Node)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[id] = time.Now()
}

// claim takes a camera that nobody reads any more. FFmpeg starts at once, while the proof of that, and a leader to write the claim, may
// take a moment; frames wait until the claim is written.
func (t *taker) claim(ctx context.Context, id string, above int64, term *Term) bool {
	s := t.shares
	deadline := time.Now().Add(freeTime)
	for ctx.Err() == nil && term.Valid() && time.Now().Before(deadline) {
		from, err := t.prepare(ctx, id, above, term)
		if err != nil {
			s.log.Debug("taking a camera", "camera", id, "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(claimPause):
			}
			continue
		}
		if t.write(ctx, id, from, term, deadline) {
			return true
		}
		s.reader.Drop(id)
		return false
	}
	return false
}

// prepare begins to read a camera that nobody reads any more. It returns the node that did.
func (t *taker) prepare(ctx context.Context, id string, above int64, term *Term) (from string, err error) {
	r, err := t.claims.read(ctx, id)
	if err != nil {
		return "", err
	}
	if r.Node != t.shares.config.Node {
		above = max(above, t.shares.members.clock(r.Node, time.Now()))
	}
	_, err = t.shares.reader.Prepare(ctx, id, above, term)
	return r.Node, err
}

// write claims a camera as soon as its last claim holds no more, and lets its frames go. It gives up when the term is over, when another
// node holds the camera, and at the deadline.
func (t *taker) write(ctx context.Context, id, from string, term *Term, deadline time.Time) bool {
	s := t.shares
	tick := time.NewTicker(claimPause)
	defer tick.Stop()
	var seen record
	known := false // what stands in the bucket, for all that this node has been told
	for ; ctx.Err() == nil && term.Valid() && time.Now().Before(deadline) && !s.elsewhere(id); <-tick.C {
		if !known {
			r, err := t.claims.read(ctx, id)
			if err != nil {
				continue
			}
			if known = true; seen.read.IsZero() || seen.revision != r.revision {
				seen = r
			}
		}
		if !s.members.claimable(seen, id, time.Now()) {
			continue
		}
		// It stands in every beat behind that one.
		l := schema.Lease{Node: s.config.Node, Run: s.members.run, Beat: s.members.last(), Since: time.Now().UTC()}
		revision, err := t.claims.write(ctx, id, seen, l)
		if err != nil {
			s.log.Debug("claiming a camera", "camera", id, "err", err)
			known = false
			continue
		}
		if !term.Valid() {
			return false
		}
		s.mu.Lock()
		s.held[id] = claim{Revision: revision, term: term}
		s.mu.Unlock()
		if !s.reader.Open(id, from) {
			return false
		}
		s.log.Info("camera is this node's", "camera", id, "from", from, "revision", revision)
		return true
	}
	return false
}

// elsewhere reports whether another live node holds a camera.
func (s *Shares) elsewhere(id string) bool {
	for _, b := range s.members.live(time.Now()) {
		if b.Holds[id].Revision > 0 {
			return true
		}
	}
	return false
}

// last is the number of the last own beat.
func (m *members) last() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seq
}
