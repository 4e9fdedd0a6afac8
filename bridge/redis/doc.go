// Package redis is the sink that stores frames in Redis: a SET with a time to live for each frame, and optionally an entry in a
// stream of bounded length that tells readers about it, and a key with each camera's newest frame.
//
// A frame is confirmed when the server that has its key has replied to all its commands; replicas are not waited for. Entries of a
// stream and newest keys are sent once their frames are stored, so that they never tell of a frame that the server has refused; with them a
// pipeline takes two round trips. Entries arrive in the order of each camera's frames. So do the frames, but for one case: a server that
// has no memory left for one may still have some for a smaller one behind it.
//
// Two connections share the cameras, so that the server has work while one of them is filled; with an adaptive time to live, and in a
// cluster, there is one for all. When one is lost the other ends with it.
//
// With Sentinel the connections go to the master that a Sentinel names. A failover ends them, and the next begin with
// the first frame that was not confirmed: frames that the old master had confirmed and not replicated are lost, since it was the only one
// to have them.
//
// In a cluster each key goes to the master that has its slot, without transactions; MOVED and ASK are followed, within the order. A master
// that is down stops the bridge until its replica has taken its place. The time to live is fixed, since reads are judged by the one server
// that saw them.
package redis
