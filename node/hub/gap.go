package hub

import (
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
	holes   []run  // those told of that are in the mirror still
}

// within forgets holes that the hub's own limits have taken with what was around them.
func (g *gaps) within(first uint64) {
	g.holes = slices.DeleteFunc(g.holes, func(r run) bool { return r.last < first })
}

// tellGaps reports frames that the site had discarded before the mirror could take them: they are missing between those it has, or behind
// those it had. What has been reported before stands in the events about it.
func (s *site) tellGaps(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo) error {
	g := &s.gaps
	if !g.asked {
		holes, err := s.toldBefore(ctx, info.Created)
		if err != nil {
			return err
		}
		g.asked, g.holes = true, holes
		for _, r := range holes {
			g.told = max(g.told, r.last)
		}
	}
	before := g.last
	s.tellPassed(ctx, info)
	g.within(info.State.FirstSeq)
	if info.State.NumDeleted == g.deleted {
		return nil
	}
	holes, err := g.find(ctx, stream, info, before)
	if err != nil {
		return err
	}
	for _, r := range short(holes) {
		s.miss(ctx, info, r)
	}
	g.deleted = info.State.NumDeleted
	return nil
}

// tellPassed reports what a mirror has passed over while it was empty, as it is after an outage longer than the hub keeps frames: it begins
// behind that, and nothing shows as missing.
func (s *site) tellPassed(ctx context.Context, info *jetstream.StreamInfo) {
	g, first := &s.gaps, info.State.FirstSeq
	if from := max(g.last, g.told) + 1; info.Mirror != nil && g.last > 0 && first > from {
		to := first - 1
		if trimmed(info) {
			// What is not there may have come and gone. What the site no more had when its link came back cannot have come.
			if !s.reached || s.frames == nil {
				return
			}
			to = min(to, max(s.frames.first, 1)-1)
		}
		if to >= from {
			s.miss(ctx, info, whole(from, to))
		}
	}
	g.last = info.State.LastSeq
}

// trimmed reports whether the hub's own limits may have taken what was before the oldest frame of a mirror.
func trimmed(info *jetstream.StreamInfo) bool {
	c, now := info.Config, info.State
	return now.Msgs == 0 || c.MaxAge > 0 && time.Since(now.FirstTime) > c.MaxAge/10*9 || c.MaxBytes > 0 && now.Bytes > uint64(c.MaxBytes/10*9)
}

// find finds what a mirror lacks that has not been told, of which it had the sequences up to before when it was last looked at. Where too
// much is missing to be listed, it is known how many frames more that are than before, but not always where.
func (g *gaps) find(ctx context.Context, stream jetstream.Stream, info *jetstream.StreamInfo, before uint64) ([]run, error) {
	if info.State.NumDeleted <= listedMost {
		info, err := stream.Info(ctx, jetstream.WithDeletedDetails(true))
		if err != nil {
			return nil, fmt.Errorf("asking what is missing: %w", err)
		}
		news, _ := slices.BinarySearch(info.State.Deleted, g.told+1)
		g.holes = runs(info.State.Deleted[:news])
		return runs(info.State.Deleted[news:]), nil
	}
	more := uint64(info.State.NumDeleted)
	for _, r := range g.holes {
		more -= min(more, r.missing)
	}
	if more == 0 {
		return nil, nil
	}
	first, last := info.State.FirstSeq, info.State.LastSeq
	from, next := max(before+1, g.told+1, first), last+1
	m, err := stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(">"))
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, fmt.Errorf("looking for what follows sequence %d: %w", from-1, err)
	}
	if err == nil {
		next = min(next, m.Sequence)
	}
	var all []run
	if next > from && next-from <= more {
		all = append(all, whole(from, next-1))
		more -= next - from
		from = next
	}
	switch {
	case more == 0:
	case last >= from && more <= last-from:
		all = append(all, run{from, last, more})
	default:
		all = append(all, run{first, last, more})
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
	s.gaps.holes = append(s.gaps.holes, r)
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

// toldBefore are the gaps that events tell of, since the mirror was made.
func (s *site) toldBefore(ctx context.Context, made time.Time) ([]run, error) {
	events, err := s.hub.js.Stream(ctx, schema.StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("looking for stream %s: %w", schema.StreamEvents, err)
	}
	subject := jetstream.WithGetMsgSubject(schema.EventSubject(s.hub.config.Site, schema.ClassLink, s.name, schema.KindGap))
	var all []run
	for seq := uint64(1); ; {
		m, err := events.GetMsg(ctx, seq, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the gaps that were told: %w", err)
		}
		var e schema.Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return nil, fmt.Errorf("reading the gaps that were told: %w", err)
		}
		if e.LastSeq > 0 && m.Time.After(made) {
			all = append(all, run{e.FirstSeq, e.LastSeq, e.Count})
		}
		seq = m.Sequence + 1
	}
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
func (h *Hub) stood(ctx context.Context) map[string]uint64 {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	last := map[string]uint64{}
	streams := h.js.ListStreams(ctx)
	for info := range streams.Info() {
		if name, ok := strings.CutPrefix(info.Config.Name, schema.MirrorStream(schema.StreamFrames, "")); ok {
			last[name] = info.State.LastSeq
		}
	}
	if err := streams.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		h.log.Debug("looking at the mirrors", "err", err)
	}
	return last
}
