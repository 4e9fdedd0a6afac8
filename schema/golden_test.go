package schema_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/schema"
)

// update rewrites the golden files. A change in one of them is a change of the contract: versions only add.
var update = flag.Bool("update", false, "rewrite the golden files")

var captured = time.Date(2026, 11, 23, 7, 44, 5, 298003000, time.UTC)

// frames are the kinds of frames that are written.
func frames() map[string]*schema.Frame {
	base := schema.Frame{Site: "lisbon", Camera: "dock-1", Node: "gate-7", Epoch: 1795419833100, Seq: 123, Captured: captured,
		ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: []byte("picture")}
	with := func(change func(*schema.Frame)) *schema.Frame {
		f := base
		change(&f)
		return &f
	}
	return map[string]*schema.Frame{
		"jpeg":          &base,
		"jpeg-pts":      with(func(f *schema.Frame) { f.PTS, f.HasPTS = 161640000, true }),
		"jpeg-replayed": with(func(f *schema.Frame) { f.Replayed = true }),
		"h264-key": with(func(f *schema.Frame) {
			f.ContentType, f.Keyframe, f.PTS, f.HasPTS = schema.ContentH264, true, 0, true
		}),
		"h265":     with(func(f *schema.Frame) { f.ContentType, f.PTS, f.HasPTS = schema.ContentH265, -3000, true }),
		"extremes": with(func(f *schema.Frame) { f.Seq, f.Epoch, f.Width, f.Height = 1<<63-1, 1, 65535, 1 }),
	}
}

// text is a frame as its golden file has it: subject, headers in their order, an empty line, body.
func text(f *schema.Frame) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", f.Subject())
	f.EachHeader(func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, value) })
	fmt.Fprintf(&b, "\n%s\n", f.Data)
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, string(want)); d != "" {
		t.Errorf("%s: got (-) is not what is pinned (+):\n%s", path, d)
	}
}

func TestFrame_WrittenAsPinned(t *testing.T) {
	for name, f := range frames() {
		golden(t, name+".frame", text(f))
	}
}

// TestDecode_ReadsWhatIsPinned decodes the golden files themselves, as an older version wrote them.
func TestDecode_ReadsWhatIsPinned(t *testing.T) {
	for name, want := range frames() {
		b, err := os.ReadFile(filepath.Join("testdata", name+".frame"))
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(strings.TrimSuffix(string(b), "\n"), "\n\n")
		lines := strings.Split(head, "\n")
		header := map[string][]string{"A-Later-Header": {"is ignored"}}
		for _, l := range lines[1:] {
			k, v, _ := strings.Cut(l, ": ")
			header[k] = []string{v}
		}
		got, err := schema.Decode(lines[0], header, []byte(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: got (-), want (+):\n%s", name, d)
		}
	}
}

func TestEventsAndStates_WrittenAsPinned(t *testing.T) {
	event := func(e schema.Event) schema.Event {
		e.Time, e.Site, e.Node = captured, "lisbon", "gate-7"
		return e
	}
	camera := func(kind schema.EventKind, e schema.Event) schema.Event {
		e.Class, e.Name, e.Kind = schema.ClassCamera, "dock-1", kind
		return event(e)
	}
	values := map[string]any{
		"event-state":    camera(schema.KindState, schema.Event{State: "backoff", Reason: "refused", Message: "Connection refused", Epoch: 1795419833100}),
		"event-gap":      camera(schema.KindGap, schema.Event{Reason: "queue_full", Epoch: 1795419833100, FirstSeq: 7, LastSeq: 9, Count: 3}),
		"event-size":     camera(schema.KindSize, schema.Event{Epoch: 1795419833100, FirstSeq: 7, Width: 640, Height: 360}),
		"event-look":     camera(schema.KindLook, schema.Event{State: "frozen", Reason: "frozen", Epoch: 1795419833100, FirstSeq: 7}),
		"event-rejected": camera(schema.KindRejected, schema.Event{Reason: "torn", Message: "no JPEG end", Epoch: 1795419833100, FirstSeq: 7, LastSeq: 9, Count: 2}),
		"event-lost":     camera(schema.KindLost, schema.Event{Reason: "unacknowledged", Epoch: 1795419833100, FirstSeq: 7, LastSeq: 9, Count: 3}),
		"event-breaker":  event(schema.Event{Class: schema.ClassBridge, Name: "broker", Kind: schema.KindBreaker, State: "open", Message: "refused"}),
		"event-of":       event(schema.Event{Class: schema.ClassBridge, Name: "broker", Of: "porto", Kind: schema.KindGap, Reason: "aged_out", Count: 3}),
		"event-load":     event(schema.Event{Class: schema.ClassNode, Name: "gate-7", Kind: schema.KindLoad, State: "full", Reason: "processor", Message: "98 %"}),
		"event-failed":   camera(schema.KindState, schema.Event{State: "backoff", Reason: "refused", Message: "Connection refused", Epoch: 1795419833100, Count: 3}),
		"event-cameras":  event(schema.Event{Class: schema.ClassNode, Name: "gate-7", Kind: schema.KindCameras, Cameras: 4, Active: 3}),
		"event-dead":     event(schema.Event{Class: schema.ClassBridge, Name: "broker", Kind: schema.KindDead, Reason: "rejected", Message: "too large", Count: 1}),
		"event-control":  event(schema.Event{Class: schema.ClassNode, Name: "gate-7", Kind: schema.KindControl, Reason: "restart", Message: "disk full"}),
		"state-camera": schema.CameraStatus{State: schema.CameraUp, Breaker: schema.BreakerClosed, Since: captured, FPS: 10, Epoch: 1795419833100, LastSeq: 123,
			Error: "", Node: "gate-7", Decoder: "software"},
		"state-camera-look": schema.CameraStatus{State: schema.CameraUp, Since: captured, FPS: 10, Epoch: 1795419833100, LastSeq: 123,
			Look: "frozen", Node: "gate-7"},
		"state-camera-picture": schema.CameraStatus{State: schema.CameraUp, Since: captured, FPS: 10, Epoch: 1795419833100, LastSeq: 123,
			Node: "gate-7", Decoder: "none", Mode: "copy", Width: 1280, Height: 720},
		"state-bridge-fault": schema.BridgeStatus{State: schema.BreakerOpen, Since: captured, Pending: 5, Delivered: 118, Error: "wrong password",
			Fault: "credentials", Node: "gate-7"},
		"state-bridge": schema.BridgeStatus{State: schema.BreakerHalfOpen, Since: captured, Pending: 5, Delivered: 118, Error: "refused", Node: "gate-7"},
	}
	for name, v := range values {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got := string(b) + "\n"
		if e, ok := v.(schema.Event); ok {
			got = e.Subject() + "\n" + got
		}
		golden(t, name+".json", got)
	}
}

func TestSubjects_NameTheirParts(t *testing.T) {
	for got, want := range map[string]string{
		schema.FrameSubject("lisbon", "dock-1"):                       "frames.lisbon.dock-1",
		schema.SiteSubjects("events", "lisbon"):                       "events.lisbon.>",
		schema.DeadSubject("hub", "broker", "lisbon", "dock-1"):       "dead.hub.broker.lisbon.dock-1",
		schema.StoredSubject("lisbon", "cache", "lisbon", "dock-1"):   "stored.lisbon.cache.dock-1",
		schema.StoredSubject("hub", "cache", "lisbon", "dock-1"):      "stored.hub.cache.lisbon.dock-1",
		schema.KickSubject("lisbon", "dock-1"):                        "camera.kick.lisbon.dock-1",
		schema.ReloadSubject("lisbon", "gate-7"):                      "node.reload.lisbon.gate-7",
		schema.StatusKey("lisbon", "dock-1"):                          "lisbon.dock-1",
		schema.EventSubject("lisbon", schema.ClassLink, "hub", "gap"): "events.lisbon.link.hub.gap",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// header is a valid header to break.
func header() map[string][]string {
	return maps.Clone(frames()["h264-key"].Header())
}
