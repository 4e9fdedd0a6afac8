package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// apiTimeout bounds one look at what the hub has made at the site.
const apiTimeout = 2 * time.Second

// note is what the hub says of the site.
type note struct {
	schema.HubNote
	own string // the site's origin
}

// warning is a note in words, "" where nothing is wrong.
func (n note) warning(site, address string) string {
	if n.Clock == 0 {
		return ""
	}
	now := time.Now().UTC()
	return fmt.Sprintf("the clock of the hub %s at %s is %s off that of this site %s: %s there, %s here; set both by NTP", n.Hub, address,
		n.Clock.Abs().Round(time.Second), site, now.Add(n.Clock).Format(time.RFC3339), now.Format(time.RFC3339))
}

// twin is the refusal of a site whose name another has, which the hub mirrors.
func (l *link) twin() *refusal {
	if l.note.Origin == "" || l.note.Origin == l.note.own {
		return nil
	}
	return &refusal{reason: "twin", pause: time.Minute, longest: 10 * time.Minute,
		text: fmt.Sprintf("two sites with the name %s are connected to the hub %s at %s, as %s; it mirrors the other one; give this site a name of its own", l.watcher.config.Site,
			l.note.Hub, l.report().Hub, l.note.Twins)}
}

// measure sees how far the hub is, by the consumers that it has made here, and what it says.
func (l *link) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	mirrored, lag, behind, err := l.lag(ctx)
	if err == nil && l.report().Up {
		err = l.read(ctx)
	}
	if err != nil {
		if ctx.Err() == nil {
			l.log.Debug("looking how far the hub is", "err", err)
		}
		return
	}
	s := l.change(func(s *Status) { s.Mirrored, s.Lag, s.Behind = mirrored, lag, behind })
	if s.Up && !mirrored && !l.plain && l.greeting.Server != "" && time.Since(s.Since) > l.watcher.config.Stuck {
		l.plain = true
		text := fmt.Sprintf("the hub %s at %s is nats-server %s and does not mirror this site as edge-video with hub.mirror does; what is copied by other means is not seen here",
			l.greeting.Server, s.Hub, l.greeting.Version)
		l.watcher.journal.Event(schema.Event{Class: schema.ClassLink, Name: s.Name, Kind: schema.KindControl, State: "unknown", Reason: "hub", Message: text})
		l.log.Warn("the link to the hub", "warning", text)
	}
}

// lag asks for the hub's consumer of the frames.
func (l *link) lag(ctx context.Context) (mirrored bool, lag uint64, behind time.Duration, err error) {
	for _, name := range []string{schema.StreamUplink, schema.StreamFrames} {
		stream, err := l.watcher.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return false, 0, 0, err
		}
		if name == schema.StreamFrames {
			l.note.own = origin(stream.CachedInfo())
		}
		if mirrored {
			continue
		}
		info, err := l.consumer(ctx, stream, schema.HubConsumer)
		if info == nil || err != nil {
			if err != nil {
				return false, 0, 0, err
			}
			continue
		}
		mirrored = true
		if lag = info.NumPending + uint64(info.NumAckPending); lag > 0 {
			// What has gone since then is not the oldest any more.
			if m, err := stream.GetMsg(ctx, max(info.AckFloor.Stream+1, stream.CachedInfo().State.FirstSeq)); err == nil {
				behind = time.Since(m.Time)
			}
		}
	}
	return mirrored, lag, behind, nil
}

// consumer finds what a hub has made at a stream, nil if nothing. Which hub is known by its domain, or else it is the first.
func (l *link) consumer(ctx context.Context, stream jetstream.Stream, name func(string) string) (*jetstream.ConsumerInfo, error) {
	list := stream.ListConsumers(ctx)
	var found *jetstream.ConsumerInfo
	for info := range list.Info() {
		if info.Name == name(l.greeting.Domain) || l.greeting.Domain == "" && strings.HasPrefix(info.Name, name("")) {
			found = info
		}
	}
	return found, list.Err()
}

// read reads the hub's note.
func (l *link) read(ctx context.Context) error {
	stream, err := l.watcher.js.Stream(ctx, schema.StreamEvents)
	if err != nil {
		return err
	}
	info, err := l.consumer(ctx, stream, schema.HubNoteConsumer)
	if err != nil || info == nil {
		return err
	}
	var n schema.HubNote
	if err := json.Unmarshal([]byte(info.Config.Metadata[schema.NoteKey]), &n); err != nil {
		return fmt.Errorf("reading the hub's note: %w", err)
	}
	if n != l.note.HubNote {
		l.note.HubNote = n
		l.warn()
	}
	return nil
}

// forget takes the hub's note away, so that it has to say again what it has to say.
func (l *link) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if l.note.Hub != "" {
		if err := l.watcher.js.DeleteConsumer(ctx, schema.StreamEvents, schema.HubNoteConsumer(l.note.Hub)); err != nil {
			l.log.Debug("taking the hub's note away", "err", err)
		}
	}
	l.note = note{}
}

func origin(info *jetstream.StreamInfo) string {
	var c jetstream.ClusterInfo
	if info.Cluster != nil {
		c = *info.Cluster
	}
	return schema.Origin(info.Created, c.Name, c.Leader)
}
