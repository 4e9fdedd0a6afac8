package cluster

import (
	"maps"
	"slices"
)

// view is the division of cameras as one node sees it. Nodes that see the same come to the same.
type view struct {
	node   string
	able   map[string][]string // nodes that could read a camera, sorted
	holder map[string]*beat    // other live nodes that read a camera or claim it
	load   map[string]int      // cameras of each node that stays
	total  int
}

// newView is that of a node which offers some cameras and holds so many.
func newView(node string, offers []string, holds int, live map[string]*beat) *view {
	v := &view{node: node, able: map[string][]string{}, holder: map[string]*beat{}, load: map[string]int{node: holds}}
	offer := func(node string, cameras []string) {
		for _, id := range cameras {
			v.able[id] = append(v.able[id], node)
		}
	}
	offer(node, offers)
	for _, other := range slices.Sorted(maps.Keys(live)) {
		b := live[other]
		if !b.Leaving {
			offer(other, b.Offers)
			v.load[other] = len(b.Holds)
		}
		for id, c := range b.Holds {
			if v.holder[id] == nil || c.Revision > 0 {
				v.holder[id] = b
			}
		}
	}
	for _, nodes := range v.able {
		slices.Sort(nodes)
	}
	v.total = len(v.able)
	return v
}

// free are the cameras of this node's offer that nobody reads who stays, with the nodes that read them until they leave.
func (v *view) free(held map[string]claim) map[string]*beat {
	free := map[string]*beat{}
	for id, nodes := range v.able {
		b := v.holder[id]
		if _, mine := held[id]; mine || !slices.Contains(nodes, v.node) {
			continue
		}
		if b == nil || b.Leaving && b.Holds[id].Revision > 0 {
			free[id] = b
		}
	}
	return free
}

// place is this node's place among those that could take a free camera: the first has room within its fair share. The camera counts as the
// first one's from then on.
func (v *view) place(id string) int {
	ranked := rank(id, v.able[id])
	first := slices.IndexFunc(ranked, func(node string) bool { return v.load[node] < v.least() })
	if first < 0 {
		first = max(0, slices.IndexFunc(ranked, func(node string) bool { return v.load[node] < v.most() }))
	}
	v.load[ranked[first]]++
	switch place := slices.Index(ranked, v.node); {
	case place == first:
		return 0
	case place < first:
		return place + 1
	default:
		return place
	}
}

// least and most are how many cameras a node has where all have the same, to within one.
func (v *view) least() int { return v.total / len(v.load) }
func (v *view) most() int  { return (v.total + len(v.load) - 1) / len(v.load) }

// failing are the cameras of others that this node could read and of which their nodes get no picture.
func (v *view) failing(held map[string]claim) []string {
	return v.others(held, true)
}

// others are the cameras of nodes that stay which this node could read: those of which no picture comes, or all the rest.
func (v *view) others(held map[string]claim, failing bool) (all []string) {
	for id, b := range v.holder {
		c := b.Holds[id]
		if _, mine := held[id]; !mine && !b.Leaving && c.Revision > 0 && c.Failing == failing && slices.Contains(v.able[id], v.node) {
			all = append(all, id)
		}
	}
	return all
}

// surplus are the cameras of others that this node could read, those first that are the more its own.
func (v *view) surplus(held map[string]claim) []string {
	all := v.others(held, false)
	slices.SortFunc(all, func(a, b string) int { return compareWeight(v.node, b, a) })
	return all
}

// move counts a camera as this node's where its holder has more than its share and this node less; else it reports false.
func (v *view) move(id string) bool {
	from := v.holder[id].Node
	theirs, mine := v.load[from], v.load[v.node]
	if !(mine < v.least() && theirs > v.least() || mine < v.most() && theirs > v.most()) {
		return false
	}
	v.load[from]--
	v.load[v.node]++
	return true
}
