package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// StreamConfig is the limits of FRAMES.
type StreamConfig struct {
	MaxAge   time.Duration
	MaxBytes int64
	Sync     Sync
	Replicas int
}

// Sync is when stored frames are flushed to the disk itself: after Interval, at once with Always, and with Async also the write to
// the operating system may follow the acknowledgement. A killed process loses nothing in the first two; a power cut loses what the
// interval covers.
type Sync struct {
	Interval      time.Duration
	Always, Async bool
}

func (s Sync) apply(o *server.Options) {
	o.SyncAlways = s.Always
	if o.SyncInterval = s.Interval; o.SyncInterval <= 0 {
		o.SyncInterval = 2 * time.Second
	}
}

const (
	// dedupeWindow covers an ack timeout and the retry after it; the server rereads as much of the stream when it starts.
	dedupeWindow = 10 * time.Second
	eventBytes   = 256 << 20
	eventAge     = 7 * 24 * time.Hour
	deadBytes    = 1 << 30
	storedBytes  = 256 << 20 // half a million references, which 1000 frames a second take ten minutes to make
	stateBytes   = 16 << 20
)

// storeLimit is what the server may store in all: what the streams may hold and room beside it, because the server refuses a message
// at this limit before it discards an old one.
func (c *StreamConfig) storeLimit() int64 {
	return c.MaxBytes + c.MaxBytes/8 + eventBytes + deadBytes + storedBytes + 4*stateBytes + 1<<30
}

// ensureStreams creates what is missing of the site's streams and buckets and brings the limits of the others up to date.
func ensureStreams(ctx context.Context, js jetstream.JetStream, c *ServerConfig) error {
	file := func(name string, description string, bytes int64, age time.Duration, root string) jetstream.StreamConfig {
		return jetstream.StreamConfig{Name: name, Description: description, Subjects: []string{schema.SiteSubjects(root, c.Site)},
			MaxBytes: bytes, MaxAge: age, Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, AllowDirect: true,
			Replicas: c.Stream.Replicas, Duplicates: dedupeWindow, MaxMsgSize: MaxPayload(c.MaxFrame),
			Metadata: map[string]string{schema.MetadataKey: schemaVersion}}
	}
	frames := file(schema.StreamFrames, "Pictures", c.Stream.MaxBytes, c.Stream.MaxAge, "frames")
	if c.Stream.Sync.Async {
		frames.PersistMode = jetstream.AsyncPersistMode
	}
	if err := checkPersistMode(ctx, js, frames); err != nil {
		return err
	}
	streams := []jetstream.StreamConfig{
		frames,
		file(schema.StreamEvents, "What happened", eventBytes, eventAge, "events"),
		file(schema.StreamDead, "Frames that a sink refused for good", min(deadBytes, c.Stream.MaxBytes/4), 0, "dead"),
		file(schema.StreamStored, "Keys under which a sink has confirmed frames", min(storedBytes, c.Stream.MaxBytes/4), c.Stream.MaxAge, "stored"),
	}
	if u := c.Uplink; u != nil {
		// A subject that FRAMES takes cannot be another stream's as well, but may be what it keeps messages under.
		uplink := file(schema.StreamUplink, "Pictures for the hub", u.MaxBytes, u.MaxAge, "uplink")
		uplink.SubjectTransform = &jetstream.SubjectTransformConfig{Source: schema.SiteSubjects("uplink", c.Site), Destination: schema.SiteSubjects("frames", c.Site)}
		streams = append(streams, uplink)
	}
	if err := switchUplink(ctx, js, c.Uplink != nil); err != nil {
		return err
	}
	for _, s := range streams {
		if _, err := js.CreateOrUpdateStream(ctx, s); err != nil {
			return streamError(s.Name, err)
		}
	}
	buckets := map[string]string{schema.BucketCameras: "State of each camera", schema.BucketBridges: "State of each bridge",
		schema.BucketPauses: "Cameras that are not to be read"}
	if c.Cluster.Listen != "" {
		buckets[schema.BucketLeases] = "Who reads each camera"
	}
	for bucket, what := range buckets {
		if old, err := js.Stream(ctx, "KV_"+bucket); err == nil && old.CachedInfo().Config.Replicas == c.Stream.Replicas {
			continue // as it is: a hub has added sources
		}
		if _, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: bucket, Description: what, History: 1,
			MaxBytes: stateBytes, Storage: jetstream.FileStorage, Replicas: c.Stream.Replicas}); err != nil {
			return streamError("KV "+bucket, err)
		}
	}
	return nil
}

// switchUplink takes away what belongs to the other way of sending frames to a hub, so that the hub turns to the one that is configured:
// without an uplink UPLINK, which holds copies alone, and what fills it; at the beginning of one the hub's consumers of FRAMES.
func switchUplink(ctx context.Context, js jetstream.JetStream, on bool) error {
	_, err := js.Stream(ctx, schema.StreamUplink)
	had := err == nil
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return streamError(schema.StreamUplink, err)
	}
	if on && had {
		return nil
	}
	frames, err := js.Stream(ctx, schema.StreamFrames)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // a new site
	}
	if err != nil {
		return streamError(schema.StreamFrames, err)
	}
	find := uplinkConsumers // also where there is no UPLINK any more: a node that still had an uplink may have made one anew
	if on {
		find = hubConsumers
	}
	remove, err := find(ctx, frames)
	if err != nil {
		return streamError(schema.StreamFrames, err)
	}
	for _, name := range remove {
		if err := frames.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return streamError(schema.StreamFrames, err)
		}
	}
	if !on && had {
		if err := js.DeleteStream(ctx, schema.StreamUplink); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return streamError(schema.StreamUplink, err)
		}
	}
	return nil
}

// uplinkConsumers names the consumer that fills UPLINK, if there is one. A bridge of that name begins with the oldest frames.
func uplinkConsumers(ctx context.Context, frames jetstream.Stream) (names []string, err error) {
	c, err := frames.Consumer(ctx, schema.UplinkConsumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	config := c.CachedInfo().Config
	if config.DeliverPolicy == jetstream.DeliverNewPolicy && config.Metadata[schema.MetadataKey] != "" {
		names = append(names, schema.UplinkConsumer)
	}
	return names, nil
}

// hubConsumers names the consumers by which hubs read a stream.
func hubConsumers(ctx context.Context, stream jetstream.Stream) (names []string, err error) {
	all := stream.ListConsumers(ctx)
	for i := range all.Info() {
		if i.Config.AckPolicy == jetstream.AckFlowControlPolicy && i.Config.Metadata[schema.MetadataKey] != "" {
			names = append(names, i.Name)
		}
	}
	if err := all.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, err
	}
	return names, nil
}

const schemaVersion = "1"

// checkPersistMode finds the one setting of a stream that JetStream cannot change.
func checkPersistMode(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	old, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return streamError(want.Name, err)
	}
	if old.CachedInfo().Config.PersistMode != want.PersistMode {
		return fmt.Errorf("stream.sync cannot change between async and the others while stream %s holds frames; change it back, or run on an empty data_dir", want.Name)
	}
	return nil
}

func streamError(name string, err error) error {
	if errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("setting up stream %s: %w; enable jetstream in the account that nats.config defines for the streams", name, err)
	}
	return fmt.Errorf("setting up stream %s: %w", name, err)
}
