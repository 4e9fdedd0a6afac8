// Package archive reads frames that are stored: a camera's newest, the one of a moment, all of a span.
//
// It asks the stream for single messages (JetStream's direct get), which leaves nothing behind there and which any replica answers. A frame
// that is read is whole in memory; there is one at a time.
//
// # Moments
//
// A moment is told by the time at which frames were captured, Frame-Captured; a stream can be searched by the time at which they were
// stored. The two differ: by milliseconds, by as long as frames waited for the stream, by hours in a hub's stream that appends, and by up
// to five seconds the other way for sources that FFmpeg paces. So the stream's time only says where to look, and what is there decides:
// [Archive.At] goes on from there, a few frames one by one, then by halves.
//
// That is exact where a camera's frames are stored in the order of their capture. Where they are not, because frames were published again
// or the machine's clock was set back, the frame found was captured by the moment and is followed by one that was not.
//
// # Costs
//
// JetStream reads a stream in blocks of 8 MB. A frame of which nobody has read a neighbour lately costs one block. To look across a time in
// which a camera sent nothing would cost all blocks of that time, and the stream takes no frames meanwhile: so the camera's events, which say
// when it went down and came back, are read first, and searches go from the last frame ahead of such a time to the first behind it. Where they
// do not tell, because they have aged out or the node died, the blocks are read.
package archive
