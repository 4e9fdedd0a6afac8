package archive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a running server's stream that a test fills.
type store struct {
	t  *testing.T
	js jetstream.JetStream
	*archive.Archive
}

func newStore(t *testing.T) *store {
	t.Helper()
	s, err := node.NewServer(node.ServerConfig{Site: "test", Node: "node-1", DataDir: filepath.Join(t.TempDir(), "data"), MaxFrame: 1 << 20,
		Stream: node.StreamConfig{MaxAge: time.Hour, MaxBytes: 64 << 20, Replicas: 1, Sync: node.Sync{Interval: 2 * time.Second}}},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	nc, err := s.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return &store{t, js, archive.New(js, "test")}
}

// put stores a frame and returns its sequence.
func (s *store) put(f *schema.Frame) uint64 {
	s.t.Helper()
	return s.publish(&nats.Msg{Subject: f.Subject(), Header: f.Header(), Data: f.Data})
}

func (s *store) publish(m *nats.Msg) uint64 {
	s.t.Helper()
	ack, err := s.js.PublishMsg(s.t.Context(), m)
	if err != nil {
		s.t.Fatal(err)
	}
	return ack.Sequence
}

func picture(camera string, seq int, captured time.Time) *schema.Frame {
	return &schema.Frame{Site: "test", Camera: camera, Node: "node-1", Epoch: 1, Seq: uint64(seq),
		Captured:    captured.UTC().Truncate(time.Microsecond),
		ContentType: schema.ContentJPEG, Width: 4, Height: 2, Data: fmt.Appendf(nil, "%s %d", camera, seq)}
}

func video(camera string, seq int, captured time.Time, key bool) *schema.Frame {
	f := picture(camera, seq, captured)
	f.ContentType, f.Keyframe = schema.ContentH264, key
	return f
}

func of(camera string) archive.Camera { return archive.Camera{Site: "test", ID: camera} }

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// TestAt_IsTheNewestFrameCapturedByThen holds that for frames that are stored at once, late, all at once after a pause, and ahead of their
// time, among those of other cameras and messages that are no frames.
func TestAt_IsTheNewestFrameCapturedByThen(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]time.Duration{"stored at once": -150 * time.Millisecond, "stored late": -40 * time.Minute,
		"paced": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			r := rand.New(rand.NewPCG(1, 2))
			captured := map[string][]time.Time{}
			at := time.Now().Add(begin)
			start := at
			for i := range 240 {
				camera := fmt.Sprint("cam-", r.IntN(4))
				if i > 80 && i < 160 {
					camera = "cam-0" // the others send nothing
				}
				at = at.Add(time.Duration(r.IntN(1000)) * time.Microsecond)
				if r.IntN(20) == 0 {
					s.publish(&nats.Msg{Subject: schema.FrameSubject("test", camera), Data: []byte("of somebody else")})
				}
				if i == 120 {
					at = at.Add(100 * time.Millisecond)
				}
				s.put(picture(camera, len(captured[camera])+1, at))
				captured[camera] = append(captured[camera], at.UTC().Truncate(time.Microsecond))
			}
			for range 80 {
				camera := fmt.Sprint("cam-", r.IntN(4))
				want := -1
				moment := start.Add(time.Duration(r.Int64N(int64(at.Sub(start) + time.Millisecond))))
				if i := r.IntN(len(captured[camera])); r.IntN(2) == 0 {
					moment = captured[camera][i]
				}
				for i, c := range captured[camera] {
					if !c.After(moment) {
						want = i
					}
				}
				f, err := s.At(t.Context(), of(camera), moment)
				if want < 0 {
					wantIs(t, err, archive.ErrNone)
					continue
				}
				if err != nil || f.Seq != uint64(want+1) || string(f.Data) != fmt.Sprintf("%s %d", camera, want+1) {
					t.Fatalf("%s at %v: %+v, %v; want frame %d", camera, moment, f, err, want+1)
				}
			}
		})
	}
}

// TestArchive_SaysWhatIsNotThere holds the errors apart: never stored, aged out, to come, another camera's, of another program, of an
// unknown site, and a camera that cannot be.
func TestArchive_SaysWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s, ctx, now := newStore(t), t.Context(), time.Now()
	_, err := s.Newest(ctx, of("cam-1"))
	wantIs(t, err, archive.ErrNone)
	s.put(picture("cam-1", 1, now))
	foreign := s.publish(&nats.Msg{Subject: schema.FrameSubject("test", "cam-1"), Data: []byte("x")})
	other := s.put(picture("cam-2", 1, now))

	_, err = s.At(ctx, of("cam-1"), now.Add(-time.Minute))
	wantIs(t, err, archive.ErrNone)
	if errors.Is(err, archive.ErrGone) {
		t.Errorf("nothing has left the stream: %v", err)
	}
	_, err = s.At(ctx, of("cam-1"), now.Add(time.Hour))
	wantIs(t, err, archive.ErrFuture)
	_, err = s.Frame(ctx, of("cam-1"), other)
	wantIs(t, err, archive.ErrNone)
	if errors.Is(err, archive.ErrGone) {
		t.Errorf("another camera's frame has not aged out: %v", err)
	}
	_, err = s.Frame(ctx, of("cam-1"), foreign)
	wantIs(t, err, archive.ErrForeign)
	_, err = s.Frame(ctx, of("cam-1"), 1000)
	wantIs(t, err, archive.ErrNone)
	_, err = s.Newest(ctx, archive.Camera{Site: "porto", ID: "cam-1"})
	wantIs(t, err, archive.ErrNoSite)
	for _, c := range []archive.Camera{{Site: "test", ID: "*"}, {Site: "test", ID: "a.b"}, {Site: ">", ID: "cam-1"}, {}} {
		_, err = s.Newest(ctx, c)
		wantIs(t, err, archive.ErrNone)
	}
	if f, err := s.Newest(ctx, of("cam-1")); err != nil || f.Seq != 1 {
		t.Errorf("behind the newest frame stands a message of another program: %+v, %v", f, err)
	}

	stream, err := s.js.Stream(ctx, schema.StreamFrames)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(other)); err != nil {
		t.Fatal(err)
	}
	s.put(picture("cam-1", 2, now.Add(time.Second)))
	_, err = s.Frame(ctx, of("cam-1"), 1)
	wantIs(t, err, archive.ErrGone)
	_, err = s.At(ctx, of("cam-1"), now)
	wantIs(t, err, archive.ErrGone)
	wantIs(t, err, archive.ErrNone)
}

// TestSpan_HasEveryFrameOnce holds what is listed and read between two moments, page by page, to what was stored.
func TestSpan_HasEveryFrameOnce(t *testing.T) {
	t.Parallel()
	s, ctx := newStore(t), t.Context()
	start := time.Now().Add(-time.Minute).UTC().Truncate(time.Microsecond)
	at := func(i int) time.Time { return start.Add(time.Duration(i) * 100 * time.Millisecond) }
	for i := range 200 {
		s.put(picture("cam-1", i+1, at(i)))
		s.put(picture("cam-2", i+1, at(i)))
	}
	var read []uint64
	for f, err := range s.Read(ctx, of("cam-1"), at(10), at(20)) {
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, f.Seq)
	}
	if want := []uint64{11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21}; !slices.Equal(read, want) {
		t.Errorf("read %v, want %v", read, want)
	}
	for _, span := range [][2]time.Time{{at(-20), at(-10)}, {at(20), at(10)}, {at(20).Add(time.Millisecond), at(21).Add(-time.Millisecond)},
		{at(200), at(300)}} {
		for f, err := range s.Read(ctx, of("cam-1"), span[0], span[1]) {
			t.Errorf("%v holds %v, %v", span, f, err)
		}
	}
	for _, c := range []struct {
		every time.Duration
		limit int
		want  []int
	}{{0, 7, nil}, {250 * time.Millisecond, 4, []int{0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30}}, {2 * time.Second, 1, []int{0, 20}},
		{time.Hour, 10, []int{0}}} {
		if c.every == 0 {
			for i := range 31 {
				c.want = append(c.want, i)
			}
		}
		var got []int
		for from := at(0); ; {
			entries, next, err := s.Index(ctx, of("cam-1"), from, at(30), c.every, c.limit)
			if err != nil || len(entries) > c.limit {
				t.Fatal(len(entries), err)
			}
			for _, e := range entries {
				got = append(got, int(e.Seq)-1)
				if e.Data != nil || e.Bytes != len(fmt.Sprint("cam-1 ", e.Seq)) {
					t.Errorf("frame %d has %d bytes and says %d", e.Seq, len(e.Data), e.Bytes)
				}
			}
			if next.IsZero() {
				break
			}
			from = next
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("every %v, %d a page: %v, want %v", c.every, c.limit, got, c.want)
		}
	}
	first, last, err := s.Held(ctx, of("cam-1"))
	if err != nil || first.Seq != 1 || last.Seq != 200 {
		t.Errorf("held %v to %v, %v", first, last, err)
	}
}

// TestGroup_IsWhatLeadsToAPicture holds that a picture of video comes with all it builds upon, or with the reason why not.
func TestGroup_IsWhatLeadsToAPicture(t *testing.T) {
	t.Parallel()
	s, ctx, now := newStore(t), t.Context(), time.Now().Add(-time.Minute)
	for i := range 25 {
		s.put(video("cam-1", i+1, now.Add(time.Duration(i)*40*time.Millisecond), i%10 == 5))
		s.put(picture("cam-2", i+1, now))
	}
	for seq, first := range map[uint64]uint64{6: 6, 9: 6, 15: 6, 16: 16, 25: 16} {
		f, err := s.At(ctx, of("cam-1"), now.Add(time.Duration(seq-1)*40*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		group, err := s.Group(ctx, of("cam-1"), f)
		if err != nil || group[0].Seq != first || group[len(group)-1].Seq != seq || len(group) != int(seq-first+1) {
			t.Errorf("picture %d: %d frames from %d on, %v; want them from %d on", seq, len(group), group[0].Seq, err, first)
		}
	}
	f, err := s.Frame(ctx, of("cam-1"), 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Group(ctx, of("cam-1"), f)
	wantIs(t, err, archive.ErrNoKeyframe)
	again := video("cam-1", 1, now.Add(2*time.Second), false)
	again.Epoch = 2
	if f, err = s.Frame(ctx, of("cam-1"), s.put(again)); err != nil {
		t.Fatal(err)
	}
	_, err = s.Group(ctx, of("cam-1"), f)
	wantIs(t, err, archive.ErrNoKeyframe)
	newest := video("cam-1", 2, now.Add(3*time.Second), true)
	newest.Epoch = 2
	for i, want := range []uint64{16, 2, 2} { // of the old epoch, and of the new one, found and remembered
		if i == 1 {
			s.put(newest)
		}
		if i == 2 {
			next := video("cam-1", 3, now.Add(4*time.Second), false)
			next.Epoch = 2
			s.put(next)
		}
		group, err := s.Picture(ctx, of("cam-1"), time.Time{})
		if err != nil || len(group) != 1 || group[0].Seq != want {
			t.Errorf("the newest keyframe is %+v, %v; want number %d", group, err, want)
		}
	}
	var film []uint64
	for f, err := range s.Film(ctx, of("cam-1"), now.Add(8*40*time.Millisecond), now.Add(17*40*time.Millisecond)) {
		if err != nil {
			t.Fatal(err)
		}
		film = append(film, f.Seq)
	}
	if len(film) != 13 || film[0] != 6 || film[12] != 18 {
		t.Errorf("a film of 9 to 18 is %v, want it from the keyframe 6 on", film)
	}
	one, err := s.Newest(ctx, of("cam-2"))
	if err != nil {
		t.Fatal(err)
	}
	if group, err := s.Group(ctx, of("cam-2"), one); err != nil || len(group) != 1 {
		t.Errorf("a JPEG comes with %d frames, %v", len(group), err)
	}
}
