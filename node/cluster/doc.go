// Package cluster divides the cameras of a site among its nodes, so that each has exactly one reader, and another within seconds when that
// one dies.
//
// Who may read a camera stands in the bucket leases and changes by compare-and-set alone. That a node lives, and so how long its claims
// last, is shown by beats between the nodes, which need no leader: a claim holds while a majority of the nodes has heard its node within
// [Lease]. node/DESIGN.md says why two cannot read at once.
package cluster
