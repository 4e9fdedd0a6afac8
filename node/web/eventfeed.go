package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/schema"
)

// feedPeriod is how often a hub is looked at for events of further sites.
const feedPeriod = 5 * time.Second

// listen tells those who watch what happens.
func (s *Server) listen(ctx context.Context, f *floor) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		heard := map[string]bool{}
		for ctx.Err() == nil {
			streams, err := s.eventStreams(ctx, f.js, "")
			if err != nil && ctx.Err() == nil {
				s.log.Debug("looking for events", "err", err)
			}
			for _, name := range streams {
				if heard[name] {
					continue
				}
				heard[name] = true
				g.Go(func() error {
					s.hear(ctx, f, name)
					return nil
				})
			}
			pause(ctx, feedPeriod)
		}
		return nil
	})
	return g.Wait()
}

// hear tells what happens in one stream until ctx ends.
func (s *Server) hear(ctx context.Context, f *floor, stream string) {
	for after := uint64(0); ctx.Err() == nil; pause(ctx, retryPause) {
		err := s.each(ctx, f.js, stream, choice{}, after, func(e Event) error {
			after = e.StreamSeq
			body, err := json.Marshal(e)
			if err != nil {
				return fmt.Errorf("encoding an event: %w", err)
			}
			f.board.happened(news{kind: "event", body: body})
			return nil
		})
		if err != nil && ctx.Err() == nil {
			s.log.Debug("listening to events", "stream", stream, "err", err)
		}
	}
}

// each calls take for the chosen events of a stream behind a stream sequence, those to come alone where that is 0, until ctx ends or take
// fails.
func (s *Server) each(ctx context.Context, js jetstream.JetStream, stream string, c choice, after uint64, take func(Event) error) error {
	config := jetstream.OrderedConsumerConfig{FilterSubjects: []string{c.subject(s.siteIn(stream))}, DeliverPolicy: jetstream.DeliverNewPolicy}
	if after > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, after+1
	}
	opening, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	messages, _, err := s.open(opening, js, stream, config)
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", stream, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("reading stream %s: %w", stream, err)
		}
		e, err := schema.DecodeEvent(m.Data())
		if err != nil || !c.from.IsZero() && e.Time.Before(c.from) || !c.to.IsZero() && e.Time.After(c.to) {
			continue
		}
		if err := take(Event{*e, stream, meta.Sequence.Stream}); err != nil {
			return err
		}
	}
}

// tellEvents tells events as they come, and before them those that a viewer who comes again has missed.
func (s *Server) tellEvents(w http.ResponseWriter, r *request, f *floor, c choice, streams []string) error {
	place, err := parsePlace(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	out, leave, err := s.flow(w, r, "text/event-stream")
	if err != nil || out == nil {
		return err
	}
	defer leave()
	if err := out.beat(); err != nil {
		return nil
	}
	g, ctx := errgroup.WithContext(r.Context())
	coming := make(chan Event) // whoever is slow reads slowly: the stream keeps what is to come
	for _, name := range streams {
		after := place[name]
		g.Go(func() error {
			return s.each(ctx, f.js, name, c, after, func(e Event) error {
				select {
				case coming <- e:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		})
	}
	g.Go(func() error {
		beat := time.NewTicker(s.times.heartbeat)
		defer beat.Stop()
		for {
			var err error
			select {
			case <-ctx.Done():
				return ctx.Err()
			case e := <-coming:
				place[e.Stream] = e.StreamSeq
				var body []byte
				if body, err = json.Marshal(e); err == nil {
					err = out.send(news{kind: "event", id: place.String(), body: body})
				}
			case <-beat.C:
				err = out.beat()
			}
			if err != nil {
				return err
			}
		}
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Debug("telling events over HTTP", "err", err)
	}
	return nil
}

// place is how far a viewer has got: the last stream sequence of each stream.
type place map[string]uint64

// String is the id of an event, from which [parsePlace] makes the place again: the stream sequence alone at a site.
func (p place) String() string {
	if seq, ok := p[schema.StreamEvents]; ok && len(p) == 1 {
		return strconv.FormatUint(seq, 10)
	}
	parts := make([]string, 0, len(p))
	for _, stream := range slices.Sorted(maps.Keys(p)) {
		parts = append(parts, stream+":"+strconv.FormatUint(p[stream], 10))
	}
	return strings.Join(parts, ",")
}

func parsePlace(id string) (place, error) {
	p := place{}
	if id == "" {
		return p, nil
	}
	for part := range strings.SplitSeq(id, ",") {
		stream, text, ok := strings.Cut(part, ":")
		if !ok {
			stream, text = schema.StreamEvents, part
		}
		seq, err := strconv.ParseUint(text, 10, 63)
		if err != nil || len(p) >= 1000 {
			return nil, refusef(http.StatusBadRequest, "Last-Event-ID is %.60q, not the id of an event from here; leave it out", id)
		}
		p[stream] = seq
	}
	return p, nil
}
