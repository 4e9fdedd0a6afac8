package bridge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

func frame(seq uint64) *schema.Frame {
	return &schema.Frame{Site: "lisbon", Camera: "dock-1", Node: "gate-7", Epoch: 1795419833100, Seq: seq,
		Captured:    time.Date(2026, 11, 23, 7, 44, 5, 298003000, time.UTC),
		ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: []byte("picture")}
}

func TestTemplate_FieldsAreFilledIn(t *testing.T) {
	constants := map[string]string{"vhost": "video", "prefix": "p:"}
	for text, want := range map[string]string{
		"":                            "",
		"plain":                       "plain",
		"camera.{camera}":             "camera.dock-1",
		"frames:{camera}:{unixnano}":  "frames:dock-1:1795419845298003000",
		"{site}/{epoch}/{seq}":        "lisbon/1795419833100/123",
		"{seq:05d}|{seq:02d}|{seq}":   "00123|123|123",
		"{seq:020d}":                  "00000000000000000123",
		"{vhost}{prefix}{camera}":     "videop:dock-1",
		"{uuid}":                      "da1727ba",
		"{camera}{camera} é {camera}": "dock-1dock-1 é dock-1",
	} {
		t.Run(text, func(t *testing.T) {
			template, err := bridge.ParseTemplate(text, constants)
			if err != nil {
				t.Fatal(err)
			}
			got := template.Expand(frame(123))
			if got != want || template.String() != text {
				t.Errorf("%q of %q, want %q", got, template.String(), want)
			}
		})
	}
}

func TestTemplate_RedeliveryMakesTheSameKey(t *testing.T) {
	template, err := bridge.ParseTemplate("{camera}:{unixnano}:{uuid}", nil)
	if err != nil {
		t.Fatal(err)
	}
	again, other := frame(123), frame(123)
	again.Replayed = true
	other.Epoch++
	if got, want := template.Expand(again), template.Expand(frame(123)); got != want {
		t.Errorf("%q when delivered again, want %q", got, want)
	}
	if got := template.Expand(other); got == template.Expand(frame(123)) {
		t.Errorf("%q for two frames", got)
	}
}

func TestTemplate_HasKnowsItsFields(t *testing.T) {
	template, err := bridge.ParseTemplate("{camera}:{seq:05d}", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !template.Has("site", "seq") || !template.Has("camera") || template.Has("site", "unixnano") || template.Has() {
		t.Error("Has does not tell the fields of {camera}:{seq:05d}")
	}
}

func TestTemplate_ErrorsNameTheField(t *testing.T) {
	for text, want := range map[string]string{
		"{kamera}":       "unknown field {kamera}; known are {camera} {epoch} {prefix} {seq} {seq:05d} {site} {unixnano} {uuid}",
		"{}":             "unknown field {}",
		"{camera":        "a brace has no partner",
		"camera}":        "a brace has no partner",
		"{{camera}}":     "unknown field {{camera}",
		"{camera:05d}":   "{camera:05d}: only seq takes a format",
		"{prefix:05d}":   "{prefix:05d}: only seq takes a format",
		"{seq:5d}":       "{seq:5d}: the format is like 05d",
		"{seq:0d}":       "{seq:0d}: the format is like 05d",
		"{seq:021d}":     "{seq:021d}: the format is like 05d",
		"{seq:05x}":      "{seq:05x}: the format is like 05d",
		"{seq:d}":        "{seq:d}: the format is like 05d",
		"{seq:0-5d}":     "{seq:0-5d}: the format is like 05d",
		"{seq:+5d}":      "{seq:+5d}: the format is like 05d",
		"a{camera}b{x}c": "unknown field {x}",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := bridge.ParseTemplate(text, map[string]string{"prefix": "p"})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q in it", err, want)
			}
		})
	}
}

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"camera.{camera}", "{seq:05d}", "{a", "}", "{}", "{seq:}", "{site}{prefix}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		template, err := bridge.ParseTemplate(text, map[string]string{"prefix": "p"})
		if err != nil {
			return
		}
		got := template.Expand(frame(1))
		if !strings.ContainsAny(text, "{}") && got != text || strings.ContainsAny(got, "{}") {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
