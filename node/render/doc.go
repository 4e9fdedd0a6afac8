// Package render makes pictures and clips of frames.
//
// A [Renderer] has one picture of one frame made once, however many ask for it, and keeps the last ones made. FFmpeg runs for pictures of
// copied video and for clips alone; a JPEG camera's picture is the frame itself, and a smaller one is made here. There are never more than
// a few at work, and as many that wait; whoever comes then is told [ErrBusy]. Nothing is written to disk.
//
// # Keyframes
//
// To start FFmpeg takes ten times what a keyframe takes. So while [Renderer.Run] runs, an FFmpeg stands by for those that are asked for, ten
// seconds longer than they are; all cameras with the same codec and size share it, for each width that is asked for. It shows one keyframe
// at a time, and nothing of the one before is left in it then. There are eight at most. Where there is none for a keyframe, because there
// is no place, or it has failed at that camera's before, the picture is made by an FFmpeg of its own.
//
// [Renderer.Newest] does not have those wait who ask for a camera again and again: while the picture of the newest keyframe is being made
// they get the one before, and are told which. What is shown was the newest less than a second ago; after that they wait, whatever has
// become of the decoder. So an answer is at most a keyframe distance and a second old, and the first for a while shows the newest.
//
// # Live
//
// A [Live] decodes the video of one camera as it comes, in one FFmpeg, and says of each picture which frame it is of: the frame's time goes
// in with it and comes out with the picture, so that pictures in another order, and missing ones, are told apart. There are four at once;
// for more cameras [Renderer.Live] says [ErrBusy]. Frames wait for a decoder for three seconds at most, in 32 MiB: where it cannot keep up
// they are let go, up to the next keyframe. One that shows nothing meanwhile is ended.
//
// # Clips
//
// A clip keeps the times of its frames: of JPEG those of capture, of copied video the camera's own within an epoch. With another epoch,
// after a restart, time goes on by the time of capture. JPEG is encoded, and a picture of another size than the first is fitted into that.
// Copied video stays as it is, begins with its first keyframe, and may change its size within: its parameter sets are in the stream. Where
// the encoding changes, or after [LongestClip], the clip ends, whole, and [Renderer.Clip] says so.
//
// An mp4 is in fragments, so that it plays while it is made.
package render
