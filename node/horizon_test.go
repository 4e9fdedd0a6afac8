package node

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/test/harness"
)

func TestHorizon_IsWhateverLimitComesFirst(t *testing.T) {
	for _, c := range []struct {
		age   time.Duration
		bytes int64
		rate  float64
		want  time.Duration
	}{
		{6 * time.Hour, 10 << 30, 0, 6 * time.Hour},
		{6 * time.Hour, 10 << 30, -1, 6 * time.Hour},
		{6 * time.Hour, 3600 << 20, 1 << 20, time.Hour},
		{6 * time.Hour, 10 << 30, 1, 6 * time.Hour},
		{6 * time.Hour, 0, 1 << 20, 0},
		{6 * time.Hour, 1 << 62, 1e-9, 6 * time.Hour},
		{time.Second, 1 << 20, 2 << 20, 500 * time.Millisecond},
	} {
		if got := Horizon(c.age, c.bytes, c.rate); got != c.want {
			t.Errorf("Horizon(%v, %d, %v) = %v, want %v", c.age, c.bytes, c.rate, got, c.want)
		}
	}
}

// reel is a stream of frames of one size, which all nodes of a site fill, and how a node without cameras looks at it.
type reel struct {
	now     time.Time
	age     time.Duration
	most    int64 // bytes
	frames  []time.Time
	gone    uint64 // frames that were discarded
	pending uint64
	horizon horizon
}

const reelFrame = 1 << 10

func newReel(age time.Duration, most int64) *reel {
	return &reel{now: time.Now(), age: age, most: most}
}

// run lets time pass in which frames come at a distance, 0 for none, and the bridge takes them or not.
func (r *reel) run(d, distance time.Duration, taken bool) {
	for end := r.now.Add(d); r.now.Before(end); {
		step := statusPeriod
		if distance > 0 && distance < step {
			step = distance
		}
		r.now = r.now.Add(step)
		if distance > 0 && r.now.Sub(end)%distance == 0 {
			r.frames = append(r.frames, r.now)
			r.pending++
		}
		if taken {
			r.pending = 0
		}
		for len(r.frames) > 0 && (r.now.Sub(r.frames[0]) >= r.age || int64(len(r.frames))*reelFrame > r.most) {
			r.frames = r.frames[1:]
			r.gone++
		}
		r.pending = min(r.pending, uint64(len(r.frames)))
		if r.now.Sub(end)%statusPeriod == 0 {
			r.look()
		}
	}
}

func (r *reel) look() time.Duration {
	info := &jetstream.StreamInfo{TimeStamp: r.now, State: jetstream.StreamState{Msgs: uint64(len(r.frames)), Bytes: uint64(len(r.frames)) * reelFrame,
		FirstSeq: r.gone + 1, LastSeq: r.gone + uint64(len(r.frames))}}
	if len(r.frames) > 0 {
		info.State.FirstTime = r.frames[0]
	}
	r.horizon.look(r.now, info, r.pending, r.age, r.most)
	return r.horizon.left
}

// TestHorizon_IsWhatTheStreamStillHoldsWhoeverFillsIt looks at streams as a node does that may read none of their cameras.
func TestHorizon_IsWhatTheStreamStillHoldsWhoeverFillsIt(t *testing.T) {
	t.Parallel()
	const second, unbound = time.Second, int64(1) << 40
	for name, c := range map[string]struct {
		age  time.Duration
		most int64
		do   func(*reel)
		want time.Duration
	}{
		"nothing has come":                {6 * time.Hour, unbound, func(r *reel) { r.run(time.Minute, 0, false) }, 6 * time.Hour},
		"all is taken":                    {6 * time.Hour, unbound, func(r *reel) { r.run(7*time.Hour, second, true) }, 6 * time.Hour},
		"an outage":                       {6 * time.Hour, unbound, func(r *reel) { r.run(7*time.Hour, second, true); r.run(2*time.Hour, second, false) }, 4 * time.Hour},
		"an outage from the start":        {6 * time.Hour, unbound, func(r *reel) { r.run(2*time.Hour, second, false) }, 4 * time.Hour},
		"an outage, few frames":           {6 * time.Hour, unbound, func(r *reel) { r.run(7*time.Hour, 90*second, true); r.run(2*time.Hour, 90*second, false) }, 4 * time.Hour},
		"an outage that is over":          {6 * time.Hour, unbound, func(r *reel) { r.run(2*time.Hour, second, false); r.run(time.Minute, second, true) }, 6 * time.Hour},
		"an outage that is too long":      {6 * time.Hour, unbound, func(r *reel) { r.run(7*time.Hour, second, false) }, 0},
		"fewer frames during an outage":   {6 * time.Hour, unbound, func(r *reel) { r.run(2*time.Hour, second, false); r.run(time.Hour, 60*second, false) }, 3 * time.Hour},
		"more frames before an outage":    {6 * time.Hour, unbound, func(r *reel) { r.run(3*time.Hour, second, true); r.run(time.Hour, 60*second, false) }, 5 * time.Hour},
		"cameras that rest, a frame left": {6 * time.Hour, unbound, func(r *reel) { r.run(7*time.Hour, second, true); r.pending = 1; r.run(time.Hour, 0, false) }, 5 * time.Hour},
		"a start during an outage": {6 * time.Hour, unbound, func(r *reel) {
			r.run(7*time.Hour, second, true)
			r.run(2*time.Hour, second, false)
			r.horizon = horizon{}
			r.look()
		}, 4 * time.Hour},
		"by bytes":                     {6 * time.Hour, 3600 * reelFrame, func(r *reel) { r.run(7*time.Hour, second, true) }, time.Hour},
		"by bytes, at a start":         {6 * time.Hour, 3600 * reelFrame, func(r *reel) { r.run(7*time.Hour, second, true); r.horizon = horizon{}; r.look() }, time.Hour},
		"by bytes, at the first start": {6 * time.Hour, 3600 * reelFrame, func(r *reel) { r.run(10*second, second, true) }, time.Hour},
		"by bytes, more cameras":       {6 * time.Hour, 3600 * reelFrame, func(r *reel) { r.run(7*time.Hour, 3*second, true); r.run(3*time.Minute, second, true) }, time.Hour},
		"by bytes, an outage":          {6 * time.Hour, 3600 * reelFrame, func(r *reel) { r.run(7*time.Hour, second, true); r.run(20*time.Minute, second, false) }, 40 * time.Minute},
		"by bytes, too long an outage": {6 * time.Hour, 3600 * reelFrame, func(r *reel) { r.run(7*time.Hour, second, true); r.run(2*time.Hour, second, false) }, 0},
		"by bytes, cameras that rest":  {6 * time.Hour, 3600 * reelFrame, func(r *reel) { r.run(7*time.Hour, second, true); r.pending = 1; r.run(time.Hour, 0, false) }, 5 * time.Hour},
		"a stream that was begun anew": {6 * time.Hour, 3600 * reelFrame, func(r *reel) {
			r.run(2*time.Hour, second, false)
			r.frames, r.gone, r.pending = nil, 0, 0
			r.run(time.Minute, second, true)
		}, time.Hour},
		"a stream of less than a minute": {6 * time.Hour, 30 * reelFrame, func(r *reel) { r.run(time.Hour, second, true) }, 30 * second},
		"a stream of three seconds":      {6 * time.Hour, 3 * reelFrame, func(r *reel) { r.run(time.Hour, second, true) }, 3 * second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReel(c.age, c.most)
			c.do(r)
			if got := r.horizon.left; (got - c.want).Abs() > c.want/50 {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if n := len(r.horizon.marks); n > 1001 {
				t.Errorf("%d marks", n)
			}
		})
	}
}

// TestFleet_HorizonCountsFramesThatOtherNodesStore has a node without cameras look at a stream that others fill, and a bridge that is out.
func TestFleet_HorizonCountsFramesThatOtherNodesStore(t *testing.T) {
	t.Parallel()
	s := runServer(t)
	js := stream(t, s)
	if _, err := js.CreateConsumer(t.Context(), schema.StreamFrames, jetstream.ConsumerConfig{Durable: "cache", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	const most, frame, distance = 32 << 20, 50 << 10, 50 * time.Millisecond // 1 MB/s: half a minute fits
	f := NewFleet(FleetConfig{Site: "test", Node: "node-1", StartsPerSecond: 1, QueueBytes: 1 << 20, DataDir: t.TempDir(),
		Stream: StreamConfig{MaxAge: time.Hour, MaxBytes: most, Replicas: 1}}, s, camera.FFmpeg{}, testLog(t), prometheus.NewRegistry())
	ctx, stop := context.WithCancel(t.Context())
	var others errgroup.Group
	others.Go(func() error { return f.Run(ctx) })
	others.Go(func() error {
		tick := time.NewTicker(distance)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				if _, err := js.Publish(t.Context(), schema.FrameSubject("test", "elsewhere"), make([]byte, frame)); err != nil {
					return err
				}
			}
		}
	})
	at := func(least, most time.Duration) func() bool {
		return func() bool { h := f.Health().Horizon; return least <= h && h <= most }
	}
	harness.WaitFor(t, 30*time.Second, "the rate", at(15*time.Second, 2*time.Minute))
	harness.WaitFor(t, time.Minute, "the outage", at(time.Second, 15*time.Second))
	stop()
	if err := others.Wait(); err != nil {
		t.Error(err)
	}
}

func TestDiskOf_LooksAtTheDiskThatWillHoldTheDirectory(t *testing.T) {
	dir := t.TempDir()
	here, err := DiskOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	if here.Free <= 0 || here.Total < here.Free || here.Floor < 32<<20 || here.Floor > 1<<30 {
		t.Errorf("%+v", here)
	}
	later, err := DiskOf(filepath.Join(dir, "not", "yet", "there"))
	if err != nil || later.Total != here.Total {
		t.Errorf("%+v, %v, want the same disk of %d bytes", later, err, here.Total)
	}
	t.Chdir(dir)
	if relative, err := DiskOf("data"); err != nil || relative.Total != here.Total {
		t.Errorf("a relative path: %+v, %v", relative, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := DiskOf(filepath.Join(file, "below")); err == nil {
		t.Error("a directory below a file has a disk")
	}
}
