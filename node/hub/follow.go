package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// streamKey is where a stream of the hub keeps which stream of the site it follows: the name, and the time of its making.
const streamKey = "edge-video-follows"

// reads is a stream of the site that the hub follows.
type reads struct {
	name    string
	created time.Time
	first   uint64 // sequence of its oldest message
}

func (r *reads) String() string { return r.name + " " + r.created.UTC().Format(time.RFC3339Nano) }

// followed says which of the site's streams a stream of the hub follows, "" where that was not noted.
func followed(c *jetstream.StreamConfig) string { return c.Metadata[streamKey] }

// streamOf is the name of the site's stream that a stream of the hub follows.
func streamOf(c *jetstream.StreamConfig) string {
	if was := followed(c); was != "" || c.Mirror == nil {
		name, _, _ := strings.Cut(was, " ")
		return name
	}
	return c.Mirror.Name
}

// origins are where a stream of the hub gets its messages from. A new one mirrors, under the site's own sequence numbers. One whose site has
// begun another stream, because its data_dir was emptied or its uplink was switched, cannot go on as a mirror: it keeps what it has and
// appends what the site has now, under sequence numbers that go on.
func (s *site) origins(old *jetstream.StreamConfig, now *reads) (*jetstream.StreamSource, []*jetstream.StreamSource) {
	origin := s.hub.origin(now.name, s.name)
	if old == nil || old.Mirror != nil && !s.another(old, now) {
		return origin, nil
	}
	return nil, []*jetstream.StreamSource{origin}
}

// another reports whether the site's stream is not the one that a stream of the hub follows.
func (s *site) another(old *jetstream.StreamConfig, now *reads) bool {
	if was := followed(old); was != "" {
		return was != now.String()
	}
	return streamOf(old) != now.name
}

// compare finds out whether the site's stream is still the one that the hub follows. Where it is not, the consumer that stood in the old
// one goes, and the hub's own stream is led to the new one when the mirrors are made.
func (s *site) compare(ctx context.Context, js jetstream.JetStream, mirror string, now *reads) (from uint64, err error) {
	old, err := s.hub.js.Stream(ctx, mirror)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, s.fresh(ctx, js, now)
	}
	if err != nil {
		return 0, fmt.Errorf("looking for %s: %w", mirror, err)
	}
	config := old.CachedInfo().Config
	if !s.another(&config, now) {
		s.agedOut(old.CachedInfo(), now)
		return 0, nil
	}
	if err := s.alone(ctx); err != nil {
		return 0, err
	}
	s.made = false
	if now.name == schema.StreamFrames && streamOf(&config) == schema.StreamUplink {
		if from, err = s.behindUplink(ctx, js, old); err != nil {
			return 0, err
		}
	}
	// It must not take what the new stream sends for what the old one would have sent next.
	if config.Metadata == nil {
		config.Metadata = map[string]string{}
	}
	if followed(&config) == "" {
		config.Metadata[streamKey] = streamOf(&config) + " -"
	}
	config.Mirror, config.Sources = nil, nil
	if _, err := s.hub.js.UpdateStream(ctx, config); err != nil {
		return 0, fmt.Errorf("leading %s to another stream: %w", mirror, err)
	}
	// A durable consumer keeps where it began: the site may have one from before.
	return from, s.unread(ctx, js, now)
}

// fresh has a mirror that is yet to be made begin with the oldest that the site holds: a consumer of one that was removed, or of a hub whose
// data_dir is empty now, stands behind what that one had.
func (s *site) fresh(ctx context.Context, js jetstream.JetStream, now *reads) error {
	asking, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	old, err := js.PushConsumer(asking, now.name, s.hub.durable())
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("looking for the consumer of %s at site %s: %w", now.name, s.name, err)
	case old.CachedInfo().AckFloor.Stream < max(now.first, 1): // the first of a stream that was never used is 0
		return nil // all is to come
	}
	if err := s.alone(ctx); err != nil {
		return err
	}
	s.log.Info("there is no mirror any more: all that the site holds is taken again", "stream", now.name)
	return s.unread(ctx, js, now)
}

// unread removes the hub's consumer of a stream of the site.
func (s *site) unread(ctx context.Context, js jetstream.JetStream, now *reads) error {
	if err := js.DeleteConsumer(ctx, now.name, s.hub.durable()); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("removing the consumer of %s at site %s: %w", now.name, s.name, err)
	}
	return nil
}

// alone makes sure that it is the one site of its name which is to be read from another place now, and remembers that by it.
func (s *site) alone(ctx context.Context) error {
	before := s.first
	s.first, s.counted = "", time.Time{}
	s.count(ctx)
	if s.twins || s.first == "" {
		s.first = before
		return fmt.Errorf("site %s may be another than before: %w", s.name, errUnsure)
	}
	return nil
}

// errUnsure says that it is not clear which site answers.
var errUnsure = errors.New("there are two of its name, or it does not answer")

// agedOut tells what has left the site's stream before one of the hub's that appends could have it: there the sequence numbers do not show it.
func (s *site) agedOut(own *jetstream.StreamInfo, now *reads) {
	source := link(own)
	if source == nil || own.Mirror != nil || source.Seq == 0 || now.name == schema.StreamEvents {
		return
	}
	if seq := max(source.Seq, s.appended); now.first > seq+1 {
		s.appended = now.first - 1
		s.tellGap(whole(seq+1, now.first-1), false)
	}
}

// switched tells why a stream of the hub follows another one of the site from now on.
func (s *site) switched(mirror string, old *jetstream.StreamInfo, now *reads) {
	was := streamOf(&old.Config)
	e := schema.Event{Class: schema.ClassLink, Name: s.name, Kind: schema.KindControl, State: now.name}
	if was == now.name {
		e.Reason = "reset"
		e.Message = fmt.Sprintf("site %s has begun its stream %s anew, at %s: its data_dir was emptied or replaced. %s keeps its %d messages up to sequence %d "+
			"and goes on behind them under sequence numbers of its own", s.name, was, now.created.UTC().Format(time.RFC3339), mirror, old.State.Msgs, old.State.LastSeq)
	} else {
		e.Reason = "uplink"
		e.Message = fmt.Sprintf("site %s sends %s in place of %s from now on; %s keeps its messages up to sequence %d and goes on behind them under sequence numbers of its own",
			s.name, now.name, was, mirror, old.State.LastSeq)
	}
	s.log.Warn("the site's stream is another", "stream", mirror, "reason", e.Reason, "kept_up_to", old.State.LastSeq, "was", was, "is", now.name)
	s.hub.journal.Event(e)
	if lag := s.report().Lag; e.Reason == "uplink" && now.name == schema.StreamUplink && lag > 0 {
		s.hub.journal.Event(schema.Event{Class: schema.ClassLink, Name: s.name, Kind: schema.KindGap, Reason: e.Reason, Count: lag,
			Message: "frames that the site had stored and not sent when its uplink was switched on; they are at the site"})
	}
}

// behindUplink is the place in the site's FRAMES behind the newest frame that came by way of its uplink, so that what follows neither
// repeats nor leaves out anything. It is 0, all that is left, where that frame has left FRAMES.
func (s *site) behindUplink(ctx context.Context, js jetstream.JetStream, mirror jetstream.Stream) (uint64, error) {
	last, err := mirror.GetMsg(ctx, mirror.CachedInfo().State.LastSeq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the newest frame of site %s: %w", s.name, err)
	}
	f, err := schema.Decode(last.Subject, last.Header, last.Data)
	if err != nil {
		return 0, nil // of another program, which has no place
	}
	from := f.Captured.Add(-storedEarly)
	consumer, err := js.CreateConsumer(ctx, schema.StreamFrames, jetstream.ConsumerConfig{FilterSubject: last.Subject, HeadersOnly: true,
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &from, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: apiTimeout})
	if err != nil {
		return 0, fmt.Errorf("looking for frame %s at site %s: %w", f.ID(), s.name, err)
	}
	for left := min(consumer.CachedInfo().NumPending, searchMost); left > 0; {
		batch, err := consumer.Fetch(int(min(left, searchBatch)), jetstream.FetchMaxWait(reachTimeout))
		if err != nil {
			return 0, fmt.Errorf("looking for frame %s at site %s: %w", f.ID(), s.name, err)
		}
		n := uint64(0)
		for m := range batch.Messages() {
			n++
			if m.Headers().Get(schema.HeaderMsgID) != f.ID() {
				continue
			}
			meta, err := m.Metadata()
			if err != nil {
				return 0, fmt.Errorf("looking for frame %s at site %s: %w", f.ID(), s.name, err)
			}
			return meta.Sequence.Stream + 1, nil
		}
		if n == 0 {
			return 0, fmt.Errorf("looking for frame %s at site %s: nothing came", f.ID(), s.name)
		}
		left -= min(left, n)
	}
	return 0, nil
}

const (
	// storedEarly is how much earlier than it is said to be captured a frame may have been stored.
	storedEarly = 5 * time.Second
	// searchMost and searchBatch bound the search for a frame, in frames of its camera.
	searchMost, searchBatch = 5000, 500
)

// streams are the hub's of a site, with what they follow there and how much they hold.
func (s *site) streams() []follower {
	return []follower{{schema.StreamFrames, s.frames, s.hub.config.MaxBytes}, {schema.StreamEvents, s.events, eventBytes}}
}

// follower is a stream of the hub that follows one of a site.
type follower struct {
	kind  string
	reads *reads
	bytes int64
}

// mirror makes the hub's streams of the site, leads them to what the site has now, and brings their limits up to date.
func (s *site) mirror(ctx context.Context) error {
	c := s.hub.config
	for _, f := range s.streams() {
		name := schema.MirrorStream(f.kind, s.name)
		found, err := s.hub.js.Stream(ctx, name)
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("looking for %s: %w", name, err)
		}
		config := jetstream.StreamConfig{Name: name, Description: f.reads.name + " of site " + s.name, MaxBytes: f.bytes, MaxAge: c.MaxAge,
			Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, AllowDirect: true, Replicas: c.Replicas,
			Metadata: map[string]string{schema.MetadataKey: "1", originKey: s.first, streamKey: f.reads.String()}}
		var old *jetstream.StreamInfo
		if err == nil {
			old = found.CachedInfo()
			config.Mirror, config.Sources = s.origins(&old.Config, f.reads)
		} else {
			config.Mirror, config.Sources = s.origins(nil, f.reads)
		}
		if _, err := s.hub.js.CreateOrUpdateStream(ctx, config); err != nil {
			return fmt.Errorf("setting up %s: %w", name, err)
		}
		if old != nil && s.another(&old.Config, f.reads) {
			s.switched(name, old, f.reads)
		}
	}
	return nil
}

// link is what a stream of the hub knows of the site's, nil where it follows none.
func link(info *jetstream.StreamInfo) *jetstream.StreamSourceInfo {
	if info.Mirror != nil {
		return info.Mirror
	}
	if i := slices.IndexFunc(info.Sources, func(o *jetstream.StreamSourceInfo) bool { return o != nil }); i >= 0 {
		return info.Sources[i]
	}
	return nil
}
