// Package redis is the sink that stores frames in Redis: a SET with a time to live for each frame, and optionally an entry in a
// stream of bounded length that tells readers about it, and a key with each camera's newest frame.
//
// A frame is confirmed when the server that has its key has replied to all its commands; replicas are not waited for. Entries of a
// stream arrive in the order of the frames, and never ahead of their frame.
//
// With Sentinel each connection goes to the master that a Sentinel names. A failover ends the connection, and the next one begins with
// the first frame that was not confirmed: frames that the old master had confirmed and not replicated are lost, since it was the only one
// to have them.
//
// In a cluster each key goes to the master that has its slot, without transactions; MOVED and ASK are followed, within the order. A
// frame's entry and newest key are sent once the frame itself is confirmed, so that with them a pipeline takes two round trips. A master
// that is down stops the bridge until its replica has taken its place. The time to live is fixed, since reads are judged by the one server
// that saw them.
package redis
