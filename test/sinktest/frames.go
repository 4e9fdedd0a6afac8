package sinktest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Frame makes a valid frame of a camera with a body of the given size, in which no byte is like its neighbours.
func Frame(camera string, seq uint64, size int) *schema.Frame {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(uint64(i)*31 + seq + uint64(i>>8))
	}
	return &schema.Frame{
		Site: "lisbon", Camera: camera, Node: "gate-7", Epoch: 1795419833100, Seq: seq,
		Captured: time.Date(2026, 11, 23, 7, 44, 5, 298003000, time.UTC).Add(time.Duration(seq) * 100 * time.Millisecond),
		PTS:      int64(seq) * 9000, HasPTS: true,
		ContentType: schema.ContentJPEG, Width: 1280, Height: 720, Data: body,
	}
}

// frames makes n frames of the test's own camera, of sizes from nearly nothing to most.
func frames(t testing.TB, n, most int) []*schema.Frame {
	name := t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]
	all := make([]*schema.Frame, n)
	for i := range all {
		all[i] = Frame(name, uint64(i+1), 1+i*7919%most)
	}
	return all
}

// ledger notes how frames ended, in the order of the calls of done.
type ledger struct {
	mu   sync.Mutex
	ends []end
	lost bool // a frame ended with ErrNotConnected

	refused []int // frames that ended with ErrRejected, as check finds them
}

type end struct {
	frame int
	err   error
}

func (l *ledger) done(frame int) func(error) {
	return func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ends = append(l.ends, end{frame, err})
		l.lost = l.lost || errors.Is(err, bridge.ErrNotConnected)
	}
}

// count is how many frames have ended, and whether one of them for want of a connection.
func (l *ledger) count() (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ends), l.lost
}

// check fails the test unless each of the frames from first on has ended once, in order, those that the broker answered for before those
// that found no connection. It returns how many were answered for: confirmed or, as it also notes, refused.
func (l *ledger) check(t testing.TB, first, sent int) int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ends) != sent {
		t.Fatalf("%d of %d frames ended", len(l.ends), sent)
	}
	answered := 0
	for i, e := range l.ends {
		refused := errors.Is(e.err, bridge.ErrRejected)
		switch {
		case e.frame != first+i:
			t.Fatalf("frame %d ended where %d was next", e.frame, first+i)
		case (e.err == nil || refused) && answered < i:
			t.Fatalf("frame %d was answered for after %v", e.frame, l.ends[i-1].err)
		case e.err == nil || refused:
			answered++
		case !errors.Is(e.err, bridge.ErrNotConnected):
			t.Fatalf("frame %d ended with %v", e.frame, e.err)
		}
		if refused {
			l.refused = append(l.refused, e.frame)
		}
	}
	return answered
}

// checkReceived waits until the broker has all frames, and fails the test unless they first arrived in order.
func checkReceived(t testing.TB, b Broker, all []*schema.Frame) {
	t.Helper()
	if err := sameOrder(received(t, b, all), all); err != nil {
		t.Error(err)
	}
}

// received waits until the broker has all frames, and returns their ids in the order of first arrival.
func received(t testing.TB, b Broker, all []*schema.Frame) []string {
	t.Helper()
	prefix := all[0].CameraName() + "."
	var got []string
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; len(got) < len(all) && time.Now().Before(deadline); <-tick.C {
		got = firstArrivals(b.Received(t), prefix)
	}
	return got
}

func firstArrivals(ids []string, prefix string) []string {
	seen := make(map[string]bool)
	var first []string
	for _, id := range ids {
		if strings.HasPrefix(id, prefix) && !seen[id] {
			seen[id] = true
			first = append(first, id)
		}
	}
	return first
}

func sameOrder(got []string, want []*schema.Frame) error {
	for i, f := range want {
		if i >= len(got) || got[i] != f.ID() {
			return fmt.Errorf("%d of %d frames arrived, and number %d is not %s", len(got), len(want), i, f.ID())
		}
	}
	return nil
}
