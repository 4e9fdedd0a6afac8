package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/semaphore"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

// rig is a lane with a publisher that does what the test says.
type rig struct {
	*lane
	mu     sync.Mutex
	sent   []*sending
	answer func(*sending) // called for each frame sent, nil: none
	acked  []uint64

	ackedFrames []*schema.Frame
	drops       map[string]int
	gapsGot     []gap
	losses      []gap
}

func newRig(most, inFlight int64) *rig {
	r := &rig{drops: map[string]int{}}
	r.lane = newLane(most, &queues{most: 1 << 40}, semaphore.NewWeighted(inFlight), r, func(s *sending) {
		r.mu.Lock()
		r.sent = append(r.sent, s)
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(s)
		}
	})
	return r
}

// ack and fail do what the publisher does with the stream's answer.
func (r *rig) ack(s *sending) {
	r.room.Release(size(s.frame))
	r.acknowledged(s)
}

func (r *rig) fail(s *sending) { r.unacknowledged(s) }

func (r *rig) stored(f *schema.Frame, _ time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked = append(r.acked, f.Seq)
	r.ackedFrames = append(r.ackedFrames, f)
}

func (r *rig) gone(g gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gapsGot = append(r.gapsGot, g)
}

func (r *rig) dropped(reason string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drops[reason] += n
}

func (r *rig) lost(g gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losses = append(r.losses, g)
}

func (r *rig) setAnswer(answer func(*sending)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *rig) seqs() (all []uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sent {
		all = append(all, s.frame.Seq)
	}
	return all
}

func (r *rig) waitSent(t *testing.T, want ...uint64) {
	t.Helper()
	harness.WaitFor(t, 5*time.Second, "frames to be sent", func() bool { return len(r.seqs()) >= len(want) })
	if got := r.seqs(); !slices.Equal(got, want) {
		t.Fatalf("sent %v, want %v", got, want)
	}
}

// start runs the lane; stop ends it.
func (r *rig) start(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.run(ctx)
	}()
	wait := func() {
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Error("the lane does not end")
		}
	}
	t.Cleanup(func() { cancel(); wait() })
	return func() { cancel(); wait() }
}

func TestLane_QueuesTogetherStayWithinTheirBound(t *testing.T) {
	a, b := newRig(100*one, 1), newRig(100*one, 1) // nothing runs: all that is pushed waits
	b.all = a.all
	a.all.most = 4 * one
	for seq := range uint64(3) {
		a.push(picture(1, seq+1))
	}
	for seq := range uint64(3) {
		b.push(picture(1, seq+1))
	}
	if held := a.all.bytes.Load(); held > a.all.most {
		t.Errorf("%d bytes wait where %d may", held, a.all.most)
	}
	if len(a.queue) != 3 || len(b.queue) != 1 || b.queue[0].Seq != 3 || b.drops[dropQueueFull] != 2 {
		t.Errorf("%d and %d frames wait, %v dropped: the lane that takes one must give up its own oldest", len(a.queue), len(b.queue), b.drops)
	}
	for _, r := range []*rig{a, b} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r.run(ctx)
	}
	if held := a.all.bytes.Load(); held != 0 {
		t.Errorf("%d bytes are still counted", held)
	}
}

// picture counts as 2048 bytes.
func picture(epoch int64, seq uint64) *schema.Frame {
	return &schema.Frame{Site: "test", Camera: "cam", Epoch: epoch, Seq: seq, Data: make([]byte, 1024)}
}

const one = 2048

func TestLane_KeepsOrderAndDrains(t *testing.T) {
	r := newRig(100*one, 10*one)
	r.answer = r.ack
	r.start(t)
	var want []uint64
	for seq := uint64(1); seq <= 50; seq++ {
		r.push(picture(1, seq))
		want = append(want, seq)
	}
	r.close()
	harness.WaitFor(t, 5*time.Second, "everything acknowledged", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.acked) == 50 })
	if !slices.Equal(r.seqs(), want) || !slices.Equal(r.acked, want) || len(r.drops)+len(r.gapsGot)+len(r.losses) > 0 {
		t.Errorf("sent %v, acknowledged %v, dropped %v, %v, %v", r.seqs(), r.acked, r.drops, r.gapsGot, r.losses)
	}
	if !r.room.TryAcquire(10 * one) {
		t.Error("room is left taken")
	}
}

func TestLane_FullDropsOldest(t *testing.T) {
	r := newRig(3*one, 100*one)
	for _, f := range []*schema.Frame{picture(1, 1), picture(1, 2), picture(1, 3), picture(1, 5), picture(2, 1), picture(2, 2), picture(2, 3)} {
		r.push(f)
	}
	if want := map[string]int{dropQueueFull: 4}; !cmp.Equal(r.drops, want) || r.bytes != 3*one {
		t.Errorf("dropped %v, want %v; %d bytes queued", r.drops, want, r.bytes)
	}
	if len(r.gapsGot) > 0 {
		t.Errorf("gaps %v before they ended", r.gapsGot)
	}
	r.start(t)
	r.waitSent(t, 1, 2, 3)
	want := []gap{{epoch: 1, first: 1, last: 5, count: 4, reason: dropQueueFull}}
	if d := cmp.Diff(r.gapsGot, want, cmp.AllowUnexported(gap{})); d != "" {
		t.Errorf("gaps (-got +want):\n%s", d)
	}
}

func TestLane_GapsOfTwoEpochsAreTwo(t *testing.T) {
	r := newRig(2*one, 100*one)
	for _, f := range []*schema.Frame{picture(1, 7), picture(1, 8), picture(2, 1), picture(2, 2), picture(2, 3), picture(2, 4)} {
		r.push(f)
	}
	r.start(t)
	r.waitSent(t, 3, 4)
	want := []gap{{epoch: 1, first: 7, last: 8, count: 2, reason: dropQueueFull}, {epoch: 2, first: 1, last: 2, count: 2, reason: dropQueueFull}}
	if d := cmp.Diff(r.gapsGot, want, cmp.AllowUnexported(gap{})); d != "" {
		t.Errorf("gaps (-got +want):\n%s", d)
	}
}

func TestLane_FrameLargerThanTheQueueStillGoes(t *testing.T) {
	r := newRig(one, 100*one)
	large := picture(1, 2)
	large.Data = make([]byte, 10*one)
	r.push(picture(1, 1))
	r.push(large)
	r.start(t)
	r.waitSent(t, 2)
}

func TestLane_FailedAreSentAgainInOrderBeforeNewer(t *testing.T) {
	r := newRig(100*one, 100*one)
	r.start(t)
	for seq := uint64(1); seq <= 4; seq++ {
		r.push(picture(1, seq))
	}
	r.waitSent(t, 1, 2, 3, 4)
	sent := slices.Clone(r.sent)
	r.fail(sent[3])
	r.fail(sent[1])
	r.push(picture(1, 5)) // waits
	r.ack(sent[0])
	r.setAnswer(r.ack)
	r.ack(sent[2]) // the last in flight: now the failed ones go
	r.waitSent(t, 1, 2, 3, 4, 2, 4, 5)
	harness.WaitFor(t, 5*time.Second, "all acknowledged", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.acked) == 5 })
	if !r.room.TryAcquire(100 * one) {
		t.Error("room is left taken")
	}
}

func TestLane_FailureEndsTheWaitForRoom(t *testing.T) {
	r := newRig(100*one, 2*one)
	r.start(t)
	for seq := uint64(1); seq <= 4; seq++ {
		r.push(picture(1, seq))
	}
	r.waitSent(t, 1, 2) // 3 waits for room, which the first two keep when they fail
	harness.WaitFor(t, 5*time.Second, "the wait for room", func() bool { r.lane.mu.Lock(); defer r.lane.mu.Unlock(); return r.stopWait != nil })
	sent := slices.Clone(r.sent)
	r.setAnswer(r.ack)
	r.fail(sent[0])
	r.fail(sent[1])
	r.waitSent(t, 1, 2, 1, 2, 3, 4)
}

func TestLane_RoomIsSharedWithOtherCameras(t *testing.T) {
	r := newRig(3*one, 1*one)
	if !r.room.TryAcquire(one) { // another camera's
		t.Fatal("no room")
	}
	r.answer = r.ack
	r.start(t)
	for seq := uint64(1); seq <= 8; seq++ {
		r.push(picture(1, seq))
	}
	harness.WaitFor(t, 5*time.Second, "the wait for room", func() bool { r.lane.mu.Lock(); defer r.lane.mu.Unlock(); return r.stopWait != nil })
	if n := len(r.seqs()); n > 0 {
		t.Fatalf("%d sent without room", n)
	}
	r.room.Release(one)
	harness.WaitFor(t, 5*time.Second, "the newest", func() bool { s := r.seqs(); return len(s) > 0 && s[len(s)-1] == 8 })
	total := r.drops[dropQueueFull] + len(r.seqs())
	if total != 8 || !slices.IsSorted(r.seqs()) {
		t.Errorf("%v sent and %v dropped of 8", r.seqs(), r.drops)
	}
}

func TestLane_StopCountsWhatIsLeft(t *testing.T) {
	r := newRig(2*one, 2*one)
	stop := r.start(t)
	r.push(picture(1, 1))
	r.push(picture(1, 2))
	r.waitSent(t, 1, 2)
	for seq := uint64(3); seq <= 7; seq++ {
		r.push(picture(1, seq))
	}
	r.fail(r.sent[1]) // the other stays unanswered
	stop()
	lost := []gap{{epoch: 1, first: 1, last: 2, count: 2, reason: lostUnacknowledged}}
	if d := cmp.Diff(r.losses, lost, cmp.AllowUnexported(gap{})); d != "" {
		t.Errorf("lost (-got +want):\n%s", d)
	}
	var gone uint64
	for _, g := range r.gapsGot {
		gone += g.count
		if g.first > g.last || g.count > g.last-g.first+1 { // a frame that waited for room may stand apart from its gap's others
			t.Errorf("gap %+v", g)
		}
	}
	if gone != 5 || r.drops[dropQueueFull]+r.drops[dropShutdown] != 5 || r.drops[dropShutdown] < 2 {
		t.Errorf("dropped %v, gaps %+v, want five", r.drops, r.gapsGot)
	}
	// What comes after that is told of once, too: an answer that is late counts for nothing, a frame is dropped.
	r.ack(r.sent[0])
	r.push(picture(2, 1))
	last := r.gapsGot[len(r.gapsGot)-1]
	if want := (gap{epoch: 2, first: 1, last: 1, count: 1, reason: dropShutdown}); len(r.acked) > 0 || last != want || r.drops[dropQueueFull]+r.drops[dropShutdown] != 6 {
		t.Errorf("afterwards acknowledged %v, dropped %v, last gap %+v, want none, six, %+v", r.acked, r.drops, last, want)
	}
}

// TestLane_DrainReportsDropsOfBefore ends while the queue overflows, over an epoch's end: every drop is in a gap.
func TestLane_DrainReportsDropsOfBefore(t *testing.T) {
	r := newRig(2*one, one)
	if !r.room.TryAcquire(one) { // another camera's: nothing moves
		t.Fatal("no room")
	}
	for _, f := range []*schema.Frame{picture(1, 1), picture(1, 2), picture(1, 3), picture(2, 1), picture(2, 2), picture(2, 3)} {
		r.push(f)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.run(ctx)
	want := []gap{{epoch: 1, first: 1, last: 3, count: 3, reason: dropQueueFull}, {epoch: 2, first: 1, last: 1, count: 1, reason: dropQueueFull},
		{epoch: 2, first: 2, last: 3, count: 2, reason: dropShutdown}}
	if d := cmp.Diff(r.gapsGot, want, cmp.AllowUnexported(gap{})); d != "" {
		t.Errorf("gaps (-got +want):\n%s", d)
	}
	if want := map[string]int{dropQueueFull: 4, dropShutdown: 2}; !cmp.Equal(r.drops, want) {
		t.Errorf("dropped %v, want %v", r.drops, want)
	}
}

// TestLane_FrameThatWaitedForRoomMayBeDroppedAfterNewer keeps a gap true when it goes back into the queue behind the drops.
func TestLane_FrameThatWaitedForRoomMayBeDroppedAfterNewer(t *testing.T) {
	r := newRig(2*one, one)
	for seq := uint64(1); seq <= 3; seq++ {
		r.push(picture(1, seq)) // the queue holds two: 1 goes
	}
	s, _, _ := r.next() // 2 waits for room
	r.push(picture(1, 4))
	r.push(picture(1, 5)) // 3 goes
	r.unpop(s)            // 2 is back, ahead of 4
	r.push(picture(1, 6)) // 2 and 4 go
	if s, _, _ = r.next(); s.frame.Seq != 5 {
		t.Errorf("frame %d comes next, want 5", s.frame.Seq)
	}
	want := []gap{{epoch: 1, first: 1, last: 1, count: 1, reason: dropQueueFull}, {epoch: 1, first: 2, last: 4, count: 3, reason: dropQueueFull}}
	if d := cmp.Diff(r.gapsGot, want, cmp.AllowUnexported(gap{})); d != "" {
		t.Errorf("gaps (-got +want):\n%s", d)
	}
}

// TestLane_TwoLanesWhoseFailuresHoldAllRoom must not wait for each other.
func TestLane_TwoLanesWhoseFailuresHoldAllRoom(t *testing.T) {
	a, b := newRig(100*one, 4*one), newRig(100*one, 0)
	b.room = a.room
	for _, r := range []*rig{a, b} {
		tries := 0
		r.answer = func(s *sending) { // the first six sendings of each fail
			if tries++; tries <= 6 {
				r.fail(s)
				return
			}
			r.ack(s)
		}
		for seq := uint64(1); seq <= 8; seq++ {
			r.push(picture(1, seq))
		}
		r.close()
	}
	a.start(t)
	b.start(t)
	for name, r := range map[string]*rig{"a": a, "b": b} {
		harness.WaitFor(t, 10*time.Second, "all frames of lane "+name, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.acked) == 8 })
	}
	if !a.room.TryAcquire(4 * one) {
		t.Error("room is left taken")
	}
}

// TestLane_EveryFrameIsAccountedForOnce runs lanes on random schedules of frames, failures, late answers and stops. Time is made up.
func TestLane_EveryFrameIsAccountedForOnce(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomLanes(t, seed) })
		})
	}
}

func randomLanes(t *testing.T, seed uint64) {
	stops := seed%2 == 0
	rnd := rand.New(rand.NewPCG(seed, 1))
	room := semaphore.NewWeighted(int64(2+rnd.IntN(8)) * one)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var lanes sync.WaitGroup
	rigs := make([]*rig, 3)
	pushed := make([]map[gap]bool, len(rigs)) // a frame is a gap of one, without its reason
	for i := range rigs {
		r := newRig(int64(3+rnd.IntN(20))*one, 0)
		r.room = room
		rigs[i], pushed[i] = r, map[gap]bool{}
		dice := rand.New(rand.NewPCG(seed, uint64(i)+2))
		r.answer = func(s *sending) { // called by one goroutine
			answer := r.ack
			if dice.IntN(10) < 2 {
				answer = r.fail
			}
			if dice.IntN(4) == 0 {
				answer(s) // from within send, as a connection that is down does
				return
			}
			time.AfterFunc(time.Duration(dice.IntN(200))*time.Millisecond, func() { answer(s) })
		}
		lanes.Go(func() { r.run(ctx) })
		frames, epochs := 50+rnd.IntN(100), int64(1+rnd.IntN(3))
		period := time.NewTicker(time.Duration(1+rnd.IntN(40)) * time.Millisecond)
		lanes.Go(func() {
			defer r.close()
			defer period.Stop()
			for epoch := range epochs {
				for seq := range uint64(frames) {
					<-period.C
					f := picture(epoch+1, seq+1)
					pushed[i][gap{epoch: f.Epoch, first: f.Seq}] = true
					r.push(f)
				}
			}
		})
	}
	if stops {
		time.AfterFunc(time.Duration(rnd.IntN(3000))*time.Millisecond, cancel)
	}
	lanes.Wait()
	<-time.After(time.Minute) // every answer has come, the late ones too
	if !stops && !room.TryAcquire(2*one) {
		t.Error("room is left taken")
	}

	for i, r := range rigs {
		first := map[*schema.Frame]bool{}
		newest := &schema.Frame{}
		for _, s := range r.sent {
			if f := s.frame; !first[f] {
				if first[f] = true; f.Epoch < newest.Epoch || f.Epoch == newest.Epoch && f.Seq <= newest.Seq {
					t.Errorf("lane %d: frame %d.%d was sent after %d.%d", i, f.Epoch, f.Seq, newest.Epoch, newest.Seq)
				}
				newest = f
			}
		}
		got := map[gap]int{}
		var inGaps, counted uint64
		for _, s := range r.ackedFrames {
			got[gap{epoch: s.Epoch, first: s.Seq}]++
		}
		for _, g := range slices.Concat(r.gapsGot, r.losses) {
			inGaps += g.count
			if g.first > g.last || g.count > g.last-g.first+1 || g.epoch == 0 || g.reason == "" {
				t.Errorf("lane %d: gap %+v", i, g)
			}
		}
		for _, n := range r.drops {
			counted += uint64(n)
		}
		for _, g := range r.losses {
			counted += g.count
		}
		if counted != inGaps {
			t.Errorf("lane %d: %d frames counted as dropped %v or lost, %d in gaps", i, counted, r.drops, inGaps)
		}
		if total := len(r.ackedFrames) + int(counted); total != len(pushed[i]) {
			t.Errorf("lane %d: %d stored and %d given up, want the %d pushed", i, len(r.ackedFrames), counted, len(pushed[i]))
		}
		for f, n := range got {
			if n != 1 || !pushed[i][f] {
				t.Errorf("lane %d: frame %d.%d stored %d times", i, f.epoch, f.first, n)
			}
		}
		if !stops && len(r.losses)+r.drops[dropShutdown] > 0 {
			t.Errorf("lane %d: lost %v, dropped %v without a stop", i, r.losses, r.drops)
		}
	}
}

func TestLane_ClosedLaneWaitsForAcknowledgements(t *testing.T) {
	r := newRig(10*one, 10*one)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); r.run(ctx) }()
	r.push(picture(1, 1))
	r.push(picture(1, 2))
	r.close()
	r.waitSent(t, 1, 2)
	select {
	case <-done:
		t.Error("ended before the stream had answered")
	default:
	}
	r.setAnswer(r.ack)
	r.ack(r.sent[0])
	r.fail(r.sent[1])
	<-done
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || !slices.Equal(r.acked, []uint64{1, 2}) || len(r.losses) > 0 {
		t.Errorf("acknowledged %v, lost %v, %v", r.acked, r.losses, ctx.Err())
	}
}

// TestLane_LastAnswerWakesIt sends a failed frame again, and what is queued behind it, when nothing else happens any more.
func TestLane_LastAnswerWakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(100*one, 100*one)
		defer r.start(t)()
		r.push(picture(1, 1))
		r.push(picture(1, 2))
		synctest.Wait()
		sent := slices.Clone(r.sent)
		r.fail(sent[0])
		synctest.Wait() // it waits for the answer about the other
		r.push(picture(1, 3))
		synctest.Wait() // still
		r.setAnswer(r.ack)
		r.ack(sent[1])
		<-time.After(time.Minute)
		if got, want := r.seqs(), []uint64{1, 2, 1, 3}; !slices.Equal(got, want) {
			t.Errorf("sent %v, want %v", got, want)
		}
	})
}

// TestLane_DoesNotWaitForRoomAfterAFailure covers the moment between finding no room and waiting for it.
func TestLane_DoesNotWaitForRoomAfterAFailure(t *testing.T) {
	r := newRig(100*one, one)
	r.push(picture(1, 1))
	s, _, _ := r.next()
	if !r.waitForRoom(t.Context(), one) {
		t.Fatal("no room for the first")
	}
	r.fail(s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if r.waitForRoom(ctx, one) || ctx.Err() != nil {
		t.Error("waits for the room that its own frame keeps")
	}
}
