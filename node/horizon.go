package node

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// markPeriod is how far apart marks are at least, and what the present rate is measured over.
const markPeriod = time.Minute

// horizon is how long an outage of the slowest bridge still fits in the stream. All of it comes from the stream itself, which other nodes
// of the site fill too.
type horizon struct {
	left  time.Duration
	marks []mark // within what the stream holds, the oldest first; some thousand at most
}

// mark is when the stream had come to a sequence.
type mark struct {
	at  time.Time
	seq uint64
}

// Horizon is how long the stream holds frames that come at bytesPerSecond: until maxAge or maxBytes is reached.
func Horizon(maxAge time.Duration, maxBytes int64, bytesPerSecond float64) time.Duration {
	if bytesPerSecond <= 0 {
		return maxAge
	}
	return min(maxAge, time.Duration(min(float64(maxBytes)/bytesPerSecond, maxAge.Seconds()+1)*float64(time.Second)))
}

// watchHorizon keeps the horizon up to date until ctx ends. The stream may be slow to answer, or have no leader.
func (f *Fleet) watchHorizon(ctx context.Context, js jetstream.JetStream) {
	tick := time.NewTicker(statusPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.updateHorizon(ctx, js)
		}
	}
}

func (f *Fleet) updateHorizon(ctx context.Context, js jetstream.JetStream) {
	ctx, cancel := context.WithTimeout(ctx, statusPeriod/2)
	defer cancel()
	frames, pending, err := backlog(ctx, js)
	if err != nil {
		f.log.Debug("reading the stream's state", "err", err)
		return
	}
	capacity := f.config.Stream.MaxBytes
	if disk, err := DiskOf(f.config.DataDir); err == nil {
		capacity = min(capacity, int64(frames.State.Bytes)+max(0, disk.Free-disk.Floor))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.horizon.look(time.Now(), frames, pending, f.config.Stream.MaxAge, capacity)
	f.metrics.horizon.Set(f.horizon.left.Seconds())
}

// look takes in what the stream holds, and how many of its frames the slowest bridge has still to take: the newest.
func (h *horizon) look(now time.Time, frames *jetstream.StreamInfo, pending uint64, maxAge time.Duration, capacity int64) {
	s := &frames.State
	h.marks = slices.DeleteFunc(h.marks, func(m mark) bool { return m.seq < s.FirstSeq || m.seq > s.LastSeq }) // the latter of a stream before
	if s.Msgs == 0 {
		h.left = maxAge
		return
	}
	period := max(markPeriod, maxAge/1000)
	held := max(0, frames.TimeStamp.Sub(s.FirstTime)) // by the clock that has stamped the frames
	path := slices.Concat([]mark{{now.Add(-held), s.FirstSeq}}, h.marks, []mark{{now, s.LastSeq}})
	pending = min(pending, s.Msgs)
	size := float64(s.Bytes) / float64(s.Msgs)
	h.left = min(maxAge-waited(path, pending), Horizon(maxAge, capacity-int64(float64(pending)*size), size*rate(path, period)))
	if pending > 0 && h.left < min(statusPeriod, maxAge/100) { // gone before the next look
		h.left = 0
	}
	if n := len(h.marks); n == 0 || now.Sub(h.marks[n-1].at) >= period {
		h.marks = append(h.marks, path[len(path)-1])
	}
}

// waited is how long ago the first of the newest frames came, at the end of a path. Between two marks frames count as having come evenly.
func waited(path []mark, newest uint64) time.Duration {
	now := path[len(path)-1]
	if newest == 0 {
		return 0
	}
	first := now.seq - newest + 1
	to := slices.IndexFunc(path, func(m mark) bool { return m.seq >= first })
	if to == 0 {
		return now.at.Sub(path[0].at)
	}
	a, b := path[to-1], path[to]
	return now.at.Sub(a.at) - time.Duration(float64(b.at.Sub(a.at))*float64(first-a.seq)/float64(b.seq-a.seq))
}

// rate is how many frames a second came in the last period of a path, or longer.
func rate(path []mark, period time.Duration) float64 {
	now, from := path[len(path)-1], path[0]
	for _, m := range path {
		if now.at.Sub(m.at) >= period {
			from = m
		}
	}
	return float64(now.seq-from.seq) / max(time.Second, now.at.Sub(from.at)).Seconds()
}

// backlog is FRAMES, and how many frames its slowest durable consumer has not acknowledged.
func backlog(ctx context.Context, js jetstream.JetStream) (frames *jetstream.StreamInfo, pending uint64, err error) {
	stream, err := js.Stream(ctx, schema.StreamFrames)
	if err != nil {
		return nil, 0, err
	}
	consumers := stream.ListConsumers(ctx)
	for info := range consumers.Info() {
		if info.Config.Durable != "" && info.Config.DeliverSubject == "" { // what is pushed is a hub's mirror: its outage is the hub's to tell
			pending = max(pending, info.NumPending+uint64(info.NumAckPending))
		}
	}
	return stream.CachedInfo(), pending, consumers.Err()
}
