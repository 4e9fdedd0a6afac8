package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// listedMost is how many missing sequences a mirror is asked to list: each costs nine bytes and more of one answer, and an answer that a
	// connection cannot take ends it.
	listedMost = 1 << 16
	// toldMost is how many gaps are told one by one at a time.
	toldMost = 16
)

// run is a range of stream sequences, all of which are missing, or so many of them.
type run struct{ first, last, missing uint64 }

func whole(first, last uint64) run { return run{first, last, last - first + 1} }

// gaps is what is known of the holes of a mirror.
type gaps struct {
	asked   bool
	told    uint64 // stream sequence up to which gaps have been told
	last    uint64 // newest sequence of the mirror when it was last looked at, 0 where that is not known
	deleted int    // how many sequences were missing then
}

// tellGaps reports frames that the site had discarded before the mirror could take them: they are missing between those it has, or behind
// those it had. Up to where that was done before stands in the last event about it.
func (s *site) tellGaps(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo) error {
	g := &s.gaps
	if !g.asked {
		told, err := s.toldBefore(ctx, info)
		if err != nil {
			return err
		}
		g.told = told
		// Where too much is missing to be listed, all of it counts as told but for what is behind all that was told and all that was there:
		// what else was lost while the hub was down cannot be told from what was missing before, and is never told.
		if n := info.State.NumDeleted; n > listedMost {
			from, next, err := g.behind(ctx, stream, info)
			if err != nil {
				return err
			}
			g.deleted = n - int(next-from)
		}
		g.asked = true
	}
	known := s.tellPassed(ctx, info)
	if info.State.NumDeleted != g.deleted {
		holes, err := g.find(ctx, stream, info)
		if err != nil {
			return err
		}
		for _, r := range short(holes) {
			s.miss(ctx, info, r)
		}
		g.deleted = info.State.NumDeleted
	}
	if known {
		g.last = info.State.LastSeq
	}
	return nil
}

// tellPassed reports what a mirror has passed over while it was empty, as it is after an outage longer than the hub keeps frames: it begins
// behind that, and nothing shows as missing. It reports false where that is not known yet.
func (s *site) tellPassed(ctx context.Context, info *jetstream.StreamInfo) bool {
	g, first := &s.gaps, info.State.FirstSeq
	if from := max(g.last, g.told) + 1; info.Mirror != nil && g.last > 0 && first > from {
		to := first - 1
		if trimmed(info) {
			// What is not there may have come and gone. What the site no more had when its link came back cannot have come.
			if !s.reached || s.frames == nil {
				return false
			}
			to = min(to, max(s.frames.first, 1)-1)
		}
		if to >= from {
			s.miss(ctx, info, whole(from, to))
		}
	}
	return true
}

// trimmed reports whether the hub's own limits may have taken what was before the oldest frame of a mirror.
func trimmed(info *jetstream.StreamInfo) bool {
	c, now := info.Config, info.State
	return now.Msgs == 0 || c.MaxAge > 0 && time.Since(now.FirstTime) > c.MaxAge/10*9 || c.MaxBytes > 0 && now.Bytes > uint64(c.MaxBytes/10*9)
}

// behind finds the hole behind what was told and what the mirror had when it was last looked at: it begins at from, and what follows it, or
// would come next, is next. They are the same where there is none.
func (g *gaps) behind(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo) (from, next uint64, err error) {
	from = max(g.last+1, g.told+1, info.State.FirstSeq)
	next = max(info.State.LastSeq+1, from)
	m, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(">"))
	switch {
	case err == nil:
		next = min(next, m.Sequence)
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return from, from, fmt.Errorf("looking for what follows sequence %d: %w", from-1, err)
	}
	return from, next, nil
}

// find finds what a mirror lacks that has not been told. Where too much is missing to be listed, it is known how many frames more that are
// than at the last look, but not always where; and fewer where the hub's own limits have taken frames around an older hole since.
func (g *gaps) find(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo) (all []run, err error) {
	if info.State.NumDeleted <= listedMost {
		info, err := stream.Info(ctx, jetstream.WithDeletedDetails(true))
		if err != nil {
			return nil, fmt.Errorf("asking what is missing: %w", err)
		}
		news, _ := slices.BinarySearch(info.State.Deleted, g.told+1)
		return runs(info.State.Deleted[news:]), nil
	}
	from, next, err := g.behind(ctx, stream, info)
	if err != nil {
		return nil, err
	}
	if next > from {
		all = append(all, whole(from, next-1))
	}
	if more := info.State.NumDeleted - g.deleted - int(next-from); more > 0 {
		all = append(all, run{info.State.FirstSeq, info.State.LastSeq, uint64(more)})
	}
	return all, nil
}

// short leaves as many gaps as are told at a time, the last of which stands for all that follow.
func short(all []run) []run {
	if len(all) <= toldMost {
		return all
	}
	rest := run{first: all[toldMost-1].first, last: all[len(all)-1].last}
	for _, r := range all[toldMost-1:] {
		rest.missing += r.missing
	}
	return append(slices.Clip(all[:toldMost-1]), rest)
}

// miss tells of a gap of a mirror, once.
func (s *site) miss(ctx context.Context, mirror *jetstream.StreamInfo, r run) {
	s.tellGap(r, s.holds(ctx, mirror, r))
	s.gaps.told = max(s.gaps.told, r.last)
}

// holds reports whether the site still has what its mirror lacks, as far as the site answers.
func (s *site) holds(ctx context.Context, mirror *jetstream.StreamInfo, r run) bool {
	js, err := jetstream.NewWithAPIPrefix(s.hub.nc, schema.DomainAPI(s.name))
	if err != nil || mirror.Mirror == nil || s.frames == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	own, err := js.Stream(ctx, s.frames.name)
	return err == nil && own.CachedInfo().State.FirstSeq <= r.first && own.CachedInfo().State.LastSeq >= r.last
}

// tellGap tells of frames that the hub lacks: they left the site too early, or the hub had them and has lost them.
func (s *site) tellGap(r run, held bool) {
	e := schema.Event{Class: schema.ClassLink, Name: s.name, Kind: schema.KindGap, Reason: "aged_out", FirstSeq: r.first, LastSeq: r.last, Count: r.missing,
		Message: "stream sequences of FRAMES at the site, which they left before they could be mirrored"}
	if held {
		e.Reason = "lost"
		e.Message = "stream sequences of FRAMES at the site, which still has them: the hub has lost them, or someone has removed them there"
	}
	if r.missing < r.last-r.first+1 {
		e.Message += "; only so many as the count says, the others are there"
	}
	s.log.Warn("frames are missing in the mirror", "reason", e.Reason, "count", r.missing, "first_seq", r.first, "last_seq", r.last)
	s.hub.metrics.missed.WithLabelValues(s.name).Add(float64(r.missing))
	s.hub.journal.Event(e)
}

// toldBefore is the sequence up to which the last event since the mirror was made tells of its gaps. Where that event names none, or may be
// gone, as events are not kept for as long as frames may be, it is the newest that the mirror had at the start.
func (s *site) toldBefore(ctx context.Context, mirror *jetstream.StreamInfo) (uint64, error) {
	events, err := s.hub.js.Stream(ctx, schema.StreamEvents)
	if err != nil {
		return 0, fmt.Errorf("looking for stream %s: %w", schema.StreamEvents, err)
	}
	var e schema.Event
	m, err := events.GetLastMsgForSubject(ctx, schema.EventSubject(s.hub.config.Site, schema.ClassLink, s.name, schema.KindGap))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		if !events.CachedInfo().State.FirstTime.After(mirror.Created) {
			return 0, nil
		}
	case err != nil:
		return 0, fmt.Errorf("reading the gap that was told last: %w", err)
	case m.Time.Before(mirror.Created):
		return 0, nil
	default:
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return 0, fmt.Errorf("reading the gap that was told last: %w", err)
		}
	}
	return cmp.Or(e.LastSeq, s.gaps.last), nil
}

// runs joins ascending sequences to ranges.
func runs(seqs []uint64) []run {
	var all []run
	for _, seq := range seqs {
		switch n := len(all); {
		case n > 0 && all[n-1].last+1 == seq:
			all[n-1].last, all[n-1].missing = seq, all[n-1].missing+1
		default:
			all = append(all, whole(seq, seq))
		}
	}
	return all
}

// stood says how far the mirrors of an earlier run go, before what there is since then comes.
func (h *Hub) stood(ctx context.Context) (map[string]uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	last := map[string]uint64{}
	streams := h.js.ListStreams(ctx)
	for info := range streams.Info() {
		if name, ok := strings.CutPrefix(info.Config.Name, schema.MirrorStream(schema.StreamFrames, "")); ok {
			last[name] = info.State.LastSeq
		}
	}
	if err := streams.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, fmt.Errorf("listing the mirrors: %w", err)
	}
	return last, nil
}
