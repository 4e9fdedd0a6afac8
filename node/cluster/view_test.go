package cluster

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// division is who reads what, as beats show it.
type division map[string]*beat

func newDivision(cameras int, nodes ...string) division {
	d := division{}
	var offers []string
	for i := range cameras {
		offers = append(offers, fmt.Sprintf("cam-%03d", i))
	}
	for _, n := range nodes {
		d.add(n, offers)
	}
	return d
}

func (d division) add(node string, offers []string) {
	d[node] = &beat{Node: node, Run: node, Offers: offers, Holds: map[string]claim{}}
}

// shares are those of a node, with the others that it hears.
func (d division) shares(node string) (s *Shares, live map[string]*beat) {
	live = maps.Clone(d)
	delete(live, node)
	return &Shares{config: Config{Node: node}, offers: d[node].Offers, held: d[node].Holds, busy: map[string]bool{}, free: map[string]time.Time{},
		refused: map[string]time.Time{}}, live
}

// settle has the nodes take what they want until nobody wants more, and returns how many cameras changed hands.
func (d division) settle(t *testing.T) (moved int) {
	t.Helper()
	now := time.Now().Add(time.Hour)
	for range 100 {
		wanted := 0
		seen := division{} // all look at the same moment
		for node, b := range d {
			last := *b
			last.Holds = maps.Clone(b.Holds)
			seen[node] = &last
		}
		for _, node := range slices.Sorted(maps.Keys(d)) {
			if d[node].Leaving {
				continue
			}
			s, live := seen.shares(node)
			for id := range s.wants(live, now) {
				for _, b := range d {
					if _, had := b.Holds[id]; had {
						moved++
						delete(b.Holds, id)
					}
				}
				d[node].Holds[id] = claim{Revision: 1}
				wanted++
			}
		}
		if wanted == 0 {
			return moved
		}
	}
	t.Fatal("the nodes never have enough")
	return 0
}

func (d division) check(t *testing.T, cameras int) {
	t.Helper()
	by := map[string]int{}
	for node, b := range d {
		if n := len(b.Holds); !b.Leaving && n < cameras/len(d) {
			t.Errorf("%s has %d of %d cameras", node, n, cameras)
		}
		for id := range b.Holds {
			by[id]++
		}
	}
	if len(by) != cameras {
		t.Errorf("%d of %d cameras are read", len(by), cameras)
	}
	for id, n := range by {
		if n != 1 {
			t.Errorf("camera %s is read by %d", id, n)
		}
	}
}

// TestShares_ANodeThatComesMovesItsShareAlone divides 100 cameras among three, then four.
func TestShares_ANodeThatComesMovesItsShareAlone(t *testing.T) {
	d := newDivision(100, "a", "b", "c")
	if moved := d.settle(t); moved > 0 {
		t.Errorf("%d cameras moved before anything had come or gone", moved)
	}
	d.check(t, 100)
	d.add("d", d["a"].Offers)
	if moved := d.settle(t); moved != 25 || len(d["d"].Holds) != 25 {
		t.Errorf("%d cameras moved, and the new node has %d, want its share of 25", moved, len(d["d"].Holds))
	}
	d.check(t, 100)
	d["b"].Leaving = true
	had := len(d["b"].Holds)
	if moved := d.settle(t); moved != had || len(d["b"].Holds) > 0 {
		t.Errorf("%d cameras moved, %d are left, want the %d of the node that leaves to go", moved, len(d["b"].Holds), had)
	}
}

// TestShares_ACameraGoesOnlyToNodesThatHaveIt has one node with another list.
func TestShares_ACameraGoesOnlyToNodesThatHaveIt(t *testing.T) {
	d := newDivision(9, "a", "b", "c")
	d["c"].Offers = append(slices.Clone(d["c"].Offers[:3]), "own")
	d.settle(t)
	if _, ok := d["c"].Holds["own"]; !ok {
		t.Error("the camera of one node is not read there")
	}
	for _, id := range d["a"].Offers[3:] {
		if _, ok := d["c"].Holds[id]; ok {
			t.Errorf("node c reads %s, which it does not have", id)
		}
	}
}

// TestShares_ACameraThatFailsIsTriedByOthersNowAndThen has one node get no picture of a camera that others may reach.
func TestShares_ACameraThatFailsIsTriedByOthersNowAndThen(t *testing.T) {
	d := newDivision(6, "a", "b", "c")
	d.settle(t)
	failing := slices.Sorted(maps.Keys(d["a"].Holds))[0]
	d["a"].Holds[failing] = claim{Revision: 1, Failing: true}
	now := time.Now().Add(time.Hour)
	s, live := d.shares("b")
	if wanted := s.wants(live, now); len(wanted) != 1 || wanted[failing] != d["a"] {
		t.Errorf("another node wants %v, want %s of a", wanted, failing)
	}
	s.refused[failing] = now
	if wanted := s.wants(live, now.Add(refusedPause/2)); len(wanted) > 0 {
		t.Errorf("soon after it could not be read here either, %v is wanted", wanted)
	}
	if wanted := s.wants(live, now.Add(refusedPause)); len(wanted) != 1 {
		t.Errorf("a while after that %v is wanted", wanted)
	}
}

// TestRank_SpreadsCamerasOverNodes asks for the first of three for many cameras.
func TestRank_SpreadsCamerasOverNodes(t *testing.T) {
	first := map[string]int{}
	for i := range 3000 {
		first[rank(fmt.Sprintf("cam-%d", i), []string{"gate-1", "gate-2", "gate-3"})[0]]++
	}
	for node, n := range first {
		if n < 900 || n > 1100 {
			t.Errorf("%s is the first of %d in 3000", node, n)
		}
	}
}
