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

// Stream is what a stream holds.
type Stream struct {
	Name      string     `json:"name"`
	Site      string     `json:"site"` // whose messages it holds
	Subjects  []string   `json:"subjects"`
	Messages  uint64     `json:"messages"`
	Bytes     uint64     `json:"bytes"`
	MaxBytes  int64      `json:"max_bytes"`       // -1 is no bound
	MaxAge    float64    `json:"max_age_seconds"` // 0 is no bound
	FirstSeq  uint64     `json:"first_seq"`
	LastSeq   uint64     `json:"last_seq"`
	FirstTime *time.Time `json:"first_time"` // when the oldest was stored; null where there is nothing
	LastTime  *time.Time `json:"last_time"`
	Consumers int        `json:"consumers"`
}

func (s *Server) listStreams(w http.ResponseWriter, r *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	all, err := s.streamList(r.Context(), f.js)
	if err != nil {
		return err
	}
	return answer(w, all)
}

// streamList is the streams of the site, and at a hub those of others.
func (s *Server) streamList(ctx context.Context, js jetstream.JetStream) ([]Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	all := []Stream{}
	list := js.ListStreams(ctx)
	for info := range list.Info() {
		site, ok := s.siteOf(info.Config.Name)
		if !ok {
			continue
		}
		state := info.State
		st := Stream{Name: info.Config.Name, Site: site, Subjects: append([]string{}, info.Config.Subjects...), Messages: state.Msgs,
			Bytes: state.Bytes, MaxBytes: info.Config.MaxBytes, MaxAge: info.Config.MaxAge.Seconds(), FirstSeq: state.FirstSeq,
			LastSeq: state.LastSeq, Consumers: state.Consumers}
		if state.Msgs > 0 {
			st.FirstTime, st.LastTime = &state.FirstTime, &state.LastTime
		}
		all = append(all, st)
	}
	if err := list.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, fmt.Errorf("listing streams: %w", err)
	}
	slices.SortFunc(all, func(a, b Stream) int { return cmp.Or(strings.Compare(a.Site, b.Site), strings.Compare(a.Name, b.Name)) })
	return all, nil
}

// siteOf is the site whose messages a stream holds; ok is false for one that is not ours.
func (s *Server) siteOf(stream string) (site string, ok bool) {
	own := []string{schema.StreamFrames, schema.StreamEvents, schema.StreamDead, schema.StreamStored, schema.StreamUplink}
	if slices.Contains(own, stream) {
		return s.config.Site, true
	}
	kind, site, ok := strings.Cut(stream, "_")
	return site, ok && s.config.Hub && schema.ValidSite(site) && (kind == schema.StreamFrames || kind == schema.StreamEvents)
}
