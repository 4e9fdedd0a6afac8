package bridge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// Source is what a bridge reads. A sink gets each message as a frame.
type Source string

// Sources.
const (
	SourceFrames Source = "frames" // pictures; "" is the same
	SourceStored Source = "stored" // where another bridge's sink keeps pictures: frames with Kept and without Data
	SourceEvents Source = "events" // states of cameras, and how many deliver: frames of names and times, with the event's JSON as Data
)

// contentJSON is the content type of a frame that is an event.
const contentJSON = "application/json"

// stream is where the bridge's messages are.
func (c *Config) stream() string {
	switch c.Source {
	case SourceStored:
		return schema.StreamStored
	case SourceEvents:
		return schema.StreamEvents
	}
	return schema.StreamFrames
}

// numbered reports whether Frame-Seq counts the messages of a camera, so that a jump shows what is missing.
func (c *Config) numbered() bool { return c.Source != SourceEvents }

// whole reports whether every message of the stream is the bridge's.
func (c *Config) whole() bool {
	return c.stream() == schema.StreamFrames && slices.Contains(c.Cameras, "*")
}

// filters are the subjects of cameras, named as those of the configuration.
func (c *Config) filters(cameras []string) []string {
	if slices.Contains(cameras, "*") {
		cameras = []string{"*"}
	}
	var subjects []string
	for _, camera := range cameras {
		if s := c.subject(c.locate(camera)); !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
	}
	if c.Source == SourceEvents {
		subjects = append(subjects, schema.EventSubject(c.Site, schema.ClassNode, "*", schema.KindCameras))
	}
	return subjects
}

// subject is that of one camera, or with * of all.
func (c *Config) subject(site, camera string) string {
	switch {
	case c.Source == SourceStored:
		return schema.StoredSubject(c.Site, c.Of, camera)
	case c.Source == SourceEvents:
		return schema.EventSubject(site, schema.ClassCamera, camera, schema.KindState)
	case camera == "*":
		return schema.SiteSubjects("frames", site) // also what is no frame's, so that it is seen
	}
	return schema.FrameSubject(site, camera)
}

// locate is the site and id of a camera that is named as in the configuration.
func (c *Config) locate(camera string) (site, id string) {
	if site, id, ok := strings.Cut(camera, "."); ok {
		return site, id
	}
	return c.Site, camera
}

// decode is the frame of a message.
func (c *Config) decode(m jetstream.Msg) (*schema.Frame, error) {
	switch c.Source {
	case SourceStored:
		return schema.DecodeStored(m.Data())
	case SourceEvents:
		return decodeEvent(m.Data())
	}
	return schema.Decode(m.Subject(), m.Headers(), m.Data())
}

// decodeDead is the frame of a message that the bridge keeps in DEAD.
func (c *Config) decodeDead(m jetstream.Msg) (*schema.Frame, error) {
	if c.stream() == schema.StreamFrames {
		return schema.DecodeDead(m.Subject(), m.Headers(), m.Data())
	}
	return c.decode(m) // what those messages are stands in their bodies
}

// decodeEvent is an event as a sink sees it. Its time makes its identity.
func decodeEvent(body []byte) (*schema.Frame, error) {
	e, err := schema.DecodeEvent(body)
	if err != nil {
		return nil, err
	}
	return &schema.Frame{Site: e.Site, Camera: e.Name, Node: e.Node, Epoch: e.Time.UnixMilli(), Seq: uint64(e.Time.Nanosecond()) + 1,
		Captured: e.Time, ContentType: contentJSON, Data: body}, nil
}

// owner is whose message it is by its subject.
func (c *Config) owner(subject string) (site, camera string, err error) {
	if c.stream() == schema.StreamFrames {
		return schema.ParseFrameSubject(subject)
	}
	t := strings.Split(subject, ".") // stored.<site>.<bridge>.<camera>, events.<site>.<class>.<name>.<kind>
	if len(t) < 4 || !schema.ValidSite(t[1]) || !schema.ValidName(t[3]) {
		return "", "", fmt.Errorf("%w: its subject names no camera", schema.ErrFrame)
	}
	return t[1], t[3], nil
}
