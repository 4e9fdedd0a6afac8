package telling

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/schema"
)

// ofJSON tells the values of events, states and references from one another by the keys that only they have.
func ofJSON(body []byte) string {
	var has map[string]json.RawMessage
	if json.Unmarshal(body, &has) != nil {
		return plain(string(body))
	}
	holds := func(keys ...string) bool {
		for _, k := range keys {
			if _, ok := has[k]; !ok {
				return false
			}
		}
		return true
	}
	var text string
	switch {
	case holds("subject", "data"), holds("Subject", "Data"):
		text = ofMessage(body)
	case holds("class", "kind", "name"):
		text = ofEvent(body)
	case holds("state", "since", "last_seq"):
		text = ofCamera(body)
	case holds("state", "since", "pending"):
		text = ofBridge(body)
	case holds("key", "captured"):
		text = ofStored(body)
	}
	return cmp.Or(text, plain(string(body)))
}

// ofMessage is about a message as the nats CLI writes it with --json or --dump. "" is for what is none, here and in what follows.
func ofMessage(body []byte) string {
	var m struct {
		Subject string      `json:"subject"`
		Seq     uint64      `json:"seq"`
		Encoded []byte      `json:"hdrs"`   // --json
		Header  nats.Header `json:"header"` // --dump
		Data    []byte      `json:"data"`
		Time    time.Time   `json:"time"`
	}
	if json.Unmarshal(body, &m) != nil {
		return ""
	}
	text := plain(m.Subject)
	if m.Seq > 0 {
		text += " " + strconv.FormatUint(m.Seq, 10)
	}
	if header, err := nats.DecodeHeadersMsg(m.Encoded); err == nil {
		m.Header = header
	}
	if f, err := schema.Decode(m.Subject, m.Header, m.Data); err == nil {
		text += fmt.Sprintf(", frame %d.%d, captured %s by %s", f.Epoch, f.Seq, f.Captured.Format(schema.CapturedLayout), f.Node)
	}
	if !m.Time.IsZero() {
		text += ", stored " + m.Time.UTC().Format(time.RFC3339Nano)
	}
	inner := m.Data
	if json.Valid(inner) {
		return text + ": " + plain(string(inner)) // told apart once, not as often as messages stand in messages
	}
	return text + ": " + Line(inner)
}

func ofEvent(body []byte) string {
	e, err := schema.DecodeEvent(body)
	if err != nil {
		return ""
	}
	text := fmt.Sprintf("%s %s %s of %s: %s", e.Time.UTC().Format(time.RFC3339Nano), plain(string(e.Class)), e.Name, e.Site, plain(string(e.Kind)))
	for _, part := range []string{e.State, e.Reason} {
		if part != "" {
			text += " " + plain(part)
		}
	}
	if e.Count > 0 {
		text += fmt.Sprintf(", count %d", e.Count)
	}
	if e.FirstSeq > 0 {
		text += fmt.Sprintf(", frames %d.%d to %d", e.Epoch, e.FirstSeq, max(e.FirstSeq, e.LastSeq))
	}
	if e.Width > 0 {
		text += fmt.Sprintf(", %dx%d", e.Width, e.Height)
	}
	if e.Cameras > 0 {
		text += fmt.Sprintf(", %d of %d cameras deliver", e.Active, e.Cameras)
	}
	return text + because(e.Message)
}

func ofCamera(body []byte) string {
	var s schema.CameraStatus
	if json.Unmarshal(body, &s) != nil {
		return ""
	}
	text := fmt.Sprintf("camera %s since %s, %.1f frames/s, last frame %d.%d", plain(string(s.State)), s.Since.UTC().Format(time.RFC3339), s.FPS, s.Epoch, s.LastSeq)
	if s.Look != "" {
		text += ", shows nothing: " + plain(s.Look)
	}
	return text + by(s.Node) + because(s.Error)
}

func ofBridge(body []byte) string {
	var s schema.BridgeStatus
	if json.Unmarshal(body, &s) != nil {
		return ""
	}
	return fmt.Sprintf("bridge with its breaker %s since %s, %d frames wait, %d delivered", plain(string(s.State)), s.Since.UTC().Format(time.RFC3339), s.Pending, s.Delivered) +
		by(s.Node) + because(s.Error)
}

func ofStored(body []byte) string {
	f, err := schema.DecodeStored(body)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("frame %s, %s %dx%d, captured %s, is kept under %s", f.ID(), f.ContentType, f.Width, f.Height, f.Captured.Format(schema.CapturedLayout), plain(f.Kept.Key))
}

func by(node string) string {
	if node == "" {
		return ""
	}
	return ", node " + plain(node)
}

func because(message string) string {
	if message == "" {
		return ""
	}
	return ": " + plain(message)
}

// plain is text from outside as it may go to a terminal: one line, bounded, no control characters.
func plain(s string) string {
	const most = 300
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(s[:min(len(s), 4*most)]))
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
