package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// readBytes bounds what a consumer of events has under way.
	readBytes = 1 << 20
	// eventsLimit is how many events one answer has where it does not say, eventsBound at most.
	eventsLimit = 100
	eventsBound = 1000
	// firstWindow is how many of the newest messages are looked at first; each further look is four times as far back.
	firstWindow = 512
)

// Event is one with its place.
type Event struct {
	schema.Event
	Stream    string `json:"stream"`
	StreamSeq uint64 `json:"stream_seq"`
}

// choice is which events are asked for; "" is all.
type choice struct {
	site, class, name, kind string
	from, to                time.Time
}

// subject is the filter of the stream.
func (c choice) subject(site string) string {
	any := func(s string) string { return cmp.Or(s, "*") }
	return "events." + any(cmp.Or(c.site, site)) + "." + any(c.class) + "." + any(c.name) + "." + any(c.kind)
}

func token(s string) bool { return schema.ValidName(s) }

func (s *Server) events(w http.ResponseWriter, r *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	q := queryOf(r, "from", "to", "limit", "site", "class", "name", "kind")
	const form = "use A-Z a-z 0-9 _ -"
	c := choice{site: q.word("site", schema.ValidSite, form), class: q.word("class", token, form), name: q.word("name", token, form),
		kind: q.word("kind", token, form)}
	c.from, c.to = q.span()
	limit := q.number("limit", eventsLimit, 1, eventsBound)
	if q.err != nil {
		return q.err
	}
	streams, err := s.eventStreams(r.Context(), f.js, c.site)
	if err != nil {
		return err
	}
	if wantsStream(r) {
		return s.tellEvents(w, r, f, c, streams)
	}
	all := []Event{}
	for _, name := range streams {
		some, err := s.newest(r.Context(), f.js, name, c, limit)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b Event) int { return b.Time.Compare(a.Time) })
	return answer(w, all[:min(limit, len(all))])
}

func wantsStream(r *request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// eventStreams names the streams that hold events, of one site where it is given.
func (s *Server) eventStreams(ctx context.Context, js jetstream.JetStream, of string) ([]string, error) {
	if !s.config.Hub {
		return []string{schema.StreamEvents}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var names []string
	list := js.StreamNames(ctx)
	for name := range list.Name() {
		if site, ok := s.siteOf(name); ok && strings.HasPrefix(name, schema.StreamEvents) && (of == "" || of == site) {
			names = append(names, name)
		}
	}
	if err := list.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, fmt.Errorf("listing streams: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// newest are the newest events of a stream, looked for ever further back.
func (s *Server) newest(ctx context.Context, js jetstream.JetStream, stream string, c choice, limit int) ([]Event, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	st, err := js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("looking for stream %s: %w", stream, err)
	}
	state := st.CachedInfo().State
	if state.Msgs == 0 {
		return nil, nil
	}
	var found []Event
	for window, end := uint64(firstWindow), state.LastSeq+1; end > state.FirstSeq && len(found) < limit; window *= 4 {
		start := max(state.FirstSeq, end-min(end, window))
		some, over, err := s.readEvents(ctx, js, stream, c, start, end)
		if err != nil {
			return nil, err
		}
		slices.Reverse(some)
		found = append(found, some...)
		if over {
			break
		}
		end = start
	}
	return found[:min(limit, len(found))], nil
}

// readEvents reads the events from one stream sequence to before another. over reports that older ones are before the span asked for.
func (s *Server) readEvents(ctx context.Context, js jetstream.JetStream, stream string, c choice,
	start, end uint64) (some []Event, over bool, err error) {
	messages, pending, err := s.open(ctx, js, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{c.subject(s.siteIn(stream))},
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: start})
	if err != nil {
		return nil, false, err
	}
	defer messages.Stop()
	if pending == 0 {
		return nil, false, nil
	}
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, false, fmt.Errorf("reading stream %s: %w", stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return nil, false, fmt.Errorf("reading stream %s: %w", stream, err)
		}
		if meta.Sequence.Stream >= end {
			return some, over, nil
		}
		if e, err := schema.DecodeEvent(m.Data()); err == nil {
			switch {
			case !c.from.IsZero() && e.Time.Before(c.from):
				over = true
			case c.to.IsZero() || !e.Time.After(c.to):
				some = append(some, Event{*e, stream, meta.Sequence.Stream})
			}
		}
		if meta.NumPending == 0 {
			return some, over, nil
		}
	}
}

// siteIn is the site of the events that a stream holds.
func (s *Server) siteIn(stream string) string {
	site, _ := s.siteOf(stream)
	return site
}

// open reads a stream in order. The caller stops it. pending is how much there is at the moment.
func (s *Server) open(ctx context.Context, js jetstream.JetStream, stream string,
	config jetstream.OrderedConsumerConfig) (jetstream.MessagesContext, uint64, error) {
	consumer, err := js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return nil, 0, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	pending := consumer.CachedInfo().NumPending
	messages, err := consumer.Messages(jetstream.PullMaxBytes(readBytes))
	if err != nil {
		return nil, 0, fmt.Errorf("reading stream %s: %w", stream, err)
	}
	return messages, pending, nil
}
