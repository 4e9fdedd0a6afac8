package schema

import (
	"cmp"
	"time"
)

// LocalSite is what a site is called that was given no name. It may not join a hub: all would have the same.
const LocalSite = "local"

// HubConsumer is the durable consumer of a hub at its sites, by which it mirrors their streams.
func HubConsumer(hub string) string { return "hub-" + hub }

// HubNoteConsumer is a consumer of [StreamEvents] at a site that delivers nothing: its metadata hold, under [NoteKey], a [HubNote].
func HubNoteConsumer(hub string) string { return "note-" + hub }

// NoteKey is the key of a [HubNote], as JSON, in metadata.
const NoteKey = "edge-video-note"

// HubNote is what a hub has to say to a site. It goes over the site's JetStream API, which is all that a hub reaches.
type HubNote struct {
	Hub    string        `json:"hub"`
	Node   string        `json:"node"`
	Clock  time.Duration `json:"clock,omitempty"`  // the hub's is ahead of the site's, where that is too much
	Origin string        `json:"origin,omitempty"` // while two sites have the name: the [Origin] of the one that is mirrored
	Twins  string        `json:"twins,omitempty"`  // the servers of both
}

// Origin tells sites of one name apart: when a site's FRAMES was made, and by which cluster, or else by which server, it is held.
func Origin(created time.Time, cluster, server string) string {
	return created.UTC().Format(time.RFC3339Nano) + " " + cmp.Or(cluster, server)
}
