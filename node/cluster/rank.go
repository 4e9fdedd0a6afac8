package cluster

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// rank orders nodes by how much a camera is theirs (rendezvous hashing): a node that comes or goes moves its own share alone.
func rank(camera string, nodes []string) []string {
	weight := func(node string) uint64 {
		h := fnv.New64a()
		h.Write([]byte(node + "/" + camera)) // never fails
		return mix(h.Sum64())
	}
	ranked := slices.Clone(nodes)
	slices.SortFunc(ranked, func(a, b string) int { return cmp.Or(cmp.Compare(weight(b), weight(a)), cmp.Compare(a, b)) })
	return ranked
}

// mix spreads what FNV leaves close together for names that differ in their last letter.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
