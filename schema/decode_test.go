package schema_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edge-video/edge-video/schema"
)

// TestDecode_NamesTheHeaderAtFault breaks one thing at a time.
func TestDecode_NamesTheHeaderAtFault(t *testing.T) {
	const subject = "frames.lisbon.dock-1"
	set := func(name string, values ...string) func(map[string][]string) {
		return func(h map[string][]string) { h[name] = values }
	}
	for _, c := range []struct {
		name, subject string
		change        func(map[string][]string)
		body, want    string
		err           error
	}{
		{name: "subject of another root", subject: "events.lisbon.dock-1", want: `subject "events.lisbon.dock-1"`},
		{name: "subject of two tokens", subject: "frames.lisbon", want: "subject"},
		{name: "subject of four tokens", subject: "frames.lisbon.dock-1.thumb", want: "subject"},
		{name: "site in capitals", subject: "frames.Lisbon.dock-1", want: "subject"},
		{name: "no schema version", change: set(schema.HeaderSchema), want: schema.HeaderSchema},
		{name: "later schema version", change: set(schema.HeaderSchema, "2"), want: `"2"`, err: schema.ErrVersion},
		{name: "schema version in words", change: set(schema.HeaderSchema, "one"), want: `"one"`, err: schema.ErrVersion},
		{name: "no node", change: set(schema.HeaderNode), want: schema.HeaderNode},
		{name: "node with a dot", change: set(schema.HeaderNode, "a.b"), want: "node"},
		{name: "no epoch", change: set(schema.HeaderEpoch), want: schema.HeaderEpoch},
		{name: "epoch with a sign", change: set(schema.HeaderEpoch, "+1"), want: schema.HeaderEpoch},
		{name: "epoch of nothing", change: set(schema.HeaderEpoch, "0"), want: "epoch"},
		{name: "seq with a leading zero", change: set(schema.HeaderSeq, "01"), want: schema.HeaderSeq},
		{name: "negative seq", change: set(schema.HeaderSeq, "-1"), want: "seq"},
		{name: "seq beyond 63 bits", change: set(schema.HeaderSeq, "9223372036854775808"), want: schema.HeaderSeq},
		{name: "two seqs", change: set(schema.HeaderSeq, "1", "2"), want: schema.HeaderSeq + " is given 2 times"},
		{name: "no captured", change: set(schema.HeaderCaptured), want: schema.HeaderCaptured},
		{name: "captured in milliseconds", change: set(schema.HeaderCaptured, "2026-11-23T07:44:05.298Z"), want: schema.HeaderCaptured},
		{name: "captured with a zone", change: set(schema.HeaderCaptured, "2026-11-23T07:44:05.298003+01:00"), want: schema.HeaderCaptured},
		{name: "pts in words", change: set(schema.HeaderPTS, "soon"), want: schema.HeaderPTS},
		{name: "width of nothing", change: set(schema.HeaderWidth, "0"), want: "size"},
		{name: "width beyond 32 bits", change: set(schema.HeaderWidth, "4294967297"), want: "size"},
		{name: "negative height", change: set(schema.HeaderHeight, "-720"), want: "size"},
		{name: "content type of another kind", change: set(schema.HeaderContentType, "text/plain"), want: "content type"},
		{name: "keyframe flag of another value", change: set(schema.HeaderKeyframe, "true"), want: schema.HeaderKeyframe},
		{name: "keyframe flag on JPEG", change: set(schema.HeaderContentType, schema.ContentJPEG), want: "keyframe"},
		{name: "replayed flag of another value", change: set(schema.HeaderReplayed, "0"), want: schema.HeaderReplayed},
		{name: "no identity", change: set(schema.HeaderMsgID), want: schema.HeaderMsgID},
		{name: "identity of another frame", change: set(schema.HeaderMsgID, "lisbon.dock-1.1.1"), want: schema.HeaderMsgID},
		{name: "no body", body: "-", want: "body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, body := header(), []byte("picture")
			if c.change != nil {
				c.change(h)
			}
			if c.subject == "" {
				c.subject = subject
			}
			if c.body == "-" {
				body = nil
			}
			if c.err == nil {
				c.err = schema.ErrFrame
			}
			f, err := schema.Decode(c.subject, h, body)
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want an error of kind %q that names %q", f, err, c.err, c.want)
			}
		})
	}
}

func TestNames_FollowTheirRules(t *testing.T) {
	long := strings.Repeat("a", 65)
	for s, want := range map[string][2]bool{
		"":        {false, false},
		"dock-1":  {true, true},
		"Dock_1":  {false, true},
		"a.b":     {false, false},
		"a b":     {false, false},
		"*":       {false, false},
		"é":       {false, false},
		long[:32]: {true, true},
		long[:33]: {false, true},
		long[:64]: {false, true},
		long:      {false, false},
	} {
		if got := [2]bool{schema.ValidSite(s), schema.ValidName(s)}; got != want {
			t.Errorf("%q: as site and name got %v, want %v", s, got, want)
		}
	}
}

func TestSiteName_MapsAnyHostName(t *testing.T) {
	for host, want := range map[string]string{
		"gate-7": "gate-7", "Gate7.example.org": "gate7-example-org", "": "node", "---": "node", "münchen": "m-nchen",
		strings.Repeat("x", 40): strings.Repeat("x", 32), strings.Repeat("x", 31) + ".y": strings.Repeat("x", 31),
	} {
		got := schema.SiteName(host)
		if got != want || !schema.ValidSite(got) {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}

func TestHeaderText_FitsAHeader(t *testing.T) {
	if got, want := schema.HeaderText("a\r\nb\x00é"), "a??b??"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := schema.HeaderText(strings.Repeat("x", 5000)); len(got) != 500 {
		t.Errorf("got %d bytes, want 500", len(got))
	}
}

// FuzzDecode holds decoding to this: it never panics, its errors are of the two kinds, and what it accepts is written the same again.
func FuzzDecode(f *testing.F) {
	for _, fr := range frames() {
		var names []string
		fr.EachHeader(func(name, value string) { names = append(names, name+": "+value) })
		f.Add(fr.Subject(), strings.Join(names, "\n"), fr.Data)
	}
	f.Fuzz(func(t *testing.T, subject, head string, body []byte) {
		h := map[string][]string{}
		for l := range strings.SplitSeq(head, "\n") {
			k, v, _ := strings.Cut(l, ": ")
			h[k] = append(h[k], v)
		}
		got, err := schema.Decode(subject, h, body)
		if err != nil {
			if !errors.Is(err, schema.ErrFrame) && !errors.Is(err, schema.ErrVersion) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if got.Subject() != subject || got.Captured.Location() != time.UTC {
			t.Errorf("got %+v of subject %q", got, subject)
		}
		again := got.Header()
		for name := range again {
			if d := cmp.Diff(again[name], h[name]); d != "" {
				t.Errorf("header %s: written again (-), read (+):\n%s", name, d)
			}
		}
	})
}

// TestDecodeDead_MakesTheIdentityAgain reads a frame as a bridge keeps it, without the headers that are NATS' own.
func TestDecodeDead_MakesTheIdentityAgain(t *testing.T) {
	for name, f := range frames() {
		h := f.Header()
		delete(h, schema.HeaderMsgID)
		h[schema.HeaderReject] = []string{"too square"}
		got, err := schema.DecodeDead(schema.DeadSubject("porto", "broker", f.Site, f.Camera), h, f.Data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(got, f); d != "" {
			t.Errorf("%s: got (-), want (+):\n%s", name, d)
		}
		if _, there := h[schema.HeaderMsgID]; there {
			t.Error("the caller's headers were changed")
		}
	}
	for subject, h := range map[string]map[string][]string{"dead.porto.broker.lisbon": header(), "dead.porto.broker.unknown.unknown": {}, "frames.lisbon.a": header()} {
		if _, err := schema.DecodeDead(subject, h, []byte("picture")); !errors.Is(err, schema.ErrFrame) {
			t.Errorf("%s: %v, want %v", subject, err, schema.ErrFrame)
		}
	}
}
