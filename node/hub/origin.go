package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// reachTimeout bounds one request over a link.
	reachTimeout = 2 * time.Second
	// setupTimeout bounds the search for a frame at the site.
	setupTimeout = 30 * time.Second
	// inFlight is how many messages are on their way to a mirror before their size is known, inFlightBytes how many bytes of frames before
	// the rate of the link is: what one of 100 Mb/s and 300 ms holds, and little enough for what else goes over a slow one, which waits
	// behind them.
	inFlight, inFlightLeast = 128, 8
	inFlightBytes           = 4 << 20
)

// window is how many frames may be on their way, by their size and the rate at which they come.
func (s *site) window() int {
	if s.frameBytes == 0 {
		return inFlight
	}
	bytes := min(max(s.pace.bytes, inFlightBytes), inFlightMost)
	return int(min(max(bytes/s.frameBytes, inFlightLeast), inFlight*bytes/inFlightBytes))
}

// durable is the name of the hub's consumer at a site.
func (h *Hub) durable() string { return schema.HubConsumer(h.config.Site) }

// deliver is where the hub's consumer of a site's stream delivers.
func deliver(stream, site string) string {
	return strings.TrimSuffix(schema.MirrorSubjects(site), ">") + stream
}

// origin is a stream of a site as the hub's streams reach it: by a durable consumer there. Its heartbeats tell the hub at once that a link
// is back, where a consumer that has to be made is tried at intervals of up to two minutes.
func (h *Hub) origin(stream, site string) *jetstream.StreamSource {
	return &jetstream.StreamSource{Name: stream,
		External: &jetstream.ExternalStream{APIPrefix: schema.DomainAPI(site), DeliverPrefix: strings.TrimSuffix(schema.MirrorSubjects(site), ".>")},
		Consumer: &jetstream.StreamConsumerSource{Name: h.durable(), DeliverSubject: deliver(stream, site)}}
}

// reach makes the hub's consumers at a site, and learns whether that sends all its frames or those of its uplink. It reports false, and
// no error, where the site does not answer.
func (s *site) reach(ctx context.Context) (bool, error) {
	js, err := jetstream.NewWithAPIPrefix(s.hub.nc, schema.DomainAPI(s.name))
	if err != nil {
		return false, fmt.Errorf("reaching JetStream of site %s: %w", s.name, err)
	}
	frames := schema.StreamUplink
	for _, stream := range []string{schema.StreamUplink, schema.StreamFrames, schema.StreamEvents, bucket} {
		if stream == schema.StreamFrames && frames == schema.StreamUplink {
			continue
		}
		now, err := s.open(ctx, js, stream)
		api := new(jetstream.APIError)
		switch {
		case err == nil && stream == frames:
			s.frames = now
		case err == nil && stream == schema.StreamEvents:
			s.events = now
		case err == nil:
		case stream == schema.StreamUplink && errors.Is(err, jetstream.ErrStreamNotFound):
			frames = schema.StreamFrames
		case errors.As(err, &api):
			return true, fmt.Errorf("setting up a consumer of %s at site %s: %w", stream, s.name, err)
		default:
			s.log.Debug("the site does not answer", "err", err)
			return false, nil
		}
	}
	return true, nil
}

// open makes the hub's consumer of a stream at the site, and says which stream it is.
func (s *site) open(ctx context.Context, js jetstream.JetStream, stream string) (*reads, error) {
	asking, cancel := context.WithTimeout(ctx, reachTimeout)
	found, err := js.Stream(asking, stream)
	cancel()
	if err != nil {
		return nil, err
	}
	now := &reads{name: stream, created: found.CachedInfo().Created, first: found.CachedInfo().State.FirstSeq}
	config := jetstream.ConsumerConfig{Durable: s.hub.durable(),
		Description: "mirror at the hub " + s.hub.config.Site, DeliverSubject: deliver(stream, s.name), DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy: jetstream.AckFlowControlPolicy, FlowControl: true, IdleHeartbeat: time.Second, MaxAckPending: s.window(), MaxDeliver: -1,
		Metadata: map[string]string{schema.MetadataKey: s.hub.config.Node}}
	if kind := kindOf(stream); kind != "" {
		searching, cancel := context.WithTimeout(ctx, setupTimeout)
		from, err := s.compare(searching, js, schema.MirrorStream(kind, s.name), now)
		cancel()
		if err != nil {
			return nil, err
		}
		if from > 0 {
			config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
		}
	}
	if stream == bucket {
		config.FilterSubject = states(s.name)
	}
	asking, cancel = context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	old, err := js.PushConsumer(asking, stream, config.Durable)
	if err == nil { // where it began cannot be changed
		was := old.CachedInfo().Config
		config.DeliverPolicy, config.OptStartSeq = was.DeliverPolicy, was.OptStartSeq
	}
	_, err = js.CreateOrUpdatePushConsumer(asking, stream, config)
	if api := new(jetstream.APIError); old != nil && stream == bucket && errors.As(err, &api) {
		// It may send more, then, which the hub keeps under the site's name.
		s.log.Debug("having the site send the states of its own cameras alone", "err", err)
		config.FilterSubject = old.CachedInfo().Config.FilterSubject
		_, err = js.CreateOrUpdatePushConsumer(asking, stream, config)
	}
	if err == nil && kindOf(stream) == schema.StreamFrames {
		s.consumer = config
	}
	return now, err
}

// kindOf is the kind of the hub's stream that follows a stream of a site, "" where that is no stream of its own.
func kindOf(stream string) string {
	switch stream {
	case schema.StreamUplink:
		return schema.StreamFrames
	case schema.StreamFrames, schema.StreamEvents:
		return stream
	}
	return ""
}
