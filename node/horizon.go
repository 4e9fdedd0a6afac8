package node

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// horizon is how long an outage of the slowest bridge still fits in the stream.
type horizon struct {
	left          time.Duration
	frames, bytes float64 // a second, smoothed
}

// Horizon is how long the stream holds frames that come at bytesPerSecond: until maxAge or maxBytes is reached.
func Horizon(maxAge time.Duration, maxBytes int64, bytesPerSecond float64) time.Duration {
	if bytesPerSecond <= 0 {
		return maxAge
	}
	return min(maxAge, time.Duration(min(float64(maxBytes)/bytesPerSecond, maxAge.Seconds()+1)*float64(time.Second)))
}

// inflow is what has come into the stream in a time.
type inflow struct {
	frames, bytes uint64
	period        time.Duration
}

// watchHorizon keeps the horizon up to date until no more inflows come. The stream may be slow to answer, or have no leader.
func (f *Fleet) watchHorizon(ctx context.Context, js jetstream.JetStream, inflows <-chan inflow) {
	for in := range inflows {
		f.updateHorizon(ctx, js, in)
	}
}

// updateHorizon measures the rate over the last period and takes off what the slowest consumer has still to take.
func (f *Fleet) updateHorizon(ctx context.Context, js jetstream.JetStream, in inflow) {
	ctx, cancel := context.WithTimeout(ctx, statusPeriod/2)
	defer cancel()
	stored, pending, err := backlog(ctx, js)
	if err != nil {
		f.log.Debug("reading the stream's state", "err", err)
		return
	}
	capacity := f.config.Stream.MaxBytes
	if disk, err := DiskOf(f.config.DataDir); err == nil {
		capacity = min(capacity, stored+max(0, disk.Free-disk.Floor))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	h := &f.horizon
	const weight = 0.3
	h.frames += weight * (float64(in.frames)/in.period.Seconds() - h.frames)
	h.bytes += weight * (float64(in.bytes)/in.period.Seconds() - h.bytes)
	h.left = Horizon(f.config.Stream.MaxAge, capacity, h.bytes)
	if h.frames > 0 {
		h.left = max(0, h.left-time.Duration(float64(pending)/h.frames*float64(time.Second)))
	}
	f.metrics.horizon.Set(h.left.Seconds())
}

// backlog is what FRAMES holds, in bytes, and the frames that its slowest durable consumer has not acknowledged.
func backlog(ctx context.Context, js jetstream.JetStream) (stored int64, pending uint64, err error) {
	stream, err := js.Stream(ctx, schema.StreamFrames)
	if err != nil {
		return 0, 0, err
	}
	consumers := stream.ListConsumers(ctx)
	for info := range consumers.Info() {
		if info.Config.Durable != "" && info.Config.DeliverSubject == "" { // what is pushed is a hub's mirror: its outage is the hub's to tell
			pending = max(pending, info.NumPending+uint64(info.NumAckPending))
		}
	}
	return int64(stream.CachedInfo().State.Bytes), pending, consumers.Err()
}
