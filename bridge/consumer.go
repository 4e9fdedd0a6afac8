package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// ErrForeignDurable says that a durable consumer of the bridge's name exists that edge-video did not make.
var ErrForeignDurable = errors.New("durable consumer belongs to another program")

const (
	// ackWait is when JetStream delivers an unacknowledged frame again by itself. Sessions end before, so that this is the last resort.
	ackWait = time.Minute
	// maxAckPending bounds the frames between the stream and the sink's confirmation: a pull, and what a sink has in flight.
	maxAckPending = 1024
	// setupTimeout bounds the setting up of the consumer; looking for it takes one request.
	setupTimeout = 30 * time.Second
)

// durable is the configuration of a durable consumer of the bridge.
func durable(c *Config, name, description string) jetstream.ConsumerConfig {
	config := jetstream.ConsumerConfig{Durable: name, Description: description, FilterSubjects: c.filters(c.Cameras),
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxDeliver:    -1, // a number would silently skip frames
		MaxAckPending: maxAckPending, Metadata: map[string]string{schema.MetadataKey: c.Node, workersKey: string(c.workers())}}
	switch c.workers() {
	case WorkersStandby:
		config.PriorityPolicy, config.PriorityGroups, config.PinnedTTL = jetstream.PriorityPolicyPinned, []string{pinGroup}, pinTTL
	case WorkersShared:
		config.AckWait, config.MaxAckPending = c.ackWait(), sharedAckPending
	}
	return config
}

// find looks for the bridge's durable consumer, and returns nil where there is none. The error says why it may not be used.
func (w *Worker) find(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	found, err := w.js.Consumer(ctx, w.config.stream(), w.config.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for the durable consumer: %w", err)
	}
	if _, ours := found.CachedInfo().Config.Metadata[schema.MetadataKey]; !ours {
		return nil, foreign(w.config.stream(), w.config.Name)
	}
	return found, w.taken(found.CachedInfo())
}

// ensureConsumer creates the bridge's durable consumer, or brings the one that was found up to date. A new one begins behind what is left
// to the backfill.
func ensureConsumer(ctx context.Context, js jetstream.JetStream, c *Config, id string, found jetstream.Consumer, left spans) (jetstream.Consumer, error) {
	config := durable(c, c.Name, "edge-video bridge")
	if !c.shared() {
		config.Metadata[workerKey] = id
	}
	switch {
	case found != nil: // where a bridge began cannot be changed afterwards
		was := found.CachedInfo().Config
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = was.DeliverPolicy, was.OptStartSeq, was.OptStartTime
	case len(left) > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, left[len(left)-1].last+1
	case c.Newest:
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	consumer, err := js.CreateOrUpdateConsumer(ctx, c.stream(), config)
	if err != nil {
		return nil, fmt.Errorf("setting up the durable consumer: %w", err)
	}
	return consumer, nil
}

func foreign(stream, name string) error {
	return fmt.Errorf("%w: %s on stream %s; give the bridge another name or remove it with `nats consumer rm %s %s`",
		ErrForeignDurable, name, stream, stream, name)
}
