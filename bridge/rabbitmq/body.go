package rabbitmq

import (
	"fmt"
	"strings"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Body is what the body of each message is. All but the first are those of earlier versions of edge-video, field by field.
type Body string

// Bodies.
const (
	BodyPicture  Body = "picture"  // the frame's picture; "" is the same
	BodyKey      Body = "key"      // of a frame with Kept: its key as text, which expires with the picture
	BodyMetadata Body = "metadata" // the same as JSON, event type frame
	BodyStatus   Body = "status"   // of a frame that is an event: JSON, event type camera_status or system_status
)

const (
	contentText = "text/plain"
	contentJSON = "application/json"

	// headerCamera and headerKey are names that consumers of edge-video have always known.
	headerCamera = "camera_id"
	headerKey    = "redis_key"
)

func (b Body) known() bool {
	switch b {
	case "", BodyPicture, BodyKey, BodyMetadata, BodyStatus:
		return true
	}
	return false
}

// content is what a frame comes to.
type content struct {
	kind   string // content type
	body   []byte
	suffix string        // of the routing key
	ttl    time.Duration // 0 is for ever
}

// content makes a frame's message. A frame that is none of the kind is rejected.
func (b Body) content(f *schema.Frame) (c content, err error) {
	switch {
	case b == BodyStatus:
		c.kind = contentJSON
		c.body, c.suffix, err = status(f.Data)
	case b != BodyKey && b != BodyMetadata:
		c.kind, c.body = f.ContentType, f.Data
	case f.Kept == nil:
		err = fmt.Errorf("nothing says where the picture is kept")
	case b == BodyKey:
		c = content{kind: contentText, body: []byte(f.Kept.Key), ttl: f.Kept.TTL}
	default:
		c.kind = contentJSON
		c.body, err = metadata(f)
	}
	if err != nil {
		return c, fmt.Errorf("%w: %w", bridge.ErrRejected, err)
	}
	return c, nil
}

// header fills in what goes with it. An event has no headers.
func (p *publisher) header(f *schema.Frame) {
	clear(p.headers)
	b := p.sink.cfg.Body
	if b == BodyStatus {
		p.id = f.ID()
		return
	}
	p.headers[headerCamera] = f.Camera
	if b == BodyKey {
		p.headers[headerKey] = f.Kept.Key
	}
	f.EachHeader(p.add)
}

// encoding is a picture's, as in jpeg.
func encoding(f *schema.Frame) string {
	return f.ContentType[strings.IndexByte(f.ContentType, '/')+1:]
}
