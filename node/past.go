package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// past is what stream and bucket know of cameras from before. In a cluster any replica answers, also while none leads.
type past struct {
	site   string
	steady func(do func() error) error // see Server.steady
	stream jetstream.Stream
	states jetstream.KeyValue
}

func openPast(ctx context.Context, js jetstream.JetStream, site string, steady func(do func() error) error) (*past, error) {
	p := &past{site: site, steady: steady}
	err := patiently(ctx, func(ctx context.Context) (err error) {
		if p.stream, err = js.Stream(ctx, schema.StreamFrames); err != nil {
			return err
		}
		p.states, err = js.KeyValue(ctx, schema.BucketCameras)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("finding the last epochs: %w", err)
	}
	return p, nil
}

// patiently asks JetStream again for as long as [setupTimeout] where it has no answer: while the server takes up other options nobody may
// be there to answer, it may not know the account's JetStream, and a request that was under way may be lost.
func patiently(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	for {
		try, cancel := context.WithTimeout(ctx, askTimeout)
		err := ask(try)
		cancel()
		if !reloading(err) && !unsettled(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(askPause):
		}
	}
}

// reloading reports whether an answer is what a server gives that is taking up other options. Watchers of buckets are made by the client's
// older part, which has errors of its own.
func reloading(err error) bool {
	return slices.ContainsFunc([]error{nats.ErrNoResponders, nats.ErrJetStreamNotEnabled, nats.ErrJetStreamNotEnabledForAccount,
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount}, func(e error) bool { return errors.Is(err, e) })
}

const (
	askTimeout = 3 * time.Second
	askPause   = 100 * time.Millisecond
)

// lastEpochs reads the newest epoch of each camera that the stream or the bucket holds, so that new ones are above it even when the
// clock has gone back.
func (p *past) lastEpochs(ctx context.Context, cameras []CameraConfig) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	last := make(map[string]int64, len(cameras))
	for _, c := range cameras {
		err := patiently(ctx, func(ctx context.Context) (err error) {
			last[c.ID], err = p.lastEpoch(ctx, c.ID)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("finding the last epoch of camera %s: %w", c.ID, err)
		}
	}
	return last, nil
}

// lastEpoch is 0 where nothing is known of the camera.
func (p *past) lastEpoch(ctx context.Context, id string) (last int64, err error) {
	err = p.steady(func() error {
		last, err = p.stored(ctx, id)
		return err
	})
	return last, err
}

func (p *past) stored(ctx context.Context, id string) (last int64, err error) {
	m, err := p.stream.GetLastMsgForSubject(ctx, schema.FrameSubject(p.site, id))
	switch {
	case err == nil:
		// A message that edge-video did not write has no epoch; the bucket's still counts.
		if n, err := strconv.ParseInt(m.Header.Get(schema.HeaderEpoch), 10, 64); err == nil {
			last = n
		}
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, err
	}
	entry, err := p.states.Get(ctx, schema.StatusKey(p.site, id))
	switch {
	case err == nil:
		var st schema.CameraStatus
		if json.Unmarshal(entry.Value(), &st) == nil {
			last = max(last, st.Epoch)
		}
	case !errors.Is(err, jetstream.ErrKeyNotFound):
		return 0, err
	}
	return last, nil
}
