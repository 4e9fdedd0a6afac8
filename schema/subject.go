package schema

import (
	"fmt"
	"strings"
)

// Streams of a site.
const (
	StreamFrames = "FRAMES" // frames.<site>.>: pictures
	StreamEvents = "EVENTS" // events.<site>.>: JSON events
	StreamDead   = "DEAD"   // dead.<site>.>: frames that a sink rejected for good
	StreamUplink = "UPLINK" // frames.<site>.>: pictures chosen for a slow link to a hub, which come in by [UplinkSubject]
	StreamStored = "STORED" // stored.<site>.>: keys under which a sink has confirmed frames
)

// UplinkConsumer is the bridge, and its durable consumer of [StreamFrames], that fills [StreamUplink].
const UplinkConsumer = "uplink"

// Key-value buckets of a site, with keys <site>.<camera> and <site>.<bridge>.
const (
	BucketCameras = "cameras" // values are [CameraStatus]
	BucketBridges = "bridges" // values are [BridgeStatus]
)

// BucketLeases is a cluster's bucket of who reads which camera, with keys <site>.<camera> and values [Lease].
const BucketLeases = "leases"

// BucketPauses is where a site keeps which cameras are not to be read, with keys <site>.<camera> and values [Pause].
const BucketPauses = "pauses"

// NodeService is the name of the service that every node offers; its metadata has site and node.
const NodeService = "edge-video"

// MetadataKey marks streams and consumers that edge-video made, in their metadata.
const MetadataKey = "edge-video"

// FrameSubject is the subject of a camera's frames.
func FrameSubject(site, camera string) string { return "frames." + site + "." + camera }

// ParseFrameSubject is the inverse of [FrameSubject]. Its errors wrap [ErrFrame].
func ParseFrameSubject(subject string) (site, camera string, err error) {
	rest, ok := strings.CutPrefix(subject, "frames.")
	if ok {
		site, camera, ok = strings.Cut(rest, ".")
	}
	if !ok || !ValidSite(site) || !ValidName(camera) {
		return "", "", fmt.Errorf("%w: subject %q is not frames.<site>.<camera>", ErrFrame, printable(subject))
	}
	return site, camera, nil
}

// SiteSubjects is the filter of everything under one of the roots "frames", "events", "dead" and "stored" at a site.
func SiteSubjects(root, site string) string { return root + "." + site + ".>" }

// EventSubject is the subject of an event of the given kind about a subject of the given class ("camera", "bridge", "node", "link").
func EventSubject(site string, class EventClass, name string, kind EventKind) string {
	return "events." + site + "." + string(class) + "." + name + "." + string(kind)
}

// DeadSubject is the subject of a frame that a bridge of the given site had to give up.
func DeadSubject(bridgeSite, bridge, frameSite, camera string) string {
	return "dead." + bridgeSite + "." + bridge + "." + frameSite + "." + camera
}

// ParseDeadSubject is the inverse of [DeadSubject] as far as the frame goes. Its errors wrap [ErrFrame].
func ParseDeadSubject(subject string) (frameSite, camera string, err error) {
	t := strings.Split(subject, ".")
	if len(t) != 5 || t[0] != "dead" || !ValidSite(t[3]) || !ValidName(t[4]) {
		return "", "", fmt.Errorf("%w: subject %q is not dead.<site>.<bridge>.<frame's site>.<camera>", ErrFrame, printable(subject))
	}
	return t[3], t[4], nil
}

// StoredSubject is the subject of the messages that tell where the sink of a bridge of the given site keeps the frames of a camera. A camera of
// another site, whose frames are bridged at a hub, is named with that.
func StoredSubject(bridgeSite, bridge, frameSite, camera string) string {
	if frameSite != bridgeSite {
		camera = frameSite + "." + camera
	}
	return "stored." + bridgeSite + "." + bridge + "." + camera
}

// StoredSubjects is the filter of what the sink of a bridge keeps, of all cameras.
func StoredSubjects(bridgeSite, bridge string) string {
	return "stored." + bridgeSite + "." + bridge + ".>"
}

// BeatSubject is where the nodes of a cluster show one another that they live.
func BeatSubject(site string) string { return "lease.beat." + site }

// GiveSubject is where a node of a cluster is asked to leave a camera to another.
func GiveSubject(site, node string) string { return "lease.give." + site + "." + node }

// KickSubject is where a node is asked to try a camera again now; the answer is JSON.
func KickSubject(site, camera string) string { return "camera.kick." + site + "." + camera }

// PauseSubject is where a node is asked to leave a camera alone until it is resumed; the answer is JSON.
func PauseSubject(site, camera string) string { return "camera.pause." + site + "." + camera }

// ResumeSubject is where a node is asked to read a paused camera again; the answer is JSON.
func ResumeSubject(site, camera string) string { return "camera.resume." + site + "." + camera }

// SnapshotSubject is where a node is asked for a camera's picture; the answer is a JPEG with the headers of its frame.
func SnapshotSubject(site, camera string) string { return "camera.snapshot." + site + "." + camera }

// ListSubject is where a node is asked for the states of a site's cameras; the answer is JSON.
func ListSubject(site string) string { return "camera.list." + site }

// StatusSubject is where a node is asked how it is; the answer is JSON.
func StatusSubject(site, node string) string { return "node.status." + site + "." + node }

// ReloadSubject is where a node is asked to read its configuration file again; the answer lists the changes, one a line.
func ReloadSubject(site, node string) string { return "node.reload." + site + "." + node }

// HoldSubject is where whoever runs a bridge is asked to hold its breaker open for a while; requests and answers are JSON.
func HoldSubject(site, bridge string) string { return "bridge.hold." + site + "." + bridge }

// RedeliverSubject is where whoever runs a bridge is asked to bring frames to its sink again; requests and answers are JSON.
func RedeliverSubject(site, bridge string) string { return "bridge.redeliver." + site + "." + bridge }

// MirrorStream is the name that a site's stream has at its hub.
func MirrorStream(stream, site string) string { return stream + "_" + site }

// MirrorSubjects is where a hub has a site's messages delivered: the one subject under which they come to the hub's streams.
func MirrorSubjects(site string) string { return "mirror." + site + ".>" }

// DomainAPI is the prefix of the JetStream API of a site, as others reach it over a leaf node link.
func DomainAPI(site string) string { return "$JS." + site + ".API" }

// UplinkSubject is where frames for [StreamUplink] are published; the stream keeps them under [FrameSubject].
func UplinkSubject(site, camera string) string { return "uplink." + site + "." + camera }
