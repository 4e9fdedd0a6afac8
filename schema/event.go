package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrEvent says that a message is not an event that edge-video wrote.
var ErrEvent = errors.New("not an event")

// EventClass is what an event is about.
type EventClass string

// Classes of events, the third token of an event's subject.
const (
	ClassCamera EventClass = "camera"
	ClassBridge EventClass = "bridge"
	ClassNode   EventClass = "node"
	ClassLink   EventClass = "link"
)

// EventKind is what happened, the last token of an event's subject.
type EventKind string

// Kinds of events.
const (
	KindState    EventKind = "state"    // State changed; Reason and Message say why, Count how many runs in a row have failed
	KindGap      EventKind = "gap"      // Count frames, FirstSeq to LastSeq of Epoch, will not come; Reason says why
	KindSize     EventKind = "size"     // the camera's pictures changed size; Width and Height are the new ones
	KindLook     EventKind = "look"     // the camera's pictures are State: "ok", or show nothing, from FirstSeq on; Reason repeats what they are instead
	KindRejected EventKind = "rejected" // Count pictures were refused since the last such event, for Reason
	KindLost     EventKind = "lost"     // Count frames were handed to the stream and never acknowledged
	KindBreaker  EventKind = "breaker"  // the breaker of a bridge or a camera changed to State; a camera's tries are left out
	KindDead     EventKind = "dead"     // a sink refused Count frames for good; they are kept in DEAD
	KindLoad     EventKind = "load"     // the machine, for Reason, is State: "full" or "room" again
	KindCameras  EventKind = "cameras"  // of the Cameras that the node reads, Active deliver pictures
	KindControl  EventKind = "control"  // the node changed something by itself: Reason names it
)

// Event is the body of a message in [StreamEvents], as JSON. Fields that a kind does not use are left out.
type Event struct {
	Time     time.Time  `json:"time"`
	Site     string     `json:"site"`
	Node     string     `json:"node"`
	Class    EventClass `json:"class"`
	Name     string     `json:"name"`         // the camera, bridge, node or link
	Of       string     `json:"of,omitempty"` // the site whose frames a bridge at a hub delivers, where that is another
	Kind     EventKind  `json:"kind"`
	State    string     `json:"state,omitempty"`
	Reason   string     `json:"reason,omitempty"`  // one word, equal to the label in metrics
	Message  string     `json:"message,omitempty"` // for people
	Epoch    int64      `json:"epoch,omitempty"`
	FirstSeq uint64     `json:"first_seq,omitempty"`
	LastSeq  uint64     `json:"last_seq,omitempty"`
	Count    uint64     `json:"count,omitempty"`
	Width    int        `json:"width,omitempty"`
	Height   int        `json:"height,omitempty"`
	Cameras  int        `json:"cameras,omitempty"`
	Active   int        `json:"active,omitempty"`
}

// Subject is where the event is published.
func (e *Event) Subject() string { return EventSubject(e.Site, e.Class, e.Name, e.Kind) }

// DecodeEvent reads the body of a message in [StreamEvents]. Its errors wrap [ErrEvent]; unknown fields are ignored.
func DecodeEvent(body []byte) (*Event, error) {
	e := &Event{}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	if !ValidSite(e.Site) || !ValidName(e.Name) || e.Time.Year() < 1970 {
		return nil, fmt.Errorf("%w: its site, name or time is none", ErrEvent)
	}
	return e, nil
}
