package cluster

import (
	"cmp"
	"hash/fnv"
	"slices"
)

// rank orders nodes by how much a camera is theirs (rendezvous hashing), so that what a lost node had is spread over all others.
func rank(camera string, nodes []string) []string {
	ranked := slices.Clone(nodes)
	slices.SortFunc(ranked, func(a, b string) int {
		return cmp.Or(cmp.Compare(weight(b, camera), weight(a, camera)), cmp.Compare(a, b))
	})
	return ranked
}

// compareWeight compares how much two cameras are a node's.
func compareWeight(node, a, b string) int {
	return cmp.Or(cmp.Compare(weight(node, a), weight(node, b)), cmp.Compare(a, b))
}

func weight(node, camera string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(node + "/" + camera)) // never fails
	return mix(h.Sum64())
}

// mix spreads what FNV leaves close together for names that differ in their last letter.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
