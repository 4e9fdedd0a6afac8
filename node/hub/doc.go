// Package hub keeps at a hub what its sites store. Of each site it mirrors the frames and the events, under the sequence numbers that they
// have there, and the states of the cameras join the hub's own bucket. JetStream copies; this package says what is to be copied, and
// watches it: a link that is down, what a mirror lacks, what a site had discarded before it could be copied, and a mirror that does not
// fit the disk.
//
// A site is known when it has credentials, when it announces itself over a leaf node link without any, or when the hub holds a mirror of
// it. It is told apart by its name alone, which is also its JetStream domain.
//
// What sites cost a hub, each of 10 frames of 8 KiB a second and with credentials, on two cores that the sites' processes and other work
// shared with it (BenchmarkHubSites; the age of a mirror's newest frame includes the time between frames, 50 ms at the median):
//
//	sites   hub's cores   hub's MiB   age p50   age p99
//	   10          0.03          92     55 ms    184 ms
//	   20          0.05         157     55 ms    437 ms
//	   40          0.06         288     64 ms   1073 ms
//	   60          0.11         429     61 ms    174 ms
//
// CPU and memory grow with the number of sites, memory by 7 MiB each. The oldest ages are those of a machine that was full.
package hub
