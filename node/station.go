package node

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

// station is the node's side of one camera: it takes what the camera's reader reports, passes frames on to the lane, and keeps the
// camera's state and numbers.
type station struct {
	id      string
	node    string
	lane    *lane
	log     *slog.Logger
	journal *journal.Journal
	metrics *metrics
	bundles bundles
	changed func() // called when the state may be another one
	*tenure
	frames  prometheus.Counter
	latency prometheus.Observer
	bytes   prometheus.Observer

	mu      sync.Mutex
	status  schema.CameraStatus
	fault   camera.Fault
	total   tally
	period  tally // at the last status
	summary tally // at the last summary
}

// tally is a camera's running numbers.
type tally struct {
	stored, bytes, dropped, rejected uint64
	at                               time.Time
}

func newStation(id, node string, log *slog.Logger, j *journal.Journal, m *metrics, t *tenure) *station {
	now := time.Now()
	m.start(id)
	return &station{id: id, node: node, tenure: t, log: log.With("camera", id), journal: j, metrics: m, changed: func() {},
		frames: m.processed.WithLabelValues(id), latency: m.latency.WithLabelValues(id), bytes: m.bytes.WithLabelValues(id),
		status: schema.CameraStatus{State: schema.CameraDown, Breaker: schema.BreakerClosed, Since: now.UTC(), Node: node},
		period: tally{at: now}, summary: tally{at: now}}
}

// Frame implements [camera.Output].
func (s *station) Frame(f *schema.Frame) {
	if !s.takes() {
		return
	}
	s.works(true)
	s.mu.Lock()
	width, height := s.status.Width, s.status.Height
	s.status.Width, s.status.Height = f.Width, f.Height
	s.mu.Unlock()
	if width > 0 && (f.Width != width || f.Height != height) {
		s.log.Info("picture size changed", "from", fmt.Sprintf("%dx%d", width, height), "to", fmt.Sprintf("%dx%d", f.Width, f.Height))
		s.tell(schema.KindSize, schema.Event{Width: f.Width, Height: f.Height, Epoch: f.Epoch, FirstSeq: f.Seq})
	}
	s.lane.push(f)
}

// mode notes how the camera's video becomes frames.
func (s *station) mode(m camera.Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Mode = string(m)
}

// Rejected implements [camera.Output].
func (s *station) Rejected(epoch int64, seq uint64, reason camera.Rejection, detail string) {
	s.metrics.rejected.WithLabelValues(s.id, string(reason)).Inc()
	s.mu.Lock()
	s.total.rejected++
	s.mu.Unlock()
	s.gather(schema.Event{Kind: schema.KindRejected, Reason: string(reason), Epoch: epoch, FirstSeq: seq, LastSeq: seq, Count: 1, Message: detail})
}

// gather makes an event of a run of pictures, now or together with what follows.
func (s *station) gather(e schema.Event) {
	s.send(s.bundles.add(e))
	s.send(s.bundles.due(time.Now(), false))
}

// flush sends what was gathered and not yet sent.
func (s *station) flush() { s.send(s.bundles.due(time.Now(), true)) }

func (s *station) send(events []schema.Event) {
	for _, e := range events {
		what := "pictures refused"
		if e.Kind == schema.KindGap {
			what = "frames dropped"
		}
		s.log.Warn(what, "reason", e.Reason, "count", e.Count, "first_seq", e.FirstSeq, "last_seq", e.LastSeq, "detail", e.Message)
		if s.stores() {
			s.event(e.Kind, e)
		}
	}
}

// State implements [camera.Output].
func (s *station) State(st camera.State) {
	if st.State == schema.CameraDown {
		s.flush()
		s.metrics.looks(s.id, camera.LookFine) // nobody looks any more
	}
	s.decoder(st)
	s.mu.Lock()
	if st.State == schema.CameraDown {
		s.status.Look = ""
	}
	if st.Epoch != s.status.Epoch {
		s.status.LastSeq = 0
	}
	s.status.State, s.status.Epoch, s.status.Since = st.State, st.Epoch, time.Now().UTC()
	switch {
	case st.Err != nil:
		s.status.Error = st.Err.Error()
	case st.State == schema.CameraUp:
		s.status.Error = ""
	}
	news := st.State != schema.CameraBackoff && st.State != schema.CameraStarting || st.Fault != s.fault && st.State == schema.CameraBackoff
	wasOpen := s.status.Breaker.Number() > 0
	s.status.Breaker = st.Breaker
	if st.State == schema.CameraBackoff || st.State == schema.CameraUp {
		s.fault = st.Fault
	}
	s.mu.Unlock()
	s.showUp(st.State)
	s.metrics.breaker.WithLabelValues(s.id).Set(st.Breaker.Number())
	e := schema.Event{State: string(st.State), Reason: string(st.Fault), Epoch: st.Epoch}
	if st.State == schema.CameraDown && s.snapshot().Paused {
		e.Reason = "paused"
	}
	if st.Err != nil {
		e.Message = st.Err.Error()
	}
	switch st.State {
	case schema.CameraBackoff:
		s.works(false)
		s.metrics.restarts.WithLabelValues(s.id, string(st.Fault)).Inc()
		if news {
			s.log.Warn("camera fault", "reason", st.Fault, "err", st.Err, "again_in", st.Pause.Round(100*time.Millisecond))
		}
	case schema.CameraUp, schema.CameraDown:
		s.log.Info("camera "+string(st.State), "epoch", st.Epoch)
	}
	if news {
		failed := e
		failed.Count = uint64(st.Faults)
		s.tell(schema.KindState, failed)
	}
	if isOpen := st.Breaker.Number() > 0; isOpen != wasOpen {
		e.State = string(st.Breaker)
		s.tell(schema.KindBreaker, e)
	}
	s.changed()
	s.publish()
}

// showUp sets whether this node has the camera up; one that it only prepares is another's.
func (s *station) showUp(st schema.CameraState) {
	up := 0.0
	if st == schema.CameraUp && s.tells() {
		up = 1
	}
	s.metrics.up.WithLabelValues(s.id).Set(up)
}

// Looks implements [camera.Output].
func (s *station) Looks(epoch int64, seq uint64, look camera.Look) {
	s.mu.Lock()
	s.status.Look = string(look)
	s.mu.Unlock()
	s.metrics.looks(s.id, look)
	e := schema.Event{State: "ok", Epoch: epoch, FirstSeq: seq}
	if look == camera.LookFine {
		s.log.Info("camera shows a scene again", "epoch", epoch, "seq", seq)
	} else {
		e.State, e.Reason = string(look), string(look)
		s.log.Warn("camera shows a "+string(look)+" picture", "epoch", epoch, "seq", seq)
	}
	s.tell(schema.KindLook, e)
	s.publish()
}

// decoder notes what the camera is decoded with. A change is news.
func (s *station) decoder(st camera.State) {
	s.mu.Lock()
	before := s.status.Decoder
	s.status.Decoder = st.Decoder
	s.mu.Unlock()
	if before == st.Decoder {
		return
	}
	s.metrics.decoder.DeletePartialMatch(prometheus.Labels{"camera_id": s.id})
	s.metrics.decoder.WithLabelValues(s.id, st.Decoder).Set(1)
	if before == "" {
		return
	}
	s.log.Warn("decoder changed", "from", before, "to", st.Decoder, "reason", st.DecoderReason)
	s.tell(schema.KindControl, schema.Event{Reason: "decoder", Epoch: st.Epoch,
		Message: strings.TrimSuffix(fmt.Sprintf("from %s to %s: %s", before, st.Decoder, st.DecoderReason), ": ")})
}

// stored implements laneRecord.
func (s *station) stored(f *schema.Frame, at time.Time) {
	s.frames.Inc()
	s.latency.Observe(at.Sub(f.Captured).Seconds())
	s.bytes.Observe(float64(len(f.Data)))
	s.metrics.last.WithLabelValues(s.id).Set(float64(f.Captured.UnixMicro()) / 1e6)
	s.mu.Lock()
	s.total.stored++
	s.total.bytes += uint64(len(f.Data))
	if f.Epoch == s.status.Epoch { // else it waited for the stream longer than its FFmpeg lived
		s.status.LastSeq = max(s.status.LastSeq, f.Seq)
	}
	s.mu.Unlock()
}

// dropped implements laneRecord.
func (s *station) dropped(reason string, n int) {
	s.metrics.dropped.WithLabelValues(s.id, reason).Add(float64(n))
	s.mu.Lock()
	s.total.dropped += uint64(n)
	s.mu.Unlock()
}

// gone implements laneRecord.
func (s *station) gone(g gap) {
	s.gather(schema.Event{Kind: schema.KindGap, Reason: g.reason, Epoch: g.epoch, FirstSeq: g.first, LastSeq: g.last, Count: g.count})
}

// lost implements laneRecord.
func (s *station) lost(g gap) {
	s.metrics.lost.WithLabelValues(s.id).Add(float64(g.count))
	s.log.Error("frames lost: the stream never acknowledged them", "count", g.count)
	s.event(schema.KindLost, schema.Event{Reason: g.reason, Epoch: g.epoch, FirstSeq: g.first, LastSeq: g.last, Count: g.count})
}

// tell writes an event about the camera, while that is this node's to tell.
func (s *station) tell(kind schema.EventKind, e schema.Event) {
	if s.tells() {
		s.event(kind, e)
	}
}

func (s *station) event(kind schema.EventKind, e schema.Event) {
	e.Class, e.Name, e.Kind = schema.ClassCamera, s.id, kind
	s.journal.Event(e)
}

// publish writes the state to the bucket.
func (s *station) publish() {
	if s.tells() {
		s.journal.State(schema.BucketCameras, s.id, s.snapshot())
	}
}

func (s *station) snapshot() schema.CameraStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// tick brings the rate up to date.
func (s *station) tick(now time.Time) {
	s.mu.Lock()
	frames := s.total.stored - s.period.stored
	if d := now.Sub(s.period.at).Seconds(); d > 0 {
		s.status.FPS = float64(int(float64(frames)/d*100+.5)) / 100
	}
	s.period = s.total
	s.period.at = now
	s.mu.Unlock()
	s.send(s.bundles.due(now, false))
	s.publish()
}

// summarise logs one line about the time since the last one.
func (s *station) summarise(now time.Time) {
	s.mu.Lock()
	d := now.Sub(s.summary.at).Seconds()
	t, before, status, fault := s.total, s.summary, s.status, s.fault
	s.summary = s.total
	s.summary.at = now
	s.mu.Unlock()
	attrs := []any{"state", status.State, "fps", fmt.Sprintf("%.1f", float64(t.stored-before.stored)/d), "frames", t.stored - before.stored,
		"mib", fmt.Sprintf("%.1f", float64(t.bytes-before.bytes)/(1<<20)), "dropped", t.dropped - before.dropped, "rejected", t.rejected - before.rejected}
	if status.State != schema.CameraUp && fault != "" {
		attrs = append(attrs, "reason", fault)
	}
	s.log.Info("camera", attrs...)
}

// reasons lists what keeps cameras from delivering or showing something, for readiness: "camera dock-1 is backoff: refused".
func reasons(posts map[string]*post) (up, paused int, degraded []string) {
	for _, id := range slices.Sorted(maps.Keys(posts)) {
		s := posts[id].station
		s.mu.Lock()
		state, fault, look, rests := s.status.State, s.fault, s.status.Look, s.status.Paused
		s.mu.Unlock()
		if rests {
			paused++
			continue
		}
		if state == schema.CameraUp {
			up++
			if look != "" {
				degraded = append(degraded, fmt.Sprintf("camera %s shows a %s picture", id, look))
			}
			continue
		}
		degraded = append(degraded, strings.TrimSuffix(fmt.Sprintf("camera %s is %s: %s", id, state, fault), ": "))
	}
	return up, paused, degraded
}
