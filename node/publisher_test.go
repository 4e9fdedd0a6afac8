package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// ledger is a laneRecord that keeps everything.
type ledger struct {
	mu       sync.Mutex
	acked    []*schema.Frame
	gaps     []gap
	given    map[string]int
	losses   []gap
	repeated []string // frames acknowledged more than once
	ids      map[string]bool
}

func newLedger() *ledger { return &ledger{given: map[string]int{}, ids: map[string]bool{}} }

func (r *ledger) stored(f *schema.Frame, _ time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked = append(r.acked, f)
	if r.ids[f.ID()] {
		r.repeated = append(r.repeated, f.ID())
	}
	r.ids[f.ID()] = true
}

func (r *ledger) gone(g gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps = append(r.gaps, g)
}

func (r *ledger) dropped(reason string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given[reason] += n
}

func (r *ledger) lost(g gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losses = append(r.losses, g)
}

func (r *ledger) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.acked)
}

// wantStored fails unless the stream holds exactly frames 1 to n of each camera, once, with what they were given and, but for those
// sent again, in order, and the ledger has each of them once and nothing given up.
func (r *ledger) wantStored(t *testing.T, s *Server, want map[string]int, again func(*schema.Frame) bool) {
	t.Helper()
	r.mu.Lock()
	if len(r.gaps)+len(r.given)+len(r.losses)+len(r.repeated) > 0 {
		t.Errorf("dropped %v %+v, lost %+v, acknowledged twice %v; want none", r.given, r.gaps, r.losses, r.repeated)
	}
	acked := len(r.acked)
	r.mu.Unlock()
	all := readFrames(t, s)
	if acked != len(all) {
		t.Errorf("%d frames acknowledged, want the %d that are stored", acked, len(all))
	}
	seen, last, ids := map[string]int{}, map[string]uint64{}, map[string]bool{}
	for _, f := range all {
		if ids[f.ID()] {
			t.Errorf("%s is stored twice", f.ID())
		}
		ids[f.ID()] = true
		seen[f.Camera]++
		if again == nil || !again(f) {
			if f.Seq < last[f.Camera] {
				t.Errorf("%s comes after frame %d", f.ID(), last[f.Camera])
			}
			last[f.Camera] = f.Seq
		}
		if w := testFrame(f.Camera, f.Epoch, int(f.Seq), len(f.Data)); !bytes.Equal(f.Data, w.Data) || f.Width != w.Width || f.Node != w.Node || f.ContentType != w.ContentType {
			t.Errorf("%s came out as another: %+v", f.ID(), f)
		}
	}
	if d := cmp.Diff(seen, want); d != "" {
		t.Errorf("frames stored (-got +want):\n%s", d)
	}
}

// readFrames reads FRAMES from its beginning.
func readFrames(t *testing.T, s *Server) []*schema.Frame {
	t.Helper()
	var all []*schema.Frame
	for _, m := range messages(t, s, schema.StreamFrames) {
		f, err := schema.Decode(m.Subject(), m.Headers(), m.Data())
		if err != nil {
			t.Fatalf("frame %d: %v", len(all)+1, err)
		}
		all = append(all, f)
	}
	return all
}

// messages are all that a stream holds.
func messages(t *testing.T, s *Server, name string) []jetstream.Msg {
	t.Helper()
	js := stream(t, s)
	st, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]jetstream.Msg, st.CachedInfo().State.Msgs)
	c, err := js.OrderedConsumer(t.Context(), name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if all[i], err = c.Next(jetstream.FetchMaxWait(5 * time.Second)); err != nil {
			t.Fatalf("reading message %d of %s: %v", i+1, name, err)
		}
	}
	return all
}

// testFrame is the same for the same arguments, but for its time.
func testFrame(camera string, epoch int64, seq, bytes int) *schema.Frame {
	data := make([]byte, bytes)
	for i := range data {
		data[i] = byte(seq + i)
	}
	return &schema.Frame{Site: "test", Camera: camera, Node: "node-1", Epoch: epoch, Seq: uint64(seq), Captured: time.Now().UTC().Truncate(time.Microsecond),
		ContentType: schema.ContentJPEG, Width: 160 + seq%7, Height: 120, Data: data}
}

func TestPublisher_StoresFramesUnderTheirIdentityInOrder(t *testing.T) {
	const frames = 200
	s := runServer(t)
	p, err := newPublisher(s, 1<<40, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	r := newLedger()
	want := map[string]int{}
	var lanes sync.WaitGroup
	for i := range 6 {
		id := fmt.Sprintf("cam-%d", i)
		want[id] = frames
		l := p.newLane(id, 64<<20, r)
		lanes.Go(func() { l.run(t.Context()) })
		lanes.Go(func() {
			for seq := range frames {
				l.push(testFrame(id, 7, seq+1, 10_000))
			}
			l.close()
		})
	}
	lanes.Wait()
	r.wantStored(t, s, want, nil)
	wantIdle(t, p)
}

// TestPublisher_ServerRestartsLoseAndRepeatNothing stops and starts the server under lanes at work. Only frames that were sent again
// may be out of order.
func TestPublisher_ServerRestartsLoseAndRepeatNothing(t *testing.T) {
	const frames = 600
	s := newServer(t)
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	p, err := newPublisher(s, 1<<40, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	r := newLedger()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	want := map[string]int{}
	var sent sync.Map // how often, by identity
	var lanes sync.WaitGroup
	for i := range 3 {
		id := fmt.Sprintf("cam-%d", i)
		want[id] = frames
		l := p.newLane(id, 256<<20, r)
		publish := l.send
		l.send = func(s *sending) {
			if _, before := sent.LoadOrStore(s, false); before {
				sent.Store(s.frame.ID(), true)
			}
			publish(s)
		}
		lanes.Go(func() { l.run(ctx) })
		lanes.Go(func() {
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for seq := range frames {
				<-pace.C
				l.push(testFrame(id, 7, seq+1, 20_000))
			}
			l.close()
		})
	}
	for n := 300; n <= 900; n += 300 {
		harness.WaitFor(t, 10*time.Second, fmt.Sprintf("%d frames", n), func() bool { return r.count() >= n })
		s.stop()
		if err := s.start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	lanes.Wait()
	r.wantStored(t, s, want, func(f *schema.Frame) bool {
		_, again := sent.Load(f.ID())
		return again
	})
	wantIdle(t, p)
}

// TestPublisher_ErrorsAreLoggedOnceInAWhile keeps an outage from filling the log.
func TestPublisher_ErrorsAreLoggedOnceInAWhile(t *testing.T) {
	var out bytes.Buffer
	p := &publisher{log: slog.New(slog.NewTextHandler(&out, nil)), errs: map[string]time.Time{}}
	for range 100 {
		p.warn(errors.New("no answer"))
	}
	if got := strings.Count(out.String(), "no answer"); got != 1 {
		t.Errorf("logged %d times, want once:\n%s", got, &out)
	}
}

// wantIdle fails unless nothing is in flight.
func wantIdle(t *testing.T, p *publisher) {
	t.Helper()
	if !p.room.TryAcquire(inFlightBytes) {
		t.Error("room in flight is left taken")
	}
	if len(p.sent) > 0 {
		t.Errorf("%d messages are still known as sent", len(p.sent))
	}
}
