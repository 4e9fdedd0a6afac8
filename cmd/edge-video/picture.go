package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/node/render"
	"github.com/edge-video/edge-video/schema"
)

// snapshotRequest asks for a picture of a camera. An empty request is for the newest as it is.
type snapshotRequest struct {
	At    time.Time `json:"at,omitzero"`     // the newest picture that was captured by then
	Width int       `json:"width,omitempty"` // made smaller to that many pixels
}

// headerStream is the sequence in the stream of the frame that a snapshot shows.
const headerStream = "Stream-Sequence"

// snapshot answers with a JPEG and the headers of the frame that it shows.
func (c *control) snapshot(ctx context.Context, r micro.Request) {
	tokens := strings.Split(r.Subject(), ".")
	cam := archive.Camera{Site: tokens[2], ID: tokens[3]}
	var request snapshotRequest
	if len(r.Data()) > 0 {
		if err := json.Unmarshal(r.Data(), &request); err != nil {
			c.refuse(r, "400", fmt.Errorf(`reading the request: %w; it is empty, or JSON as in {"width": 640}`, err))
			return
		}
	}
	shown, jpeg, err := c.pictureOf(ctx, cam, request)
	if err != nil {
		c.refuse(r, statusOf(err), err)
		return
	}
	if most := int(c.nc.MaxPayload()) - 1024; len(jpeg) > most {
		c.refuse(r, "413", fmt.Errorf("the picture has %d bytes, more than the %d of a message; give a width", len(jpeg), most))
		return
	}
	c.sent(r.Respond(jpeg, micro.WithHeaders(snapshotHeaders(shown))))
}

// pictureOf is a camera's picture, and the frame that it shows.
func (c *control) pictureOf(ctx context.Context, cam archive.Camera, r snapshotRequest) (*archive.Frame, []byte, error) {
	frames, err := c.archive.Picture(ctx, cam, r.At)
	if err != nil {
		return nil, nil, err
	}
	shown := frames[len(frames)-1]
	if r.At.IsZero() {
		latest, err := c.app.render.Newest(ctx, shown, r.Width)
		if err != nil {
			return nil, nil, err
		}
		return latest.Frame, latest.JPEG, nil
	}
	jpeg, err := c.app.render.Still(ctx, archive.Bare(frames), r.Width)
	return shown, jpeg, err
}

// snapshotHeaders are those of a frame, as far as they hold for its picture.
func snapshotHeaders(f *archive.Frame) micro.Headers {
	h := micro.Headers(f.Header())
	delete(h, schema.HeaderMsgID)
	h[schema.HeaderContentType] = []string{schema.ContentJPEG}
	h[headerStream] = []string{strconv.FormatUint(f.Stream, 10)}
	return h
}

// statusOf is the code that a picture's error is answered with.
func statusOf(err error) string {
	switch {
	case errors.Is(err, archive.ErrGone):
		return "410"
	case errors.Is(err, archive.ErrNone), errors.Is(err, archive.ErrNoSite), errors.Is(err, archive.ErrForeign),
		errors.Is(err, archive.ErrNoKeyframe):
		return "404"
	case errors.Is(err, archive.ErrFuture), errors.Is(err, render.ErrWidth):
		return "400"
	case errors.Is(err, render.ErrNoPicture):
		return "422"
	}
	return "503"
}
