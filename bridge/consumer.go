package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrForeignDurable says that a durable consumer of the bridge's name exists that edge-video did not make.
var ErrForeignDurable = errors.New("durable consumer belongs to another program")

const (
	// metadataKey marks consumers that edge-video made.
	metadataKey = "edge-video"
	// ackWait is when JetStream delivers an unacknowledged frame again by itself. Sessions end before, so that this is the last resort.
	ackWait = time.Minute
	// maxAckPending bounds the frames between the stream and the sink's confirmation: a pull, and what a sink has in flight.
	maxAckPending = 1024
	// setupTimeout bounds the setting up of the consumer; looking for it takes one request.
	setupTimeout = 30 * time.Second
)

// durable is the configuration of a durable consumer of the bridge.
func durable(c *Config, name, description string) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{Durable: name, Description: description, FilterSubjects: c.filters(c.Cameras),
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxDeliver:    -1, // a number would silently skip frames
		MaxAckPending: maxAckPending, Metadata: map[string]string{metadataKey: c.Node}}
}

// ensureConsumer creates the bridge's durable consumer, or brings the one it had before up to date. A new one begins behind what is left
// to the backfill.
func ensureConsumer(ctx context.Context, js jetstream.JetStream, c *Config, left spans) (jetstream.Consumer, error) {
	config := durable(c, c.Name, "edge-video bridge")
	switch {
	case len(left) > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, left[len(left)-1].last+1
	case c.Newest:
		config.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	looking, found := context.WithTimeout(ctx, apiTimeout)
	defer found()
	old, err := js.Consumer(looking, c.Stream(), c.Name)
	switch {
	case err == nil:
		was := old.CachedInfo().Config
		if _, ours := was.Metadata[metadataKey]; !ours {
			return nil, foreign(c.Stream(), c.Name)
		}
		// Where a bridge began cannot be changed afterwards.
		config.DeliverPolicy, config.OptStartSeq, config.OptStartTime = was.DeliverPolicy, was.OptStartSeq, was.OptStartTime
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil, fmt.Errorf("looking for the durable consumer: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	consumer, err := js.CreateOrUpdateConsumer(ctx, c.Stream(), config)
	if err != nil {
		return nil, fmt.Errorf("setting up the durable consumer: %w", err)
	}
	return consumer, nil
}

func foreign(stream, name string) error {
	return fmt.Errorf("%w: %s on stream %s; give the bridge another name or remove it with `nats consumer rm %s %s`",
		ErrForeignDurable, name, stream, stream, name)
}
