// Package telling says in one line of text what the body of a message in a node's streams and buckets is: for people at a terminal, who
// would else see a picture's bytes.
package telling

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
)

// MaxBytes is the longest body that is looked into, far above the largest frame.
const MaxBytes = 128 << 20

// Line says in one line what the body of a message is.
func Line(body []byte) string {
	switch {
	case len(body) == 0:
		return "empty"
	case len(body) > MaxBytes:
		return fmt.Sprintf("more than %d bytes, which no frame is", MaxBytes)
	}
	picture, err := camera.Identify(asSent(body))
	switch {
	case !errors.Is(err, camera.ErrNoPicture):
		return ofPicture(asSent(body), picture, err)
	case json.Valid(body):
		return ofJSON(body)
	case utf8.Valid(body):
		return plain(string(body))
	}
	return err.Error() + ", " + measure(body)
}

// asSent takes off the ends of line that the nats CLI puts behind a picture when it writes one raw.
func asSent(body []byte) []byte {
	if bare := bytes.TrimRight(body, "\n"); bytes.HasSuffix(bare, []byte{0xFF, 0xD9}) {
		return bare
	}
	return body
}

func ofPicture(body []byte, p camera.Picture, err error) string {
	kind := map[string]string{schema.ContentJPEG: "JPEG", schema.ContentH264: "H.264", schema.ContentH265: "H.265"}[p.ContentType]
	switch {
	case p.Keyframe:
		kind += " keyframe"
	case p.ContentType != schema.ContentJPEG:
		kind += " picture that needs those since its keyframe"
	}
	parts := []string{kind}
	if p.Width > 0 {
		parts = append(parts, fmt.Sprintf("%dx%d", p.Width, p.Height), fmt.Sprintf("%.2f megapixels", float64(p.Width)*float64(p.Height)/1e6))
	}
	parts = append(parts, measure(body))
	if err != nil {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, ", ")
}

// measure is the length of a body, and the beginning of what sha256sum says of it.
func measure(body []byte) string {
	return fmt.Sprintf("%d bytes, sha256 %.8x", len(body), sha256.Sum256(body))
}
