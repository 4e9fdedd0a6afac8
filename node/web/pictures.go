package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
)

// Headers of a frame that come beside those it is stored with.
const (
	headerStreamSeq  = "Stream-Sequence"
	headerStreamTime = "Stream-Time" // when the stream stored it
)

const (
	// widest is no bound of pictures, but of what is worth a look; the renderer has its own.
	widest = 8192
	// heldFor is how long a stored frame may be kept by whoever asked for it: it does not change.
	heldFor = "private, max-age=3600, immutable"
	// pictureWait bounds the making of one answer.
	pictureWait = 15 * time.Second
)

// snapshot is a camera's newest picture, or that of a moment.
func (s *Server) snapshot(w http.ResponseWriter, r *request) error {
	f, cam, err := s.archived(r)
	if err != nil {
		return err
	}
	q := queryOf(r, "width", "at")
	width, at := q.number("width", 0, 1, widest), q.moment("at")
	if q.err != nil {
		return q.err
	}
	ctx, cancel := context.WithTimeout(r.Context(), pictureWait)
	defer cancel()
	began := time.Now()
	frames, err := f.archive.Picture(ctx, cam, at)
	if err != nil {
		return missing(err)
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	if at.IsZero() {
		return s.latest(ctx, w, r, frames[0], width, began)
	}
	return s.picture(ctx, w, r, frames, width, began)
}

// latest answers with the picture of a camera's newest frame, or with what the renderer has of it meanwhile.
func (s *Server) latest(ctx context.Context, w http.ResponseWriter, r *request, frame *archive.Frame, width int, began time.Time) error {
	if holds(r.Header.Get("If-None-Match"), etag(frame, width)) {
		return s.shown(w, r, frame, nil, width, began)
	}
	latest, err := s.parts.Pictures.Newest(ctx, frame, width)
	if err != nil {
		return missing(err)
	}
	return s.shown(w, r, latest.Frame, latest.JPEG, width, began.Add(-latest.Debt))
}

// stored is one frame by its place in the stream: its body as it is, or a picture of it.
func (s *Server) stored(w http.ResponseWriter, r *request) error {
	f, cam, err := s.archived(r)
	if err != nil {
		return err
	}
	q := queryOf(r, "as", "width")
	width := q.number("width", 0, 1, widest)
	as := q.word("as", func(text string) bool { return text == "jpeg" },
		"only jpeg is made of a frame; leave it out for the body as it is stored")
	if q.err == nil && width != 0 && as == "" {
		q.refuse("width is for pictures; add as=jpeg")
	}
	if q.err != nil {
		return q.err
	}
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil || seq == 0 {
		return refusef(http.StatusNotFound, "%.60q is no stream sequence; GET /api/v1/cameras/%s/frames lists them",
			r.PathValue("seq"), r.PathValue("id"))
	}
	ctx, cancel := context.WithTimeout(r.Context(), pictureWait)
	defer cancel()
	began := time.Now()
	frame, err := f.archive.Frame(ctx, cam, seq)
	if err != nil {
		return missing(err)
	}
	h := w.Header()
	h.Set("Cache-Control", heldFor)
	if as == "" {
		describe(h, frame)
		h.Set("Etag", etag(frame, -1))
		return s.body(w, r, frame.Data)
	}
	frames, err := f.archive.Group(ctx, cam, frame)
	if err != nil {
		return missing(err)
	}
	return s.picture(ctx, w, r, frames, width, began)
}

// picture answers with the picture of the last of some frames, which lead to it.
func (s *Server) picture(ctx context.Context, w http.ResponseWriter, r *request, frames []*archive.Frame, width int,
	began time.Time) error {
	frame := frames[len(frames)-1]
	var jpeg []byte
	if !holds(r.Header.Get("If-None-Match"), etag(frame, width)) {
		var err error
		if jpeg, err = s.parts.Pictures.Still(ctx, archive.Bare(frames), width); err != nil {
			return missing(err)
		}
	}
	return s.shown(w, r, frame, jpeg, width, began)
}

// shown sends a frame's picture, which need not be there for whoever has it. Its cost is the time since began.
func (s *Server) shown(w http.ResponseWriter, r *request, frame *archive.Frame, jpeg []byte, width int, began time.Time) error {
	h := w.Header()
	h.Set("Etag", etag(frame, width))
	describe(h, frame)
	h.Set("Content-Type", schema.ContentJPEG)
	h.Set("Server-Timing", fmt.Sprintf("still;dur=%.1f", float64(time.Since(began).Microseconds())/1000))
	return s.body(w, r, jpeg)
}

// body sends bytes that have an Etag, unless whoever asks has them.
func (s *Server) body(w http.ResponseWriter, r *request, body []byte) error {
	h := w.Header()
	if holds(r.Header.Get("If-None-Match"), h.Get("Etag")) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	// Whoever has gone needs no answer.
	_, _ = w.Write(body)
	return nil
}

// etag names a picture of a frame, or with -1 the frame itself.
func etag(f *archive.Frame, width int) string { return fmt.Sprintf(`"%s-%d"`, f.ID(), width) }

// holds reports whether If-None-Match names a tag.
func holds(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// describe sets the headers of a frame.
func describe(h http.Header, f *archive.Frame) {
	f.EachHeader(h.Set)
	h.Set(headerStreamSeq, strconv.FormatUint(f.Stream, 10))
	h.Set(headerStreamTime, f.Stored.UTC().Format(time.RFC3339Nano))
}

// archived is what a request about a camera's stored frames goes on with.
func (s *Server) archived(r *request) (*floor, archive.Camera, error) {
	f, err := s.ground()
	if err != nil {
		return nil, archive.Camera{}, err
	}
	site, id, err := s.cameraNamed(r.PathValue("id"))
	return f, archive.Camera{Site: site, ID: id}, err
}

// missing is the fault for an error of the archive or the renderer.
func missing(err error) error {
	status, remedy := 0, ""
	switch {
	case errors.Is(err, archive.ErrFuture):
		status, remedy = http.StatusBadRequest, "ask for one that has been, in UTC or with a time zone"
	case errors.Is(err, archive.ErrGone):
		status, remedy = http.StatusGone, "stream.max_age and stream.max_bytes say how long frames are held"
	case errors.Is(err, archive.ErrNone), errors.Is(err, archive.ErrNoSite), errors.Is(err, archive.ErrForeign):
		status, remedy = http.StatusNotFound, "GET /api/v1/cameras lists cameras, and each of them tells what is held"
	case errors.Is(err, archive.ErrNoKeyframe), errors.Is(err, render.ErrEmpty):
		status, remedy = http.StatusNotFound, "ask for a later moment, or a longer span"
	case errors.Is(err, render.ErrNoPicture):
		status, remedy = http.StatusUnprocessableEntity, "ask for another frame"
	case errors.Is(err, render.ErrWidth):
		status, remedy = http.StatusBadRequest, "leave width out for the picture as it is"
	case errors.Is(err, render.ErrBusy):
		return busyf(http.StatusServiceUnavailable, time.Second, "%s", err)
	default:
		return err
	}
	return refusef(status, "%s; %s", err, remedy)
}
