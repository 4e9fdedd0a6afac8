package archive_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/schema"
)

const margin = 100 * time.Millisecond

// tell stores an event about cam-1.
func (s *store) tell(state schema.CameraState) {
	s.t.Helper()
	e := schema.Event{Time: time.Now(), Site: "test", Node: "node-1", Class: schema.ClassCamera, Name: "cam-1", Kind: schema.KindState, State: string(state)}
	body, err := json.Marshal(e)
	if err != nil {
		s.t.Fatal(err)
	}
	s.publish(&nats.Msg{Subject: e.Subject(), Data: body})
}

// sender sends cam-1's frames, and remembers them.
type sender struct {
	*store
	sent  []*archive.Frame
	late  time.Duration // from capture to storing
	count int           // of all frames stored, also of other cameras
}

func (s *sender) send(n int) {
	s.t.Helper()
	for range n {
		s.count++
		f := picture("cam-1", s.count, time.Now().Add(-s.late))
		s.sent = append(s.sent, &archive.Frame{Frame: f, Stream: s.put(f)})
	}
}

// others fills the stream with another camera's frames for some margins, and with cam-1's too if it goes on.
func (s *sender) others(margins int, goesOn bool) {
	s.t.Helper()
	for until := time.Now().Add(time.Duration(margins) * margin); time.Now().Before(until); {
		s.count++
		s.put(picture("cam-2", s.count, time.Now()))
		if goesOn {
			s.send(1)
		}
	}
}

// holdsAll asks for moments of the whole time and for the span, and holds the answers to what was sent.
func (s *sender) holdsAll() {
	s.t.Helper()
	first, last := s.sent[0].Captured, s.sent[len(s.sent)-1].Captured
	for t := first.Add(-5 * margin); t.Before(last.Add(5 * margin)); t = t.Add(margin / 4) {
		if t.After(time.Now()) {
			break
		}
		want := -1
		for i, f := range s.sent {
			if !f.Captured.After(t) {
				want = i
			}
		}
		f, err := s.At(s.t.Context(), of("cam-1"), t)
		if want < 0 {
			wantIs(s.t, err, archive.ErrNone)
		} else if err != nil || f.Stream != s.sent[want].Stream {
			s.t.Fatalf("at %v: %+v, %v; want frame %d", t.Sub(first), f, err, want+1)
		}
	}
	var read []uint64
	for f, err := range s.Read(s.t.Context(), of("cam-1"), first, last) {
		if err != nil {
			s.t.Fatal(err)
		}
		read = append(read, f.Seq)
	}
	if len(read) != len(s.sent) || !slices.IsSorted(read) {
		s.t.Errorf("read %v of %d", read, len(s.sent))
	}
}

// TestQuiet_IsPassedOver holds that no search leads into the part of a stream in which a camera sent nothing, once its events have been read.
func TestQuiet_IsPassedOver(t *testing.T) {
	t.Parallel()
	s := &sender{store: newStore(t)}
	s.SetMargin(margin)
	s.others(5, false)
	type part struct{ before, after *archive.Frame }
	var quiet []part
	for i := range 3 {
		s.tell(schema.CameraStarting)
		s.tell(schema.CameraUp)
		s.send(20)
		if i > 0 {
			quiet = append(quiet, part{s.sent[len(s.sent)-21], s.sent[len(s.sent)-20]})
		}
		s.tell(schema.CameraStalled)
		s.others(5, false)
		s.tell(schema.CameraBackoff)
		s.others(5, false)
	}
	s.holdsAll() // and reads all events

	asked := make(chan *nats.Msg, 10_000)
	sub, err := s.js.Conn().ChanSubscribe("$JS.API.DIRECT.GET."+schema.StreamFrames, asked)
	if err != nil {
		t.Fatal(err)
	}
	s.holdsAll()
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	n := len(asked)
	for range n {
		var q struct {
			Seq    uint64     `json:"seq"`
			Next   string     `json:"next_by_subj"`
			Since  *time.Time `json:"start_time"`
			UpTo   uint64     `json:"up_to_seq"`
			Before *time.Time `json:"up_to_time"`
		}
		m := <-asked
		if err := json.Unmarshal(m.Data, &q); err != nil {
			t.Fatal(err)
		}
		for _, p := range quiet {
			within := func(seq uint64) bool { return p.before.Stream < seq && seq < p.after.Stream }
			if q.Since != nil || q.Next != "" && within(q.Seq) || within(q.UpTo) ||
				q.Before != nil && q.Before.After(p.before.Captured.Add(margin)) && q.Before.Before(p.after.Captured) {
				t.Errorf("asked %s, though nothing is between %d and %d", m.Data, p.before.Stream, p.after.Stream)
			}
		}
		if q.Before != nil && q.Before.Before(s.sent[0].Captured) {
			t.Errorf("asked %s, though nothing is ahead of %v", m.Data, s.sent[0].Captured)
		}
	}
	if n == 0 {
		t.Error("the stream was not asked")
	}
}

// TestQuiet_IsOnlyWhereNothingIs holds the answers right where events say that a camera is down, and it is not: in a cluster the word of the
// node that left it may come last. And where frames are stored long after their capture, as in a stream that appends.
func TestQuiet_IsOnlyWhereNothingIs(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]time.Duration{"left by another node": 0, "stored late": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &sender{store: newStore(t), late: late}
			s.SetMargin(margin)
			s.tell(schema.CameraUp)
			s.send(10)
			s.tell(schema.CameraDown)
			s.others(5, true)
			s.tell(schema.CameraStalled)
			s.others(5, false)
			s.tell(schema.CameraUp)
			s.send(10)
			s.holdsAll()
		})
	}
}

// TestQuiet_IsForgottenWithItsStream holds the answers right in a stream that has begun anew behind the archive's back.
func TestQuiet_IsForgottenWithItsStream(t *testing.T) {
	t.Parallel()
	s := &sender{store: newStore(t)}
	s.SetMargin(margin)
	fill := func() {
		s.tell(schema.CameraUp)
		s.send(10)
		s.tell(schema.CameraDown)
		s.others(5, false)
		s.tell(schema.CameraUp)
		s.send(10)
		s.holdsAll()
	}
	fill()
	stream, err := s.js.Stream(t.Context(), schema.StreamFrames)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	for _, anew := range []func() error{
		func() error { return stream.Purge(t.Context()) },
		func() error {
			if err := s.js.DeleteStream(t.Context(), schema.StreamFrames); err != nil {
				return err
			}
			_, err := s.js.CreateStream(t.Context(), config)
			return err
		},
	} {
		if err := anew(); err != nil {
			t.Fatal(err)
		}
		gone := s.sent[len(s.sent)/2].Captured
		s.sent = nil
		fill()
		if f, err := s.At(t.Context(), of("cam-1"), gone); err == nil {
			t.Errorf("a frame of before: %+v", f)
		}
	}
}
