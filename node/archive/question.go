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
	NextFor   string     `json:"next_by_subj,omitempty"` // the first of a subject from Seq on
	LastFor   []string   `json:"multi_last,omitempty"`   // the last of subjects, up to what follows
	UpTo      uint64     `json:"up_to_seq,omitempty"`
	UpToTime  *time.Time `json:"up_to_time,omitempty"` // stored before that
	LastOfAll string     `json:"last_by_subj,omitempty"`
}

// last is the camera's last frame, up to where the question says. Messages that are no frames are passed over.
func (a *Archive) last(ctx context.Context, c Camera, q question) (*Frame, error) {
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
	for range foreignMost {
		f, err := a.ask(ctx, c, question{Seq: max(seq, 1), NextFor: schema.FrameSubject(c.Site, c.ID)})
		var other *foreign
		if !errors.As(err, &other) {
			return f, err
		}
		seq = other.seq + 1
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
	if !schema.ValidSite(c.Site) || !schema.ValidName(c.ID) {
		return nil, ErrNone
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	stream := a.streamOf(c.Site)
	m, err := a.js.Conn().RequestWithContext(ctx, directGet+stream, body)
	if errors.Is(err, nats.ErrNoResponders) {
		if _, missing := a.js.Stream(ctx, stream); errors.Is(missing, jetstream.ErrStreamNotFound) {
			return nil, ErrNoSite
		}
	}
	if err != nil {
		return nil, fmt.Errorf("asking stream %s: %w", stream, err)
	}
	switch status := m.Header.Get("Status"); status {
	case "":
		return decode(c, m)
	case "404":
		return nil, ErrNone
	default:
		return nil, fmt.Errorf("asking stream %s: %s %s", stream, status, m.Header.Get("Description"))
	}
}

// decode reads the stream's answer.
func decode(c Camera, m *nats.Msg) (*Frame, error) {
	seq, err1 := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	stored, err2 := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("reading the stream's answer: %w", err)
	}
	subject := m.Header.Get(jetstream.SubjectHeader)
	if subject != schema.FrameSubject(c.Site, c.ID) {
		return nil, ErrNone
	}
	f, err := schema.Decode(subject, m.Header, m.Data)
	if err != nil {
		return nil, &foreign{seq, err}
	}
	return &Frame{Frame: f, Stream: seq, Stored: stored}, nil
}
