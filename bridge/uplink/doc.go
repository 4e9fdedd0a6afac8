// Package uplink keeps a thinned copy of a site's frames for its hub. It is the sink of a bridge that reads FRAMES: what the bridge lets
// through by fps goes to the stream UPLINK of the same server, under the same headers and identity, as far as the bytes a second of the
// uplink allow. The hub mirrors UPLINK in place of FRAMES.
//
// A frame that does not fit the rate is left out and counted; it is confirmed to the bridge, which goes on. The rate is a bucket of one
// second, or of the largest frame where that is more.
package uplink
