package bridge

import (
	"cmp"
	"fmt"
	"log/slog"
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
		return c.mirror(schema.StreamEvents)
	}
	return c.mirror(schema.StreamFrames)
}

// mirror is what a stream of the site whose frames are read is called here.
func (c *Config) mirror(stream string) string {
	if c.Mirrored == "" {
		return stream
	}
	return schema.MirrorStream(stream, c.Mirrored)
}

// of is the site whose streams, or their mirrors, are read. Cameras without a site are its.
func (c *Config) of() string { return cmp.Or(c.Mirrored, c.Site) }

// label is the bridge for people: at a hub with the site whose mirrors it reads.
func (c *Config) label() string {
	if c.Mirrored == "" {
		return c.Name
	}
	return c.Mirrored + "." + c.Name
}

// named is a log in which the bridge is named.
func (c *Config) named(log *slog.Logger) *slog.Logger {
	if log = log.With("bridge", c.Name); c.Mirrored != "" {
		log = log.With("of", c.Mirrored)
	}
	return log
}

// pictures reports whether the messages of the stream are frames with their pictures.
func (c *Config) pictures() bool { return c.Source == "" || c.Source == SourceFrames }

// numbered reports whether Frame-Seq counts the messages of a camera, so that a jump shows what is missing.
func (c *Config) numbered() bool { return c.Source != SourceEvents }

// whole reports whether every message of the stream is the bridge's.
func (c *Config) whole() bool {
	return c.pictures() && slices.Contains(c.Cameras, "*")
}

// filters are the subjects of cameras, named as those of the configuration.
func (c *Config) filters(cameras []string) []string {
	if slices.Contains(cameras, "*") {
		if c.Source == SourceStored {
			return []string{schema.StoredSubjects(c.Site, c.Of)} // at a hub also of the cameras of its sites
		}
		cameras = []string{"*"}
	}
	var subjects []string
	for _, camera := range cameras {
		if s := c.subject(c.locate(camera)); !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
	}
	if c.Source == SourceEvents {
		subjects = append(subjects, schema.EventSubject(c.of(), schema.ClassNode, "*", schema.KindCameras))
	}
	return subjects
}

// subject is that of one camera, or with * of all.
func (c *Config) subject(site, camera string) string {
	switch {
	case c.Source == SourceStored:
		return schema.StoredSubject(c.Site, c.Of, site, camera)
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
	return c.of(), camera
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
	if c.pictures() {
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
	if c.pictures() {
		return schema.ParseFrameSubject(subject)
	}
	t := strings.Split(subject, ".")             // stored.<site>.<bridge>.<camera>, events.<site>.<class>.<name>.<kind>
	if c.Source == SourceStored && len(t) == 5 { // stored.<site>.<bridge>.<camera's site>.<camera>
		t = []string{t[0], t[3], t[2], t[4]}
	}
	if len(t) < 4 || !schema.ValidSite(t[1]) || !schema.ValidName(t[3]) {
		return "", "", fmt.Errorf("%w: its subject names no camera", schema.ErrFrame)
	}
	return t[1], t[3], nil
}
