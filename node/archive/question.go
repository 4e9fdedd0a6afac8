package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// directGet is where a stream is asked for a message.
	directGet = "$JS.API.DIRECT.GET."
	// foreignMost is how many messages that are no frames are passed over in a row.
	foreignMost = 64
)

// question asks for one message of a stream. It is JetStream's own form.
type question struct {
	Seq       uint64     `json:"seq,omitempty"`
	NextFor   string     `json:"next_by_subj,omitempty"` // the first of a subject, from Seq or Since on
	Since     *time.Time `json:"start_time,omitempty"`   // stored then or later
	LastFor   []string   `json:"multi_last,omitempty"`   // the last of subjects, up to what follows
	UpTo      uint64     `json:"up_to_seq,omitempty"`
	UpToTime  *time.Time `json:"up_to_time,omitempty"` // stored before that
	LastOfAll string     `json:"last_by_subj,omitempty"`
}

// last is the camera's last frame, up to where the question says. Messages that are no frames are passed over.
func (a *Archive) last(ctx context.Context, c Camera, q question) (*Frame, error) {
	if known, ok := a.quietAt(c, q); ok {
		if f, err := a.ahead(ctx, c, known); f != nil || err != nil {
			return f, err
		}
	}
	subject := schema.FrameSubject(c.Site, c.ID)
	for range foreignMost {
		if q.UpTo == 0 && q.UpToTime == nil {
			q.LastOfAll = subject
		} else {
			q.LastOfAll, q.LastFor = "", []string{subject}
		}
		f, err := a.ask(ctx, c, q)
		var other *foreign
		if !errors.As(err, &other) {
			return f, err
		}
		if other.seq <= 1 {
			return nil, ErrNone
		}
		q = question{UpTo: other.seq - 1}
	}
	return nil, ErrForeign
}

// next is the camera's first frame from a sequence on.
func (a *Archive) next(ctx context.Context, c Camera, seq uint64) (*Frame, error) {
	if known, ok := a.quietAt(c, question{UpTo: max(seq, 1) - 1}); ok {
		if f, err := a.edge(ctx, c, known.after); f != nil || err != nil {
			return f, err
		}
	}
	return a.first(ctx, c, question{Seq: max(seq, 1)})
}

// first is the camera's first frame from where the question says. Messages that are no frames are passed over.
func (a *Archive) first(ctx context.Context, c Camera, q question) (*Frame, error) {
	for range foreignMost {
		q.NextFor = schema.FrameSubject(c.Site, c.ID)
		f, err := a.ask(ctx, c, q)
		var other *foreign
		if !errors.As(err, &other) {
			return f, err
		}
		q = question{Seq: other.seq + 1}
	}
	return nil, ErrForeign
}

// foreign is an [ErrForeign] with the place of the message.
type foreign struct {
	seq uint64
	why error
}

func (f *foreign) Error() string   { return fmt.Sprintf("%v: %v", ErrForeign, f.why) }
func (f *foreign) Unwrap() []error { return []error{ErrForeign, f.why} }

// ask puts a question to the stream that holds the camera's frames. Errors are [ErrNone], also for another camera's message, [ErrNoSite]
// and [ErrForeign].
func (a *Archive) ask(ctx context.Context, c Camera, q question) (*Frame, error) {
	m, at, err := a.get(ctx, c, schema.StreamFrames, q)
	if err != nil {
		return nil, err
	}
	subject := m.Header.Get(jetstream.SubjectHeader)
	if subject != schema.FrameSubject(c.Site, c.ID) {
		return nil, ErrNone
	}
	f, err := schema.Decode(subject, m.Header, m.Data)
	if err != nil {
		return nil, &foreign{at.seq, err}
	}
	return &Frame{Frame: f, Stream: at.seq, Stored: at.stored}, nil
}

// place is where a message lies in a stream.
type place struct {
	seq    uint64
	stored time.Time
}

// get asks one of the streams of the camera's site for a message. Errors are [ErrNone] and [ErrNoSite].
func (a *Archive) get(ctx context.Context, c Camera, stream string, q question) (*nats.Msg, place, error) {
	if !schema.ValidSite(c.Site) || !schema.ValidName(c.ID) {
		return nil, place{}, ErrNone
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, place{}, err
	}
	stream = a.streamOf(stream, c.Site)
	m, err := a.js.Conn().RequestWithContext(ctx, directGet+stream, body)
	if errors.Is(err, nats.ErrNoResponders) {
		if _, missing := a.js.Stream(ctx, stream); errors.Is(missing, jetstream.ErrStreamNotFound) {
			return nil, place{}, ErrNoSite
		}
	}
	if err != nil {
		return nil, place{}, fmt.Errorf("asking stream %s: %w", stream, err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return nil, place{}, ErrNone
	default:
		return nil, place{}, fmt.Errorf("asking stream %s: %s %s", stream, status, m.Header.Get("Description"))
	}
	seq, err1 := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	stored, err2 := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err := errors.Join(err1, err2); err != nil {
		return nil, place{}, fmt.Errorf("reading the answer of stream %s: %w", stream, err)
	}
	return m, place{seq, stored}, nil
}
