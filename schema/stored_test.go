package schema_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/schema"
)

// kept are the frames that tell where their picture is.
func kept() map[string]*schema.Frame {
	all := map[string]*schema.Frame{}
	for name, f := range frames() {
		f.Data = nil
		f.Kept = &schema.Kept{Key: "tenant-7:frames:dock-1:1795419845298003000:00123", TTL: 5 * time.Minute, Bytes: 65_536}
		all[name] = f
	}
	all["extremes"].Kept.TTL = 0
	return all
}

func TestStored_WrittenAsPinnedAndReadBack(t *testing.T) {
	for name, f := range kept() {
		body, err := schema.EncodeStored(f)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "stored-"+name+".json", string(body)+"\n")
	}
	for name, want := range kept() {
		b, err := os.ReadFile("testdata/stored-" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		later := strings.Replace(string(b), "{", `{"a_later_field":[1],`, 1)
		got, err := schema.DecodeStored([]byte(later))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Errorf("%s: got (-), want (+):\n%s", name, d)
		}
	}
}

func TestDecodeStored_NamesTheFault(t *testing.T) {
	body, err := schema.EncodeStored(kept()["jpeg"])
	if err != nil {
		t.Fatal(err)
	}
	for change, want := range map[[2]string]string{
		{`{`, `[`}:                   "the body is not that of a message in STORED",
		{`"schema":1`, `"schema":2`}: "unknown frame schema version 2",
		{`"key":"tenant-7:frames`, `"kez":"frames`}: `key "" is empty`,
		{`"ttl_ms":300000`, `"ttl_ms":-1`}:          `ttl "-1ms" is below 0`,
		{`:300000`, `:9223372036854775807`}:         "ttl_ms 9223372036854775807 is beyond all time",
		{`"bytes":65536`, `"bytes":0`}:              "a picture of 0 bytes",
		{`"site":"lisbon"`, `"site":"Lisbon"`}:      `site "Lisbon"`,
		{`"camera":"dock-1"`, `"camera":"a b"`}:     `camera "a b"`,
		{`"seq":123`, `"seq":0`}:                    "seq",
		{`"width":1280`, `"width":0`}:               "size",
	} {
		_, err := schema.DecodeStored([]byte(strings.Replace(string(body), change[0], change[1], 1)))
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, schema.ErrFrame) && !errors.Is(err, schema.ErrVersion) {
			t.Errorf("%s: got %v, want an error with %q", change[1], err, want)
		}
	}
}

func TestDecodeEvent_ReadsWhatIsPinnedAndRefusesTheRest(t *testing.T) {
	b, err := os.ReadFile("testdata/event-failed.json")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(b), "\n")
	e, err := schema.DecodeEvent([]byte(body))
	if err != nil || e.Count != 3 || e.Subject() != "events.lisbon.camera.dock-1.state" {
		t.Errorf("got %+v, %v", e, err)
	}
	for _, bad := range []schema.Event{{}, {Site: "lisbon", Name: "dock-1", Kind: "state"}, {Site: "lisbon", Name: "a.b", Kind: "state", Time: captured}} {
		body, err := json.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		if e, err := schema.DecodeEvent(body); !errors.Is(err, schema.ErrEvent) {
			t.Errorf("%s: got %+v, %v, want %v", body, e, err, schema.ErrEvent)
		}
	}
	if _, err := schema.DecodeEvent([]byte("x")); !errors.Is(err, schema.ErrEvent) {
		t.Errorf("got %v, want %v", err, schema.ErrEvent)
	}
}

func FuzzDecodeStored(f *testing.F) {
	for _, fr := range kept() {
		body, err := schema.EncodeStored(fr)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := schema.DecodeStored(body)
		if err != nil {
			if !errors.Is(err, schema.ErrFrame) && !errors.Is(err, schema.ErrVersion) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		written, err := schema.EncodeStored(got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := schema.DecodeStored(written)
		if d := cmp.Diff(again, got); err != nil || d != "" {
			t.Errorf("written again: %v, got (-), want (+):\n%s", err, d)
		}
	})
}
