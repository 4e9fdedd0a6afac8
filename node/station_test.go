package node

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
	"github.com/edge-video/edge-video/test/harness"
)

// desk is a station whose journal writes to a real server, and whose lane takes frames and sends none.
type desk struct {
	*station
	t      *testing.T
	server *Server
	js     jetstream.JetStream
	reg    *prometheus.Registry
	finish func() // ends the journal, which writes what it has left
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, server: runServer(t), reg: prometheus.NewRegistry()}
	d.js = stream(t, d.server)
	j := journal.New(d.js, "test", "node-1", testLog(t))
	d.station = newStation("cam", "node-1", testLog(t), j, newMetrics(d.reg, "test"), newTenure(nil))
	d.lane = newLane(1<<20, &queues{most: 1 << 40}, semaphore.NewWeighted(1), d.station, func(*sending) {})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	done := false
	d.finish = func() {
		if stop(); done {
			return
		}
		done = true
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(d.finish)
	return d
}

// wantEvents ends the journal and compares what it has written, without the fields that all events share.
func (d *desk) wantEvents(want ...schema.Event) {
	d.t.Helper()
	d.finish()
	var got []schema.Event
	for _, m := range messages(d.t, d.server, schema.StreamEvents) {
		var e schema.Event
		if err := json.Unmarshal(m.Data(), &e); err != nil {
			d.t.Fatal(err)
		}
		if e.Site != "test" || e.Node != "node-1" || e.Class != schema.ClassCamera || e.Name != "cam" || time.Since(e.Time) > time.Minute {
			d.t.Errorf("event %+v", e)
		}
		if w := "events.test.camera.cam." + string(e.Kind); m.Subject() != w {
			d.t.Errorf("event on %s, want %s", m.Subject(), w)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(got, want, cmpopts.IgnoreFields(schema.Event{}, "Time", "Site", "Node", "Class", "Name")); diff != "" {
		d.t.Errorf("events (-got +want):\n%s", diff)
	}
}

// inBucket is the camera's state in the bucket.
func (d *desk) inBucket() (st schema.CameraStatus) {
	d.t.Helper()
	kv, err := d.js.KeyValue(d.t.Context(), schema.BucketCameras)
	if err != nil {
		d.t.Fatal(err)
	}
	entry, err := kv.Get(d.t.Context(), "test.cam")
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return st
	}
	if err != nil {
		d.t.Fatal(err)
	}
	if err := json.Unmarshal(entry.Value(), &st); err != nil {
		d.t.Fatal(err)
	}
	return st
}

func (d *desk) metric(name string, labels map[string]string) float64 {
	d.t.Helper()
	return metricValue(d.t, d.reg, name, labels)
}

// metricValue is a metric's value for the labels that are given, 0 where there is none.
func metricValue(t *testing.T, reg *prometheus.Registry, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				if _, asked := labels[l.GetName()]; asked {
					got[l.GetName()] = l.GetValue()
				}
			}
			if f.GetName() == name && cmp.Equal(got, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

func TestStation_StatesReachBucketAndEvents(t *testing.T) {
	d := newDesk(t)
	fault := errors.New("it is gone")
	for _, c := range []struct {
		state camera.State
		error string // in the bucket
		up    float64
	}{
		{camera.State{State: schema.CameraStarting, Epoch: 1}, "", 0},
		{camera.State{State: schema.CameraUp, Epoch: 1}, "", 1},
		{camera.State{State: schema.CameraStalled, Epoch: 1, Fault: camera.FaultStall, Err: fault}, "it is gone", 0},
		{camera.State{State: schema.CameraBackoff, Epoch: 1, Fault: camera.FaultStall, Err: fault}, "it is gone", 0},
		{camera.State{State: schema.CameraStarting, Epoch: 2}, "it is gone", 0},
		{camera.State{State: schema.CameraBackoff, Epoch: 2, Fault: camera.FaultStall, Err: fault}, "it is gone", 0}, // the same again: no news
		{camera.State{State: schema.CameraBackoff, Epoch: 3, Fault: "refused", Err: errors.New("not you"), Faults: 3}, "not you", 0},
		{camera.State{State: schema.CameraUp, Epoch: 4}, "", 1},
		{camera.State{State: schema.CameraBackoff, Epoch: 4, Fault: "refused", Err: errors.New("not you")}, "not you", 0}, // news, for it was up
		{camera.State{State: schema.CameraDown, Epoch: 4}, "not you", 0},
	} {
		d.State(c.state)
		harness.WaitFor(t, 5*time.Second, "the bucket to have "+string(c.state.State), func() bool {
			st := d.inBucket()
			return st.State == c.state.State && st.Epoch == c.state.Epoch
		})
		if st := d.inBucket(); st.Error != c.error || st.Node != "node-1" || time.Since(st.Since) > time.Minute {
			t.Errorf("in state %s the bucket has %+v, want error %q", c.state.State, st, c.error)
		}
		if got := d.metric("edge_video_camera_up", map[string]string{"camera_id": "cam", "site": "test"}); got != c.up {
			t.Errorf("in state %s camera_up is %v, want %v", c.state.State, got, c.up)
		}
	}
	for reason, want := range map[string]float64{string(camera.FaultStall): 2, "refused": 2} {
		if got := d.metric("edge_video_camera_restarts_total", map[string]string{"reason": reason}); got != want {
			t.Errorf("%v restarts for %s, want %v", got, reason, want)
		}
	}
	state := func(state schema.CameraState, epoch int64, reason, message string) schema.Event {
		return schema.Event{Kind: schema.KindState, State: string(state), Reason: reason, Message: message, Epoch: epoch}
	}
	stall := string(camera.FaultStall)
	third := state(schema.CameraBackoff, 3, "refused", "not you")
	third.Count = 3
	d.wantEvents(state(schema.CameraUp, 1, "", ""), state(schema.CameraStalled, 1, stall, "it is gone"), state(schema.CameraBackoff, 1, stall, "it is gone"),
		third, state(schema.CameraUp, 4, "", ""), state(schema.CameraBackoff, 4, "refused", "not you"),
		state(schema.CameraDown, 4, "", ""))
}

// TestStation_BreakerIsInBucketMetricAndEvents leaves the tries of an open breaker out of the events: they come for as long as the
// camera is away.
func TestStation_BreakerIsInBucketMetricAndEvents(t *testing.T) {
	d := newDesk(t)
	gone := errors.New("gone")
	backoff := camera.State{State: schema.CameraBackoff, Breaker: schema.BreakerOpen, Epoch: 3, Fault: "refused", Err: gone}
	try := camera.State{State: schema.CameraStarting, Breaker: schema.BreakerHalfOpen, Epoch: 4}
	for i, st := range []camera.State{{State: schema.CameraStarting, Breaker: schema.BreakerClosed, Epoch: 2},
		{State: schema.CameraBackoff, Breaker: schema.BreakerClosed, Epoch: 2, Fault: "refused", Err: gone},
		backoff, try, backoff, try, {State: schema.CameraUp, Breaker: schema.BreakerClosed, Epoch: 4}} {
		d.State(st)
		harness.WaitFor(t, 5*time.Second, "the bucket to have the state", func() bool {
			b := d.inBucket()
			return b.State == st.State && b.Breaker == st.Breaker
		})
		if got := d.metric("edge_video_camera_breaker_state", map[string]string{"camera_id": "cam"}); got != st.Breaker.Number() {
			t.Errorf("state %d: the metric is %v, want %v", i, got, st.Breaker.Number())
		}
	}
	d.wantEvents(schema.Event{Kind: schema.KindState, State: "backoff", Reason: "refused", Message: "gone", Epoch: 2},
		schema.Event{Kind: schema.KindBreaker, State: "open", Reason: "refused", Message: "gone", Epoch: 3},
		schema.Event{Kind: schema.KindState, State: "up", Epoch: 4}, schema.Event{Kind: schema.KindBreaker, State: "closed", Epoch: 4})
}

func TestStation_RefusedPicturesAreOneEventPerReasonInTenSeconds(t *testing.T) {
	d := newDesk(t)
	for seq := range uint64(5) {
		d.Rejected(1, seq+1, camera.RejectTorn, "half a picture")
	}
	d.Rejected(1, 6, camera.RejectOverCap, "too large")
	now := time.Now()
	d.send(d.bundles.due(now.Add(bundlePeriod/2), false)) // too early
	d.send(d.bundles.due(now.Add(2*bundlePeriod), false))
	d.send(d.bundles.due(now.Add(4*bundlePeriod), false)) // nothing new
	d.Rejected(1, 8, camera.RejectBeforeKeyframe, "none yet")
	d.Rejected(1, 9, camera.RejectBeforeKeyframe, "none yet")
	d.Rejected(2, 1, camera.RejectBeforeKeyframe, "another epoch")
	d.State(camera.State{State: schema.CameraDown, Epoch: 2}) // the end does not wait for the period
	if got := d.metric("edge_video_pictures_rejected_total", map[string]string{"reason": "torn"}); got != 5 {
		t.Errorf("%v pictures counted as torn, want 5", got)
	}
	rejected := func(reason string, epoch int64, first, last, count uint64, message string) schema.Event {
		return schema.Event{Kind: schema.KindRejected, Reason: reason, Epoch: epoch, FirstSeq: first, LastSeq: last, Count: count, Message: message}
	}
	d.wantEvents(rejected("torn", 1, 1, 1, 1, "half a picture"), rejected("over_cap", 1, 6, 6, 1, "too large"), rejected("torn", 1, 2, 5, 4, "half a picture"),
		rejected("before_keyframe", 1, 8, 8, 1, "none yet"), rejected("before_keyframe", 1, 9, 9, 1, "none yet"), rejected("before_keyframe", 2, 1, 1, 1, "another epoch"), schema.Event{Kind: schema.KindState, State: "down", Epoch: 2})
}

func TestStation_SizeIsAnEventOnlyWhenItChanges(t *testing.T) {
	d := newDesk(t)
	for i, size := range [][2]int{{640, 480}, {640, 480}, {640, 480}, {1280, 720}, {1280, 720}, {640, 480}} {
		f := picture(int64(1+i/2), uint64(i+1))
		f.Width, f.Height = size[0], size[1]
		d.Frame(f)
	}
	if got := len(d.lane.queue); got != 6 {
		t.Errorf("%d frames passed on, want 6", got)
	}
	d.wantEvents(schema.Event{Kind: schema.KindSize, Width: 1280, Height: 720, Epoch: 2, FirstSeq: 4},
		schema.Event{Kind: schema.KindSize, Width: 640, Height: 480, Epoch: 3, FirstSeq: 6})
}

func TestStation_PicturesThatShowNothingReachBucketMetricAndEvents(t *testing.T) {
	d := newDesk(t)
	d.State(camera.State{State: schema.CameraUp, Epoch: 1})
	for i, c := range []struct {
		look     camera.Look
		degraded []string
	}{
		{camera.LookFrozen, []string{"camera cam shows a frozen picture"}},
		{camera.LookBlack, []string{"camera cam shows a black picture"}},
		{camera.LookFine, nil},
		{camera.LookGreen, []string{"camera cam shows a green picture"}},
	} {
		d.Looks(1, uint64(i+1), c.look)
		harness.WaitFor(t, 5*time.Second, "the bucket to have "+string(c.look), func() bool { return d.inBucket().Look == string(c.look) })
		for _, kind := range camera.Looks() {
			want := 0.0
			if kind == c.look {
				want = 1
			}
			if got := d.metric("edge_video_camera_look", map[string]string{"camera_id": "cam", "kind": string(kind)}); got != want {
				t.Errorf("looking %q, the metric of %s is %v, want %v", c.look, kind, got, want)
			}
		}
		if up, _, degraded := reasons(map[string]*post{"cam": {station: d.station}}); up != 1 || !cmp.Equal(degraded, c.degraded) {
			t.Errorf("looking %q, %d are up, reasons %q, want 1, %q", c.look, up, degraded, c.degraded)
		}
		if st := d.inBucket(); st.State != schema.CameraUp {
			t.Errorf("looking %q, the camera is %s, want up", c.look, st.State)
		}
	}
	d.State(camera.State{State: schema.CameraDown, Epoch: 1})
	if got := d.metric("edge_video_camera_look", map[string]string{"kind": "green"}); got != 0 || d.snapshot().Look != "" {
		t.Errorf("a camera that is down looks %q, metric %v", d.snapshot().Look, got)
	}
	look := func(seq uint64, state, reason string) schema.Event {
		return schema.Event{Kind: schema.KindLook, State: state, Reason: reason, Epoch: 1, FirstSeq: seq}
	}
	d.wantEvents(schema.Event{Kind: schema.KindState, State: "up", Epoch: 1}, look(1, "frozen", "frozen"), look(2, "black", "black"), look(3, "ok", ""),
		look(4, "green", "green"), schema.Event{Kind: schema.KindState, State: "down", Epoch: 1})
}

func TestStation_WhatDoesNotComeIsCountedAndTold(t *testing.T) {
	d := newDesk(t)
	d.dropped(dropQueueFull, 3)
	d.gone(gap{epoch: 1, first: 4, last: 6, count: 3, reason: dropQueueFull})
	d.lost(gap{epoch: 1, first: 7, last: 9, count: 2, reason: lostUnacknowledged})
	if got := d.metric("edge_video_frames_dropped_total", map[string]string{"reason": dropQueueFull}); got != 3 {
		t.Errorf("%v frames counted as dropped, want 3", got)
	}
	if got := d.metric("edge_video_frames_dropped_total", map[string]string{"reason": dropShutdown}); got != 0 {
		t.Errorf("%v frames counted as dropped by a stop, want 0", got)
	}
	if got := d.metric("edge_video_frames_lost_total", map[string]string{"camera_id": "cam"}); got != 2 {
		t.Errorf("%v frames counted as lost, want 2", got)
	}
	d.wantEvents(schema.Event{Kind: schema.KindGap, Reason: dropQueueFull, Epoch: 1, FirstSeq: 4, LastSeq: 6, Count: 3},
		schema.Event{Kind: schema.KindLost, Reason: lostUnacknowledged, Epoch: 1, FirstSeq: 7, LastSeq: 9, Count: 2})
}

// TestStation_LastFrameBelongsToItsEpoch keeps epoch and last frame a pair that names a frame.
func TestStation_LastFrameBelongsToItsEpoch(t *testing.T) {
	d := newDesk(t)
	step := func(do func(), epoch int64, seq uint64) {
		t.Helper()
		do()
		if st := d.snapshot(); st.Epoch != epoch || st.LastSeq != seq {
			t.Errorf("last frame %d.%d, want %d.%d", st.Epoch, st.LastSeq, epoch, seq)
		}
	}
	stored := func(epoch int64, seq uint64) func() {
		return func() { d.stored(picture(epoch, seq), time.Now()) }
	}
	state := func(s schema.CameraState, epoch int64) func() {
		return func() { d.State(camera.State{State: s, Epoch: epoch}) }
	}
	step(state(schema.CameraStarting, 1), 1, 0)
	step(state(schema.CameraUp, 1), 1, 0)
	step(stored(1, 500), 1, 500)
	step(stored(1, 499), 1, 500) // sent again
	step(state(schema.CameraBackoff, 1), 1, 500)
	step(state(schema.CameraStarting, 2), 2, 0)
	step(stored(1, 501), 2, 0) // waited in the queue
	step(stored(2, 1), 2, 1)
	step(state(schema.CameraDown, 2), 2, 1)
}

func TestStation_TickMeasuresTheRate(t *testing.T) {
	d := newDesk(t)
	began := d.period.at
	for seq := range uint64(25) {
		d.stored(picture(1, seq+1), time.Now())
	}
	d.tick(began.Add(10 * time.Second))
	if fps := d.snapshot().FPS; fps != 2.5 {
		t.Errorf("got %v fps, want 2.5", fps)
	}
	d.tick(began.Add(15 * time.Second))
	if fps := d.snapshot().FPS; fps != 0 {
		t.Errorf("then got %v fps, want none", fps)
	}
}

func TestStation_DecoderIsInBucketMetricsAndAnEventWhenItChanges(t *testing.T) {
	d := newDesk(t)
	kind := func(kind string) float64 {
		return d.metric("edge_video_camera_decoder", map[string]string{"camera_id": "cam", "kind": kind})
	}
	d.State(camera.State{State: schema.CameraStarting, Epoch: 1, Decoder: "vaapi"})
	if kind("vaapi") != 1 || kind("software") != 0 {
		t.Errorf("vaapi %v, software %v", kind("vaapi"), kind("software"))
	}
	d.State(camera.State{State: schema.CameraStarting, Epoch: 2, Decoder: "software", DecoderReason: "no device"})
	if kind("vaapi") != 0 || kind("software") != 1 {
		t.Errorf("after the change vaapi %v, software %v", kind("vaapi"), kind("software"))
	}
	harness.WaitFor(t, 5*time.Second, "the bucket", func() bool { return d.inBucket().Decoder == "software" })
	d.wantEvents(schema.Event{Kind: schema.KindControl, Reason: "decoder", Message: "from vaapi to software: no device", Epoch: 2})
}
