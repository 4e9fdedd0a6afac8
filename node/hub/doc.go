// Package hub keeps at a hub what its sites store. Of each site it mirrors the frames and the events, under the sequence numbers that they
// have there, and the states of the cameras join the hub's own bucket. JetStream copies; this package says what is to be copied, and
// watches it: a link that is down, what a mirror lacks, what a site had discarded before it could be copied, and a mirror that does not
// fit the disk.
//
// A site is known when it has credentials, when it announces itself over a leaf node link without any, or when the hub holds a mirror of
// it. It is told apart by its name alone, which is also its JetStream domain.
package hub
