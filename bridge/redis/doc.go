// Package redis is the sink that stores frames in Redis: a SET with a time to live for each frame, and optionally an entry in a
// stream of bounded length that tells readers about it.
package redis
