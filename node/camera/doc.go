// Package camera reads one camera through one persistent FFmpeg process and hands its pictures on as frames.
//
// A [Reader] owns everything that concerns its camera: the process, its restart with back-off, the watchdog, the cutting of the output
// into pictures by length, the check of each picture, its sequence number and its capture time, and the notice of pictures
// that show nothing. What happens to a frame afterwards is the business of the [Output] it is given.
//
// # The command line
//
// [Args] is a pure function of the camera and of what [FindFFmpeg] has learnt of the ffmpeg at hand; testdata/args.txt holds what it
// makes. It is meant for FFmpeg 5.1 to 8 and has been run with 5.1 alone: no later one was at hand.
//
// FFmpeg's own patience with the network lies between the watchdog of a stream that runs and that of one that starts: a camera that
// freezes is the watchdog's business, and one that does not answer gets FFmpeg's own reason. Only video is asked for over RTSP, and the
// look at a stream is short, so that the first picture comes with the first keyframe.
//
// Pictures are chosen, and masks drawn, ahead of the conversion. It is zscale's where FFmpeg has that: FFmpeg's own scaler takes some
// two milliseconds more for a picture of 720p. The conversion makes full range and keeps the camera's colour matrix, as FFmpeg does by
// itself; to convert that too would take one to two milliseconds. Not used: -flags low_delay and -flags2 fast, which gained nothing that
// could be measured; -skip_loop_filter, whose pictures are not those that the camera encoded; default Huffman tables, which take a
// third more bytes. The pixel format yuvj420p is deprecated, but what takes its place differs by version: it stays.
//
// HLS is read at its own pace, like a file, since a segment's pictures arrive all at once: it is known by a name that ends in .m3u8.
//
// # Credentials
//
// The address with its credentials is a one-line playlist on standard input. Options of the camera's protocol and format stand in that
// playlist; further arguments of the user are sorted accordingly, by the lists of options that this ffmpeg's help shows. What stands
// in an address otherwise (a token, the passphrase of srt), or in further arguments, is seen in the list of processes: udp, srt, v4l2,
// file and lavfi know no user name and go without a playlist.
//
// # Hardware
//
// Pictures are decoded on the hardware, chosen there, fetched (hwdownload) and then treated like any other; pictures of 8 bits only.
// "auto" stands for what [ProbeHardware] finds with a real decode. Hardware that fails is left for software for as long as the reader
// lives: at once where FFmpeg names it, else when a run that ended within 10 s without a picture is followed by one in software that
// delivers; [State] says which decoder is in use and why.
//
// Tried: the command lines against golden files, probing on a machine without a GPU, where each accelerator fails and software is
// used, an ffmpeg that ignores the accelerator (the rest of the path then works), one that delivers wrong pictures, one that hangs, one
// that dies. Not tried, for want of the hardware: a decode on a real GPU or video unit of any kind, H.265 on v4l2m2m and rkmpp, how a
// driver behaves that fails after minutes.
//
// # Figures
//
// By make bench on two cores of a virtual AMD EPYC with FFmpeg 5.1 and the reference clip (1280x720, 30 fps, 3 Mb/s), on a quick machine
// (KVM) and a slow one, where a system call costs several times as much (PVM). Either drifts by a fifth within minutes, so only what
// stands in one row compares.
//
//	cameras, mode                            frames/s   cores in all   bare FFmpeg   node alone       all memory   dropped
//	1, jpeg at 10 fps                quick   10.0       0.125          0.150         0.012, 49 MiB    118 MiB      0
//	                                 slow    10.0       0.15 - 0.20    0.13 - 0.18   0.018 - 0.030    117 MiB      0
//	4, jpeg at 10 fps                quick   40.0       0.451          0.432         0.023, 56 MiB    212 MiB      0
//	                                 slow    39.9       0.64           0.60          0.055, 56 MiB    212 MiB      0
//	4, keyframes, one in two seconds quick   2.0        0.038          -             0.005, 42 MiB    184 MiB      0
//	60, 640x360 to jpeg at 2 fps     quick   120        0.77           -             0.041, 67 MiB    1.1 GiB      0
//	                                 slow    120        1.10           -             0.07, 74 MiB                  0
//	100, copy, p99 35 ms             quick   2,994      0.66           0.25          0.36, 91 MiB     1.2 GiB      0
//	                                 slow    2,960      1.24 - 1.52    0.70 - 0.75   0.54 - 0.73      1.2 GiB      0
//	150, copy: the most that fit     quick   4,470                                                                 0
//
// How many fit, 720p30 over RTSP to jpeg at 10 fps, on two cores that also send the cameras' streams, quick and slow:
//
//	cameras   frames/s        a camera        cores in all   all memory   pictures the cameras could not send in time
//	10        99.9    100.0   9.99    10.00   1.10    1.63   386 MiB          0       0
//	15        149.8   149.6   9.99    9.98    1.62    1.93   534 MiB          0       0
//	20        199.9   198.1   10.00   9.91    1.96    1.93   681 MiB          0   2,475
//	30        298.1   284.4   9.94    9.48    1.96    1.94   970 MiB        359   5,110
//
// From 20 on, or 15, the machine is full. The node drops nothing of what it has read then, in no row; pictures that FFmpeg does not come round to
// wait in the connection until the camera drops some. The node says so: the event load, edge_video_processor_busy_ratio, a reason for
// degraded, and each camera's own rate. FFmpeg runs with a niceness of 5, so that the node itself goes on storing and answering.
//
// A camera in mode keyframes takes 0.09 to 0.14 of what one in mode jpeg takes. The first frame over RTSP comes 0.3 s behind the first keyframe.
// A node alone with 100 cameras in mode copy, 3,000 frames a second, takes 95 MiB after a minute and 143 MiB after ten.
// Of the node's share in mode copy a third is the writing of the stream's file; a frame takes 78 allocations and 46 KB, nearly all of
// them the server's. What FFmpeg itself needs in mode copy is reading: some ten packets a picture over RTSP and TCP, each with three polls
// and three reads, which no option changes.
package camera
