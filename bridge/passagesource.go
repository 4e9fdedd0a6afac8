package bridge

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// open makes the consumer that a passage reads from, and says how many messages lie before it. The consumer keeps no acknowledgements:
// the redelivery itself knows its position.
func (p *passage) open(ctx context.Context) (consumer jetstream.Consumer, left uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	r := p.redelivery
	if p.stream, err = p.js.Stream(ctx, r.source()); err != nil {
		return nil, 0, err
	}
	config := r.consumerConfig()
	if position := r.Progress().Position; position > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, position+1
	} else if from := r.config.From; !from.IsZero() {
		from = from.Add(-storedEarly)
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &from
	}
	if consumer, err = p.stream.CreateConsumer(ctx, config); err != nil {
		return nil, 0, err
	}
	left = consumer.CachedInfo().NumPending
	return consumer, left, p.measure(ctx, left)
}

// measure counts what there is to look at, once.
func (p *passage) measure(ctx context.Context, left uint64) error {
	r := p.redelivery
	if r.Progress().Total > 0 {
		return nil
	}
	total := left
	if to := r.config.To; !r.until().IsZero() {
		config := r.consumerConfig()
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &to
		behind, err := p.stream.CreateConsumer(ctx, config)
		if err != nil {
			return fmt.Errorf("counting: %w", err)
		}
		total -= min(total, behind.CachedInfo().NumPending)
		p.remove(behind)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Total = total
	return nil
}

// remove takes a consumer away. Where that does not work it goes by itself.
func (p *passage) remove(consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	if err := p.stream.DeleteConsumer(ctx, consumer.CachedInfo().Name); err != nil {
		p.redelivery.worker.log.Debug("removing a redelivery's consumer", "err", err)
	}
}

func (r *Redelivery) source() string {
	if r.config.Dead {
		return schema.StreamDead
	}
	return r.worker.config.stream()
}

// until is when the last frame asked for came into the stream at the latest, zero where that is not known: what had to wait for a sink
// may have come at any time.
func (r *Redelivery) until() time.Time {
	if r.config.To.IsZero() || r.config.Dead || !r.worker.config.pictures() {
		return time.Time{}
	}
	return r.config.To.Add(storedLate)
}

func (r *Redelivery) consumerConfig() jetstream.ConsumerConfig {
	w := &r.worker.config
	return jetstream.ConsumerConfig{Description: "edge-video redelivery to bridge " + w.Name, Metadata: map[string]string{schema.MetadataKey: w.Node},
		FilterSubjects: r.subjects(), AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: passageIdle}
}

// subjects are the filters of the frames asked for.
func (r *Redelivery) subjects() []string {
	w := &r.worker.config
	if !r.config.Dead {
		return w.filters(r.config.Cameras)
	}
	if slices.Equal(r.config.Cameras, w.Cameras) {
		return []string{schema.DeadSubject(w.Site, w.Name, cmp.Or(w.Mirrored, "*"), "*")} // also of cameras that the bridge took once
	}
	var subjects []string
	for _, camera := range r.config.Cameras {
		site, id := w.locate(camera)
		if s := schema.DeadSubject(w.Site, w.Name, site, id); !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
	}
	return subjects
}
