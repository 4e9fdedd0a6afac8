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
	term, _ := s.peek(now)
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
	for _, id := range s.offers {
		if _, held := s.held[id]; held || s.busy[id] {
			continue
		}
		if from, take := s.wants(id, live, now); take {
			s.busy[id], s.held[id] = true, claim{}
			t.take(ctx, id, from, term)
		}
	}
}

// wants reports whether this node should have a camera that it does not hold, and the node that reads it now, nil where none does. s.mu is
// held.
func (s *Shares) wants(id string, live map[string]*beat, now time.Time) (from *beat, take bool) {
	able := []string{s.config.Node}
	for node, b := range live {
		if c, holds := b.Holds[id]; holds && (from == nil || c.Revision > 0) {
			from = b
		}
		if _, offers := slices.BinarySearch(b.Offers, id); offers && !b.Leaving {
			able = append(able, node)
		}
	}
	place := slices.Index(rank(id, able), s.config.Node)
	if from == nil {
		since, known := s.free[id]
		if !known {
			s.free[id], since = now, now
		}
		return nil, now.Sub(since) >= time.Duration(place)*turnTime
	}
	delete(s.free, id)
	if place > 0 || from.Holds[id].Revision == 0 {
		return nil, false
	}
	if from.Leaving {
		return from, true
	}
	return from, now.Sub(s.since) >= settleTime && now.Sub(s.refused[id]) >= refusedPause
}

// refusedPause is how long a camera that could not be read here stays where it is read.
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
