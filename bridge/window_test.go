package bridge_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func item(seq uint64, size int, done func(error)) bridge.Item {
	return bridge.Item{Frame: &schema.Frame{Seq: seq, Data: make([]byte, size)}, Done: done}
}

func TestWindow_AnswersInTheOrderOfPush(t *testing.T) {
	t.Parallel()
	w := bridge.NewWindow(16, 1<<20)
	const n = 5000
	var answered []uint64
	var pushed sync.WaitGroup
	pushed.Go(func() {
		for seq := uint64(1); seq <= n; seq++ {
			w.Push(context.Background(), item(seq, 1, func(err error) {
				if err != nil {
					t.Errorf("frame %d: %v", seq, err)
				}
				answered = append(answered, seq)
			}))
		}
		w.Close()
	})
	var items []bridge.Item
	for {
		if items = w.Take(items); len(items) == 0 {
			break
		}
		if len(items) > 16 {
			t.Errorf("%d frames taken at once, want 16 at most", len(items))
		}
		for _, it := range items {
			w.Answer(it, nil)
		}
	}
	pushed.Wait()
	if !slices.Equal(answered, count(1, n)) || !w.Idle() {
		t.Errorf("%d frames answered, want %d in order", len(answered), n)
	}
}

func TestWindow_IsBoundedInFramesAndBytes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frames, bytes, size, room int
	}{
		"frames":                        {frames: 3, bytes: 1000, size: 1, room: 3},
		"bytes":                         {frames: 100, bytes: 1000, size: 400, room: 2},
		"bytes exactly":                 {frames: 100, bytes: 1000, size: 500, room: 2},
		"a frame larger than the bound": {frames: 100, bytes: 1000, size: 5000, room: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := bridge.NewWindow(c.frames, c.bytes)
			none := func(error) {}
			for range c.room {
				w.Push(t.Context(), item(1, c.size, none)) // does not block
			}
			pushed := make(chan struct{})
			go func() {
				defer close(pushed)
				w.Push(context.Background(), item(2, c.size, none))
			}()
			items := w.Take(nil)
			if len(items) != c.room || blocked(pushed) != true {
				t.Fatalf("%d frames have room, want %d", len(items), c.room)
			}
			w.Answer(items[0], nil) // a frame taken keeps its room until it is answered
			<-pushed
			if got := len(w.Take(nil)); got != 1 {
				t.Errorf("%d frames after one was answered, want 1", got)
			}
		})
	}
}

// blocked reports whether nothing happens for a moment.
func blocked(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	case <-time.After(30 * time.Millisecond):
		return true
	}
}

func TestWindow_PushWithoutRoomIsAnsweredInItsTurnWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	w := bridge.NewWindow(2, 1000)
	var answers []error
	done := func(err error) { answers = append(answers, err) }
	w.Push(t.Context(), item(1, 1, done))
	w.Push(t.Context(), item(2, 1, done))
	cause := errors.New("session over")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	w.Push(ctx, item(3, 1, done)) // returns although nothing was answered
	w.Push(ctx, item(4, 1, done))
	items := w.Take(nil)
	if len(answers) != 0 || len(items) != 4 {
		t.Fatalf("%d answered and %d taken, want none and four", len(answers), len(items))
	}
	for i, it := range items {
		if it.Frame.Seq != uint64(i+1) {
			t.Errorf("frame %d at %d", it.Frame.Seq, i)
		}
		if refused := it.Err != nil; refused != (i >= 2) || refused && (!errors.Is(it.Err, bridge.ErrNotConnected) || !errors.Is(it.Err, cause)) {
			t.Errorf("frame %d: %v", it.Frame.Seq, it.Err)
		}
		w.Answer(it, it.Err)
	}
	if !w.Idle() || len(answers) != 4 {
		t.Errorf("%d answered, want four", len(answers))
	}
}

func TestWindow_CloseEndsTakeOnceAllIsTaken(t *testing.T) {
	t.Parallel()
	w := bridge.NewWindow(10, 1000)
	w.Push(t.Context(), item(1, 1, func(error) {}))
	w.Close()
	if got := len(w.Take(nil)); got != 1 {
		t.Errorf("%d frames, want 1", got)
	}
	if got := len(w.Take(nil)); got != 0 {
		t.Errorf("%d frames after the last, want none", got)
	}
	empty := bridge.NewWindow(10, 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		empty.Take(nil)
	}()
	empty.Close()
	<-ended
}

func TestCurrent_CloseEndsASendThatWaitsForRoom(t *testing.T) {
	t.Parallel()
	s := newBroker()
	s.holding.Store(true)
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var answers []error
	sent := 0
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for lost := false; !lost; {
			s.Send(context.Background(), frame(uint64(sent+1)), func(err error) {
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, err)
			})
			sent++
			mu.Lock()
			lost = len(answers) > 0
			mu.Unlock()
		}
	}()
	harness.WaitFor(t, 30*time.Second, "a full window", func() bool { return len(s.arrived()) > 0 })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-stopped
	mu.Lock()
	defer mu.Unlock()
	if len(answers) != sent {
		t.Errorf("%d of %d frames answered", len(answers), sent)
	}
	for _, err := range answers {
		if !errors.Is(err, bridge.ErrNotConnected) {
			t.Errorf("%v, want %v", err, bridge.ErrNotConnected)
		}
	}
}
