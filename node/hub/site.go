package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// silence is how long a mirror hears nothing before its link counts as down; it hears a heartbeat each second.
	silence = 5 * time.Second
	// eventBytes bounds what is kept of a site's events.
	eventBytes = 64 << 20
	// noRoom and noReservation are JetStream's words for streams that do not fit its store.
	noRoom, noReservation jetstream.ErrorCode = 10047, 10023
)

// Status is where the mirror of a site stands.
type Status struct {
	Site      string        `json:"site"`
	Connected bool          `json:"connected"`
	Since     time.Time     `json:"since"`           // it is connected, or not
	Lag       uint64        `json:"lag"`             // frames that the site holds and the mirror lacks, as far as is known
	Behind    time.Duration `json:"behind"`          // age of the newest frame of the mirror while it lacks some, or the link is down
	CatchUp   time.Duration `json:"catch_up"`        // how long the mirror has been catching up, 0 while it does not
	Error     string        `json:"error,omitempty"` // why there is no mirror
	Warning   string        `json:"warning,omitempty"`
	Full      bool          `json:"full,omitempty"` // Error is that it does not fit the disk
}

// site is one site of a hub. It is looked at by the hub's goroutine alone; others see its status.
type site struct {
	hub  *Hub
	name string
	log  *slog.Logger

	frames   *reads                   // the site's stream of frames for its hub, FRAMES or UPLINK; nil before it was reached
	events   *reads                   // its EVENTS
	reached  bool                     // the hub's consumers at the site were made, or found
	made     bool                     // the mirrors exist, with the limits asked for
	gaps     gaps                     // what the mirror lacks
	appended uint64                   // sequence at the site up to which gaps have been told, where the hub's stream appends
	behind   time.Time                // since when the mirror catches up, zero while it does not
	gone     time.Time                // since when there is nothing of it, zero while there is
	consumer jetstream.ConsumerConfig // of the hub, of the site's frames
	pace     pace

	counted    time.Time      // when sites of the name were last counted
	frameBytes uint64         // of a frame at the site on average
	clock      time.Duration  // the hub's is ahead of the site's
	twins      bool           // there are two of the name
	first      string         // the origin of the one that is mirrored
	noted      schema.HubNote // what the site was last told

	mu     sync.Mutex
	status Status
}

func (s *site) report() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// look makes the mirrors where they are missing, and sees how they do.
func (s *site) look(ctx context.Context) {
	s.count(ctx)
	if s.twins && !s.made {
		return // two would answer, and both deliver
	}
	if !s.reached || !s.report().Connected {
		answers, err := s.reach(ctx)
		s.reached = answers && err == nil
		if err != nil {
			s.refused(err)
			return
		}
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if s.reached && !s.made {
		err := s.mirror(ctx)
		s.refused(err)
		s.made = err == nil
		s.pace.eager = s.made
	}
	stream, err := s.hub.js.Stream(ctx, schema.MirrorStream(schema.StreamFrames, s.name))
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s.first, s.counted = "", time.Time{}
			if s.made || s.gaps != (gaps{}) { // someone has removed it, else it is not yet made
				s.made, s.reached, s.gaps = false, false, gaps{}
			}
		}
		s.log.Debug("looking at the mirror", "err", err)
		s.hub.metrics.set(s.report())
		return
	}
	info := stream.CachedInfo()
	if first := info.Config.Metadata[originKey]; first != "" {
		s.first = first
	}
	if link(info) != nil {
		s.see(info)
		s.pace.begin(info, time.Now())
	}
	if err := s.tellGaps(ctx, stream, info); err != nil {
		s.log.Debug("looking for gaps in the mirror", "err", err)
	}
}

// refused notes why there is no mirror, and tells it where that is news.
func (s *site) refused(err error) {
	text, full := "", false
	if err != nil {
		text = err.Error()
		api := new(jetstream.APIError)
		if full = errors.As(err, &api) && (api.ErrorCode == noRoom || api.ErrorCode == noReservation); full {
			text = fmt.Sprintf("the disk has no room for site %s: %v; lower hub.max_bytes, remove the mirrors of sites that are gone, or give the hub a larger disk",
				s.name, err)
		}
	}
	s.mu.Lock()
	news := s.status.Error != text
	s.status.Error, s.status.Full = text, full
	s.mu.Unlock()
	if !news {
		return
	}
	e := schema.Event{Class: schema.ClassLink, Name: s.name, Kind: schema.KindControl, Reason: "mirror", State: "made"}
	if text != "" {
		e.State, e.Message = "refused", text
		s.log.Error("the site is not mirrored", "err", text)
	} else {
		s.log.Info("the site is mirrored")
	}
	s.hub.journal.Event(e)
}

// see takes over what the mirror knows of its link.
func (s *site) see(info *jetstream.StreamInfo) {
	now := s.hub.now()
	m := link(info)
	connected := m.Active >= 0 && m.Active < silence
	s.mu.Lock()
	news := s.status.Connected != connected
	if news {
		s.status.Connected, s.status.Since = connected, now
	}
	s.status.Lag, s.status.Behind = m.Lag, 0
	if (!connected || m.Lag > 0) && info.State.Msgs > 0 {
		s.status.Behind = max(now.Add(-s.clock).Sub(info.State.LastTime), 0)
	}
	s.status.CatchUp = 0
	if connected && m.Lag > 0 && !s.behind.IsZero() {
		s.status.CatchUp = now.Sub(s.behind)
	}
	st := s.status
	s.mu.Unlock()
	s.hub.metrics.set(st)
	switch {
	case !connected:
		s.behind = time.Time{}
	case m.Lag > 0:
		s.pace.eager = true
		if s.behind.IsZero() {
			s.behind = now
		}
	case m.Lag == 0 && !s.behind.IsZero():
		s.hub.metrics.catchUp.WithLabelValues(s.name).Set(now.Sub(s.behind).Seconds())
		s.behind = time.Time{}
	}
	if !news {
		return
	}
	e := schema.Event{Class: schema.ClassLink, Name: s.name, Kind: schema.KindState, State: "down", Reason: "silent"}
	if connected {
		e.State, e.Reason = "up", ""
		s.log.Info("site connected", "lag", m.Lag)
	} else {
		if m.Error != nil {
			e.Message = m.Error.Description
		}
		s.pace = pace{} // the line may be another one when it is back
		s.log.Warn("site not connected", "last_frame", info.State.LastTime, "err", e.Message)
	}
	s.hub.journal.Event(e)
}
