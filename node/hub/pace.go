package hub

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// pacePeriod is how often the mirror of a site that catches up is looked at, firstPeriod the same until it is known how fast that goes.
	pacePeriod, firstPeriod = 250 * time.Millisecond, 50 * time.Millisecond
	// inFlightTime is how long what is on its way takes over a link at the rate that it has shown.
	inFlightTime = time.Second
	// inFlightMost is the most that is on its way, which a server of nats-server has in flow control.
	inFlightMost = 32 << 20
)

// pace is how fast the mirror of a site that catches up goes. The site's server waits for an answer when as much is on its way as may be, so
// that a fast link is never full with what a slow one bears.
type pace struct {
	eager bool      // the mirror is looked at more often
	since time.Time // when that began
	seq   uint64
	at    time.Time // when the mirror was at seq, zero before
	bytes uint64    // what may be on its way, 0 before the rate is known
}

// begin is called with what a look has found.
func (p *pace) begin(mirror *jetstream.StreamInfo, now time.Time) {
	if p.eager && p.at.IsZero() {
		p.seq, p.at, p.since = mirror.State.LastSeq, now, now
	}
}

// take is called with what a later look has found, of frames of that many bytes on average and of which so many may be on their way. It
// reports whether the rate is known anew.
func (p *pace) take(mirror *jetstream.StreamInfo, frameBytes uint64, window int, now time.Time) bool {
	last, from := mirror.State.LastSeq, link(mirror)
	waits := p.bytes == 0 && last == p.seq
	// A mirror knows of what it lacks from the first message on.
	if from.Active >= 0 && from.Lag == 0 && (!waits || now.Sub(p.since) > silence) {
		*p = pace{bytes: p.bytes}
		return false
	}
	if waits {
		p.at = now
		return false
	}
	if now.Sub(p.at) < pacePeriod && last < p.seq+uint64(window)/2 {
		return false // too little to tell
	}
	if last > p.seq {
		came := float64(last-p.seq) * float64(frameBytes)
		p.bytes = uint64(came * inFlightTime.Seconds() / now.Sub(p.at).Seconds())
	}
	p.seq, p.at = last, now
	return true
}

// quicken sets what may be on its way from a site that catches up by the rate at which it comes.
func (s *site) quicken(ctx context.Context) {
	if s.pace.bytes > 0 && time.Since(s.pace.at) < pacePeriod {
		return
	}
	asking, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	stream, err := s.hub.js.Stream(asking, schema.MirrorStream(schema.StreamFrames, s.name))
	if err != nil || link(stream.CachedInfo()) == nil {
		return // the next look says why
	}
	if !s.pace.take(stream.CachedInfo(), s.frameBytes, s.consumer.MaxAckPending, time.Now()) {
		return
	}
	if wanted, now := s.window(), s.consumer.MaxAckPending; wanted > now*3/2 || wanted < now/2 {
		if err := s.widen(ctx, wanted); err != nil {
			s.log.Debug("changing what may be on its way", "messages", wanted, "err", err)
		}
	}
}

// widen tells the site how many frames may be on their way. That needs no question first: its answer would be behind all that is too much on
// a link that has become slow, as the answer here is, and then the site is told again.
func (s *site) widen(ctx context.Context, window int) error {
	js, err := jetstream.NewWithAPIPrefix(s.hub.nc, schema.DomainAPI(s.name))
	if err != nil {
		return fmt.Errorf("reaching JetStream of site %s: %w", s.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	config := s.consumer
	config.MaxAckPending = window
	if _, err := js.UpdatePushConsumer(ctx, s.frames.name, config); err != nil {
		return fmt.Errorf("setting up the consumer of %s at site %s: %w", s.frames.name, s.name, err)
	}
	s.consumer = config
	return nil
}
