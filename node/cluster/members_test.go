package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// site is nodes whose beats take any time, or get lost, between pairs that are cut.
type site struct {
	random *rand.Rand
	now    time.Time
	nodes  []*members
	cut    map[[2]int]bool
	under  []flying
}

type flying struct {
	b  *beat
	to int
	at time.Time
}

func newSite(size int, seed uint64) *site {
	s := &site{random: rand.New(rand.NewPCG(seed, seed)), now: time.Now(), cut: map[[2]int]bool{}}
	var names []string
	for i := range size {
		names = append(names, fmt.Sprintf("node-%d", i+1))
	}
	for _, n := range names {
		m := newMembers(n, s.now)
		m.count(names, size)
		s.nodes = append(s.nodes, m)
	}
	return s
}

// step lets some time pass.
func (s *site) step(d time.Duration) {
	s.now = s.now.Add(d)
	for i, m := range s.nodes {
		if s.random.IntN(int(beatPeriod/d)) > 0 {
			continue
		}
		b := &beat{}
		m.next(b, s.now)
		for j := range s.nodes {
			if i != j && !s.cut[[2]int{i, j}] {
				s.under = append(s.under, flying{b, j, s.now.Add(time.Duration(s.random.Int64N(int64(time.Second))))})
			}
		}
	}
	waiting := s.under[:0]
	for _, f := range s.under {
		if f.at.After(s.now) {
			waiting = append(waiting, f)
		} else {
			s.nodes[f.to].hear(f.b, s.now)
		}
	}
	s.under = waiting
}

func (s *site) run(d time.Duration) {
	for range d / (50 * time.Millisecond) {
		s.step(50 * time.Millisecond)
	}
}

// TestMembers_ATermIsNeverProvedOverWhileItIsValid cuts nodes off from one another at random, in one direction or both, and starts some
// anew. Whatever others take for proved has to be so.
func TestMembers_ATermIsNeverProvedOverWhileItIsValid(t *testing.T) {
	proofs := 0
	for _, size := range []int{3, 4, 5} {
		for seed := range uint64(6) {
			s := newSite(size, seed)
			s.run(3 * time.Second)
			type watch struct {
				term  *Term
				run   string
				since time.Time
			}
			held := make([]watch, size)
			for range 4000 {
				if s.random.IntN(40) == 0 {
					i, j := s.random.IntN(size), s.random.IntN(size)
					s.cut[[2]int{i, j}] = !s.cut[[2]int{i, j}]
				}
				if s.random.IntN(100) == 0 { // all from or to one
					i, cut := s.random.IntN(size), s.random.IntN(3) > 0
					for j := range size {
						s.cut[[2]int{i, j}], s.cut[[2]int{j, i}] = cut, cut
					}
				}
				s.step(50 * time.Millisecond)
				for i, m := range s.nodes {
					if term, _ := m.now(s.now); term != held[i].term {
						held[i] = watch{term, m.run, s.now}
					}
					for _, other := range s.nodes {
						if h := held[i]; other != m && h.term != nil && other.over(m.node, h.run, h.since, s.now) {
							proofs++
							if h.term.at(s.now) {
								t.Fatalf("size %d, seed %d: %s takes the term of %s for over, and it is valid", size, seed, other.node, m.node)
							}
						}
					}
				}
			}
		}
	}
	// now drops a term as soon as it ends, so that those held are valid: look at one that ends unseen too
	s := newSite(3, 7)
	s.run(3 * time.Second)
	term, _ := s.nodes[0].now(s.now)
	since := s.now
	for j := range 2 {
		s.cut[[2]int{0, j + 1}], s.cut[[2]int{j + 1, 0}] = true, true
	}
	if s.run(Lease / 2); s.nodes[1].over("node-1", s.nodes[0].run, since, s.now) {
		t.Error("over within the lease")
	}
	if s.run(2 * Lease); !s.nodes[1].over("node-1", s.nodes[0].run, since, s.now) || term.at(s.now) {
		t.Errorf("two leases after a cut the others do not know that the term is over, or it is not: %d proofs before", proofs)
	}
}

// TestMembers_ATermEndsWithoutAMajorityAndForGood cuts one of three off and joins it again.
func TestMembers_ATermEndsWithoutAMajorityAndForGood(t *testing.T) {
	s := newSite(3, 1)
	if term, _ := s.nodes[0].now(s.now); term != nil {
		t.Fatal("a term before anybody was heard")
	}
	s.run(3 * time.Second)
	first, _ := s.nodes[0].now(s.now)
	if first == nil {
		t.Fatal("no term among three that hear one another")
	}
	s.cut[[2]int{0, 1}] = true
	s.run(2 * Lease)
	if term, lapsed := s.nodes[0].now(s.now); term != first || lapsed {
		t.Error("the term ended though one other hears the node")
	}
	s.cut[[2]int{0, 2}] = true
	s.run(2 * Lease)
	if term, lapsed := s.nodes[0].now(s.now); term != nil || !lapsed {
		t.Error("the term goes on though nobody hears the node")
	}
	clear(s.cut)
	s.run(3 * time.Second)
	if term, _ := s.nodes[0].now(s.now); term == nil || term == first || first.at(s.now) {
		t.Error("after the cut there is no new term, or the old one goes on")
	}
}

// TestMembers_AnotherRunOfANodeTakesUpNothing starts a node anew: its old claims are over only after the lease.
func TestMembers_AnotherRunOfANodeTakesUpNothing(t *testing.T) {
	s := newSite(3, 2)
	s.run(3 * time.Second)
	old := s.nodes[0].run
	fresh := newMembers("node-1", s.now)
	fresh.count([]string{"node-1", "node-2", "node-3"}, 3)
	s.nodes[0] = fresh
	since := s.now
	s.run(2 * time.Second)
	if s.nodes[1].over("node-1", old, since, s.now) {
		t.Error("the claims of the run before are over at once")
	}
	if s.run(2 * Lease); !s.nodes[1].over("node-1", old, since, s.now) || s.nodes[1].over("node-1", fresh.run, since, s.now) {
		t.Error("after two leases the old run's claims are not over, or the new one's are")
	}
}

// TestMembers_ANodeIsQuietLongBeforeItsTermIsOver cuts one of three off: the others take it for gone soon, and for proved so after the lease.
func TestMembers_ANodeIsQuietLongBeforeItsTermIsOver(t *testing.T) {
	s := newSite(3, 3)
	s.run(3 * time.Second)
	m, since := s.nodes[1], s.now
	for j := range 2 {
		s.cut[[2]int{0, j + 1}], s.cut[[2]int{j + 1, 0}] = true, true
	}
	until := func(done func() bool) time.Duration {
		for !done() && s.now.Sub(since) < time.Minute {
			s.step(50 * time.Millisecond)
		}
		return s.now.Sub(since)
	}
	hurried := until(func() bool { return m.pace(s.now) == hurriedPeriod })
	quiet := until(func() bool { return m.live(s.now)["node-1"] == nil })
	over := until(func() bool { return m.over("node-1", s.nodes[0].run, since, s.now) })
	if hurried > quiet || quiet < quietTime || quiet > over-time.Second || over > 2*Lease {
		t.Errorf("after a cut beats come faster within %v, the node counts as gone within %v and its term as over within %v", hurried, quiet, over)
	}
	if until(func() bool { return s.now.Sub(since) > 2*Lease+time.Second && m.pace(s.now) == beatPeriod }) >= time.Minute {
		t.Error("beats come fast for ever once a node is gone")
	}
}

// TestMembers_ANodeThatWasHeldStillTakesNobodyForGone lets a node hear nothing for longer than a silence, because it did nothing itself.
func TestMembers_ANodeThatWasHeldStillTakesNobodyForGone(t *testing.T) {
	s := newSite(3, 4)
	s.run(3 * time.Second)
	s.now = s.now.Add(quietTime + time.Second)
	if n := len(s.nodes[0].live(s.now)); n != 2 {
		t.Errorf("%d of 2 others are live after a pause", n)
	}
}
