package cluster

import (
	"context"
	"maps"
	"slices"
	"time"
)

// look takes the cameras that are this node's by now.
func (s *Shares) look(ctx context.Context, t *taker) {
	now := time.Now()
	term := s.present(now)
	live := s.members.live(now)
	s.uneven.compare(s.offered(), live, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	nodes := slices.Sorted(maps.Keys(live))
	if !slices.Equal(nodes, s.seen) {
		s.seen, s.since = nodes, now
	}
	// A node that has just come does not know yet who reads what.
	if term == nil || s.leaving || now.Sub(s.members.began) < Lease && len(live)+1 < s.members.total() {
		return
	}
	for id, from := range s.wants(live, now) {
		s.busy[id], s.held[id] = true, claim{}
		t.take(ctx, id, from, term)
	}
}

// wants are the cameras that this node should have and does not, with the nodes that read them now, nil where none does. s.mu is held.
func (s *Shares) wants(live map[string]*beat, now time.Time) map[string]*beat {
	v := newView(s.config.Node, s.offers, len(s.held), live)
	wanted := map[string]*beat{}
	free := v.free(s.held)
	for _, id := range slices.Sorted(maps.Keys(free)) {
		place := v.place(id)
		if _, known := s.free[id]; !known {
			s.free[id] = now
		}
		wait := time.Duration(place) * turnTime
		if free[id] != nil { // of a node that leaves
			wait *= 2
		}
		if !s.busy[id] && now.Sub(s.free[id]) >= wait {
			wanted[id] = free[id]
		}
	}
	maps.DeleteFunc(s.free, func(id string, _ time.Time) bool { _, is := free[id]; return !is })
	if len(free) > 0 || now.Sub(s.since) < settleTime {
		return wanted
	}
	may := func(id string) bool { return !s.busy[id] && now.Sub(s.refused[id]) >= refusedPause }
	for _, id := range v.failing(s.held) {
		if may(id) {
			wanted[id] = v.holder[id]
		}
	}
	for _, id := range v.surplus(s.held) {
		if may(id) && v.move(id) {
			wanted[id] = v.holder[id]
		}
	}
	return wanted
}

// refusedPause is how long a camera that could not be read here is left to other nodes. So no camera goes from one to another and back more
// often.
const refusedPause = 5 * time.Minute

func (s *Shares) offered() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offers
}

// led reports whether a majority is heard from.
func (m *members) led(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.term != nil && m.term.at(now)
}

// total is how many nodes count.
func (m *members) total() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.size
}

// claimable reports whether nobody reads by a claim any more, so that it may be replaced.
func (m *members) claimable(r record, camera string, now time.Time) bool {
	switch {
	case r.revision == 0:
		return true
	case r.Node == m.node:
		return true // by this run, which does not hold it, or by one before: the data directory has one owner at a time
	}
	if b := m.of(r.Node, r.Run); b != nil && b.Seq > r.Beat {
		if _, holds := b.Holds[camera]; !holds {
			return true
		}
	}
	return m.over(r.Node, r.Run, r.read, now)
}
