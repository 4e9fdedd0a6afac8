package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/edge-video/edge-video/node/render"
)

const (
	// indexSpan is the span of an index that does not say from when.
	indexSpan = time.Minute
	// indexLimit is how many frames an index has where it does not say, indexMost at most.
	indexLimit = 500
	indexMost  = 2000
	// indexWait bounds the making of one.
	indexWait = 20 * time.Second
	// everyMost is the longest distance between frames that can be asked for.
	everyMost = 24 * time.Hour
)

// Entry is a frame of an index.
type Entry struct {
	StreamSeq   uint64    `json:"stream_seq"`
	Captured    time.Time `json:"captured"`
	Epoch       int64     `json:"epoch"`
	Seq         uint64    `json:"seq"`
	Bytes       int       `json:"bytes"`
	ContentType string    `json:"content_type"`
	Width       int       `json:"width"`
	Height      int       `json:"height"`
	Keyframe    bool      `json:"keyframe"`
}

// frames lists frames of a span without their pictures.
func (s *Server) frames(w http.ResponseWriter, r *request) error {
	f, cam, err := s.archived(r)
	if err != nil {
		return err
	}
	q := queryOf(r, "from", "to", "every", "limit", "cursor")
	from, to := q.past(indexSpan)
	if cursor := q.moment("cursor"); !cursor.IsZero() {
		if cursor.Before(from) || cursor.After(to) {
			q.refuse("cursor is %.60q, which is not within from and to; give what next was, with the same span", q.text("cursor"))
		}
		from = cursor
	}
	every, limit := q.seconds("every", everyMost), q.number("limit", indexLimit, 1, indexMost)
	if q.err != nil {
		return q.err
	}
	ctx, cancel := context.WithTimeout(r.Context(), indexWait)
	defer cancel()
	entries, next, err := f.archive.Index(ctx, cam, from, to, every, limit)
	if err != nil {
		return missing(err)
	}
	out := struct {
		Frames []Entry    `json:"frames"`
		Next   *time.Time `json:"next"` // the cursor to go on with, null at the end
	}{Frames: make([]Entry, 0, len(entries))}
	for _, e := range entries {
		out.Frames = append(out.Frames, Entry{StreamSeq: e.Stream, Captured: e.Captured.UTC(), Epoch: e.Epoch, Seq: e.Seq, Bytes: e.Bytes,
			ContentType: e.ContentType, Width: e.Width, Height: e.Height, Keyframe: e.Keyframe})
	}
	if !next.IsZero() {
		out.Next = &next
	}
	return answer(w, out)
}

// past is a span from and to that has begun. Without to it ends now, without from it is that long.
func (q *query) past(missing time.Duration) (from, to time.Time) {
	from, to = q.span()
	now := time.Now().UTC()
	if to.IsZero() || to.After(now) {
		to = now
	}
	if from.IsZero() {
		from = to.Add(-missing)
	}
	if from.After(to) {
		q.refuse("from is %s, which is in the future; it is %s now", from.UTC().Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return from, to
}

// seconds is a time span, 0 where none is given.
func (q *query) seconds(name string, most time.Duration) time.Duration {
	text := q.text(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= most.Seconds()) {
		q.refuse("%s is %.60q, not a number of seconds from 0 to %.0f", name, text, most.Seconds())
		return 0
	}
	return time.Duration(n * float64(time.Second))
}

// clip sends a span as a film, while it is made.
func (s *Server) clip(format render.Format) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		if r.PathValue("id") == "" {
			return s.clipOf(format, w, r, "camera", "from", "to")
		}
		return s.clipOf(format, w, r, "from", "to")
	}
}

func (s *Server) clipOf(format render.Format, w http.ResponseWriter, r *request, known ...string) error {
	q := queryOf(r, known...)
	from, to := q.past(0)
	switch {
	case q.text("from") == "" || q.text("to") == "":
		q.refuse("from and to are missing; a clip takes both, as in from=2026-11-23T07:44:05Z")
	case to.Sub(from) > render.LongestClip:
		q.refuse("from and to are %s apart; a clip has at most %s", to.Sub(from).Round(time.Second), render.LongestClip)
	case r.PathValue("id") == "" && q.text("camera") == "":
		q.refuse("camera is missing; give its id, as in camera=dock-1")
	}
	if q.err != nil {
		return q.err
	}
	if camera := q.text("camera"); camera != "" {
		r.SetPathValue("id", camera)
	}
	f, cam, err := s.archived(r)
	if err != nil {
		return err
	}
	if _, err := f.archive.Newest(r.Context(), cam); err != nil {
		return missing(err)
	}
	name := cam.ID + "_" + from.UTC().Format("20060102T150405Z") + "." + string(format)
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	out, leave, err := s.flow(w, r, format.ContentType())
	if err != nil || out == nil {
		return err
	}
	defer leave()
	sent := &counted{out: out}
	err = s.parts.Pictures.Clip(r.Context(), sent, format, f.archive.Film(r.Context(), cam, from, to))
	switch {
	case err == nil || errors.Is(err, render.ErrCut):
		return nil
	case sent.n == 0:
		return missing(err)
	}
	if r.Context().Err() == nil {
		s.log.Warn("a clip ends early", "camera", cam, "err", err)
	}
	out.cut()
	return nil
}

// counted is what has been sent.
type counted struct {
	out *outflow
	n   int
}

// Write implements [io.Writer].
func (c *counted) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), c.out.write(p)
}
