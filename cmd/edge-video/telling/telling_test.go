package telling

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// asJSON is what stands in a stream or bucket.
func asJSON(t testing.TB, value any) []byte {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bodies are of each kind that a stream holds, and what is to be said of them.
func bodies(t testing.TB) map[string]struct {
	body []byte
	want string
} {
	picture := harness.GenerateJPEG(t, 320, 240, 60, 1)
	at := time.Date(2026, 11, 23, 7, 44, 5, 298003000, time.UTC)
	frame := schema.Frame{Site: "lisbon", Camera: "dock-1", Node: "gate-7", Epoch: 1795419833100, Seq: 123, Captured: at, ContentType: schema.ContentJPEG,
		Width: 320, Height: 240, Data: picture}
	header := bytes.NewBufferString("NATS/1.0\r\n")
	frame.EachHeader(func(name, value string) { header.WriteString(name + ": " + value + "\r\n") })
	header.WriteString("\r\n")
	kept := frame
	kept.Data, kept.Kept = nil, &schema.Kept{Key: "frames:dock-1:1", TTL: time.Minute, Bytes: len(picture)}
	stored, err := schema.EncodeStored(&kept)
	if err != nil {
		t.Fatal(err)
	}
	slice := []byte{0, 0, 0, 1, 0x41, 0x9A, 0x24, 0x6C}
	return map[string]struct {
		body []byte
		want string
	}{
		"JPEG":               {picture, `^JPEG, 320x240, 0\.08 megapixels, [0-9]+ bytes, sha256 [0-9a-f]{16}$`},
		"JPEG written raw":   {append(bytes.Clone(picture), "\n\n"...), `^JPEG, 320x240, 0\.08 megapixels, [0-9]+ bytes, sha256 [0-9a-f]{16}$`},
		"JPEG cut off":       {picture[:len(picture)/2], `^JPEG, [0-9]+ bytes, sha256 [0-9a-f]{16}, torn picture: `},
		"H.264 slice":        {slice, `^H\.264 picture that needs those since its keyframe, 8 bytes, sha256 `},
		"H.265 slice":        {[]byte{0, 0, 0, 1, 0x02, 0x01, 0xD0, 0x24}, `^H\.265 picture that needs those since its keyframe, 8 bytes`},
		"nothing":            {nil, `^empty$`},
		"noise":              {[]byte{0xFE, 0, 1, 2}, `^neither JPEG nor H\.264 nor H\.265, 4 bytes, sha256 `},
		"text":               {[]byte("nothing\tchanged\x1b[2J\n"), `^nothing changed \[2J$`},
		"other JSON":         {[]byte(`{"a": 1}`), `^\{"a": 1\}$`},
		"JSON, no object":    {[]byte(`[1]`), `^\[1\]$`},
		"keys of an event":   {[]byte(`{"class":1,"kind":2,"name":3}`), `^\{"class":1`},
		"keys of a message":  {[]byte(`{"subject":1,"data":"%%"}`), `^\{"subject":1`},
		"message in message": {asJSON(t, map[string]any{"subject": "a", "data": []byte(`{"subject":"b","data":"e30="}`)}), `^a: \{"subject":"b"`},
		"event": {asJSON(t, schema.Event{Time: at, Site: "lisbon", Node: "gate-7", Class: schema.ClassCamera, Name: "dock-1", Kind: schema.KindGap,
			Reason: "queue_full", Epoch: 5, FirstSeq: 7, LastSeq: 9, Count: 3, Message: "too\nmuch"}),
			`^2026-11-23T07:44:05\.298003Z camera dock-1 of lisbon: gap queue_full, count 3, frames 5\.7 to 9: too much$`},
		"camera": {asJSON(t, schema.CameraStatus{State: schema.CameraUp, Since: at, FPS: 10, Epoch: 5, LastSeq: 6, Node: "gate-7"}),
			`^camera up since 2026-11-23T07:44:05Z, 10\.0 frames/s, last frame 5\.6, node gate-7$`},
		"bridge": {asJSON(t, schema.BridgeStatus{State: schema.BreakerOpen, Since: at, Pending: 3, Delivered: 4, Error: "refused", Node: "gate-7"}),
			`^bridge with its breaker open since 2026-11-23T07:44:05Z, 3 frames wait, 4 delivered, node gate-7: refused$`},
		"stored": {stored, `^frame lisbon\.dock-1\.1795419833100\.123, image/jpeg 320x240, captured 2026-11-23T07:44:05\.298003Z, is kept under frames:dock-1:1$`},
		"dump of the CLI": {asJSON(t, map[string]any{"Subject": "frames.lisbon.dock-1", "Header": frame.Header(), "Data": picture}),
			`^frames\.lisbon\.dock-1, frame 1795419833100\.123, captured 2026-11-23T07:44:05\.298003Z by gate-7: JPEG, 320x240, `},
		"message of the CLI": {asJSON(t, map[string]any{"subject": "frames.lisbon.dock-1", "seq": 9, "hdrs": header.Bytes(), "data": picture, "time": at}),
			`^frames\.lisbon\.dock-1 9, frame 1795419833100\.123, captured 2026-11-23T07:44:05\.298003Z by gate-7, stored 2026-11-23T07:44:05\.298003Z: JPEG, 320x240, `},
	}
}

// TestLine_SaysInOneLineWhatABodyIs tells what the streams and buckets hold, and anything else, from one another.
func TestLine_SaysInOneLineWhatABodyIs(t *testing.T) {
	t.Parallel()
	for name, c := range bodies(t) {
		t.Run(name, func(t *testing.T) {
			if got := Line(c.body); !regexp.MustCompile(c.want).MatchString(got) {
				t.Errorf("%q does not match %q", got, c.want)
			}
		})
	}
}

// TestLine_HashIsThatOfSha256sum lets two pictures be compared across machines.
func TestLine_HashIsThatOfSha256sum(t *testing.T) {
	t.Parallel()
	if got, want := Line([]byte{0xFE}), "sha256 aa687b58b0e73e2e"; !strings.HasSuffix(got, want) {
		t.Errorf("%q does not end in %q", got, want)
	}
}

func FuzzLine(f *testing.F) {
	for _, c := range bodies(f) {
		f.Add(c.body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		line := Line(body)
		if line == "" && len(bytes.TrimSpace(body)) > 0 && utf8.Valid(body) && bytes.ContainsFunc(body, unicode.IsPrint) || len(line) > 8<<10 {
			t.Errorf("%d bytes are said of a body: %.100q", len(line), line)
		}
		if i := strings.IndexFunc(line, unicode.IsControl); i >= 0 {
			t.Errorf("%q holds a control character", line)
		}
	})
}
