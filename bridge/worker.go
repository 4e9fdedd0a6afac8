package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

const (
	// setupPause is the wait before a durable that cannot be used is tried again.
	setupPause = 2 * time.Second
	// sourcePause is the wait when JetStream itself does not answer.
	sourcePause = 500 * time.Millisecond
)

// Config is what a [Worker] needs to know.
type Config struct {
	Site, Node string
	Name       string        // also that of the durable consumer
	Mirrored   string        // at a hub: the site whose mirrors it reads, "" for what the hub's own streams hold
	Source     Source        // what it reads, "" is frames
	Of         string        // with [SourceStored]: the bridge whose sink keeps the pictures
	References bool          // tell in STORED where the sink keeps each frame; the sink sets Kept before it confirms
	Cameras    []string      // "*", an id, or <site>.<id>
	Newest     bool          // a new bridge begins with the frames to come instead of the oldest held
	MaxFrame   int           // bytes of the largest picture
	Timeout    time.Duration // how long the sink may take to confirm a frame before it counts as down
	Breaker    BreakerConfig
	Shared     *Breaker // the breaker that it shares with other workers, nil for one of its own

	Workers Workers // "" is WorkersOne

	LiveFirst bool          // after an outage the frames to come are delivered first, and the backlog beside them
	MaxAge    time.Duration // older frames are skipped; 0 is none
	FPS       float64       // frames a second and camera that are let through; 0 is all, else of video only keyframes
	Rate      float64       // frames a second in all while the bridge catches up; 0 is no bound
}

// Worker is one bridge: it owns its durable consumer, its connection to JetStream, its breaker and its sink.
type Worker struct {
	config  Config
	id      string // differs from process to process
	sink    Sink
	connect func(name string) (*nats.Conn, error)
	log     *slog.Logger
	metrics *metrics
	breaker *Breaker
	seat    *seat
	journal *journal.Journal
	js      jetstream.JetStream
	stream  jetstream.Stream
	all     bool // every message of the stream is the bridge's
	pace    catchup
	missed  *missed
	refused *refusals
	live    *track
	back    *track

	delivered atomic.Uint64
	pending   atomic.Uint64
	hold      hold
	aside     atomic.Bool            // another process has the bridge at work
	robbed    atomic.Bool            // another process has had it since the last session
	pin       atomic.Pointer[string] // by which JetStream has last pinned this process

	mu    sync.Mutex
	since time.Time
	err   error // why the bridge stands still: the sink's last fault, or a durable that cannot be used; nil while the sink confirms
	fault Fault // the class of err, where that is the sink's
	spans spans // what is left to the backfill
}

// NewWorker makes a worker. connect makes the connection to NATS that the worker uses, and closes, alone. Its metrics are registered
// with reg, which adds the labels site and bridge.
func NewWorker(config Config, sink Sink, connect func(name string) (*nats.Conn, error), log *slog.Logger, reg prometheus.Registerer) *Worker {
	w := &Worker{config: config, id: rand.Text(), sink: sink, connect: connect, log: config.named(log), metrics: newMetrics(reg), since: time.Now(),
		hold: hold{changed: make(chan struct{}, 1)}, all: config.whole(), pace: newCatchup(config.Rate),
		live: newTrack(config.Name, false), back: newTrack(backfillName(config.Name), true)}
	w.missed = newMissed(w)
	w.refused = &refusals{worker: w}
	if w.breaker = config.Shared; w.breaker == nil {
		w.breaker = NewBreaker(config.Breaker)
	}
	return w
}

// Run bridges until ctx ends; then it waits a moment for frames that the sink has not confirmed yet, and closes the sink. The error is
// that of a connection that cannot be made. A sink that is down is no error, and a durable that cannot be used is tried again.
func (w *Worker) Run(ctx context.Context) error {
	nc, err := w.connect("bridge-" + w.config.label())
	if err != nil {
		return fmt.Errorf("bridge %s: %w", w.config.label(), err)
	}
	defer nc.Close()
	if w.js, err = jetstream.New(nc, jetstream.WithPublishAsyncTimeout(w.config.tellTimeout())); err != nil {
		return fmt.Errorf("bridge %s: reaching JetStream: %w", w.config.label(), err)
	}
	w.journal = journal.New(w.js, w.config.Site, w.config.Node, w.log)
	if r, ok := w.sink.(Reporter); ok {
		r.Report(w.event)
	}
	w.seat = w.breaker.sit(w.breakerChanged)
	defer w.seat.rise()
	w.metrics.setBreaker(w.breaker.state())
	if w.config.References {
		w.sink = newReferrer(&w.config, w.sink, w.js)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return w.journal.Run(background) })
	if w.setup(ctx) {
		g.Go(func() error { return w.report(ctx) })
		w.bridge(ctx)
		w.missed.tell(0, missedAged, missedStale)
		w.refused.tell(0)
		w.publish()
		if err := nc.FlushTimeout(time.Second); err != nil {
			w.log.Warn("the last acknowledgements may not have reached the stream; those frames come again", "err", err)
		}
	}
	stop()
	return g.Wait()
}

// setup gets the durable consumers, however often it takes. It reports false when ctx ends.
func (w *Worker) setup(ctx context.Context) bool {
	for failed := false; ctx.Err() == nil; failed = true {
		err := w.consumers(ctx)
		if errors.Is(err, errElsewhere) {
			w.aside.Store(true)
			err = nil
		}
		if err == nil {
			if failed {
				w.stands(nil, "")
				w.publish()
			}
			return true
		}
		if w.stands(err, "") && ctx.Err() == nil {
			w.log.Error("the bridge cannot read its stream", "err", err, "again_in", setupPause)
			w.publish()
		}
		select {
		case <-ctx.Done():
		case <-time.After(setupPause):
		}
	}
	return false
}

// consumers gets the durable consumers once.
func (w *Worker) consumers(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	stream, err := w.js.Stream(looking, w.config.stream())
	if err != nil {
		return fmt.Errorf("looking for stream %s: %w", w.config.stream(), err)
	}
	if w.stream == nil { // it goes by the name, and the report may be using it
		w.stream = stream
	}
	found, err := w.find(ctx)
	if err != nil {
		return err
	}
	if w.config.shared() {
		err = w.withoutBackfill(looking)
	} else {
		err = w.resume(ctx)
	}
	if err != nil {
		return err
	}
	consumer, err := ensureConsumer(ctx, w.js, &w.config, w.id, found, w.left())
	if err != nil {
		return err
	}
	w.live.consumer = consumer
	return nil
}

// bridge holds session after session, with the pauses that the breaker asks for.
func (w *Worker) bridge(ctx context.Context) {
	source := 0 // faults of JetStream in a row
	for w.waitHold(ctx) {
		s := newSession(w)
		err := w.claim(ctx)
		if err == nil {
			if !w.seat.enter(ctx, w.hold.changed) {
				continue
			}
			err = s.run(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errElsewhere) || errors.Is(err, errHeld) || errors.Is(err, errSource) {
			w.seat.leave()
		}
		if errors.Is(err, errElsewhere) {
			w.standBy(ctx, err)
			continue
		}
		if s.answered.Load() > 0 {
			source = 0
		}
		if errors.Is(err, errHeld) {
			continue
		}
		pause, unread := sourcePause, errors.Is(err, errSource)
		if unread {
			if source++; source&(source-1) == 0 { // the first, second, fourth ...
				w.log.Warn("reading from the stream", "err", err, "in_a_row", source)
			}
		} else {
			pause = w.sinkFault(err, s.answered.Load() > 0)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.hold.changed:
		case <-time.After(pause):
		}
		if unread && !w.setup(ctx) { // someone may have removed the durable
			return
		}
	}
}

// sinkFault records the end of a session and returns the pause before the next. It logs the first of a row of faults of a class and
// each that opens the breaker anew; the others only count.
func (w *Worker) sinkFault(err error, delivered bool) time.Duration {
	fault := FaultOf(err)
	news := w.stands(err, fault)
	w.metrics.faults.WithLabelValues(string(fault)).Inc()
	was := w.breaker.state()
	pause := w.seat.failure(fault, delivered)
	if now := w.breaker.state(); news || now != was && was == schema.BreakerClosed {
		w.log.Warn("sink fault", "fault", fault, "err", err, "breaker", now, "again_in", pause.Round(10*time.Millisecond))
	}
	w.publish()
	return pause
}

// proved is called at the first confirmed frame of a session.
func (w *Worker) proved() {
	back := w.stands(nil, "")
	w.seat.success()
	if back {
		w.log.Info("sink confirms again", "pending", w.pending.Load())
		w.publish()
	}
}

// stands records why the bridge stands still, nil where it does not, and reports whether that is news: of a fault of the sink its class
// counts, of others the text.
func (w *Worker) stands(err error, fault Fault) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, wasFault := w.err, w.fault
	w.err, w.fault = err, fault
	switch {
	case was == nil || err == nil:
		return (was == nil) != (err == nil)
	case fault != "" || wasFault != "":
		return fault != wasFault
	}
	return was.Error() != err.Error()
}

// event tells of something about the bridge.
func (w *Worker) event(e schema.Event) {
	e.Class, e.Name, e.Of = schema.ClassBridge, w.config.Name, w.config.Mirrored
	w.journal.Event(e)
}

// breakerChanged follows every change of the breaker. own says that it is this worker's doing: of several one tells.
func (w *Worker) breakerChanged(s schema.BreakerState, own bool) {
	w.mu.Lock()
	w.since = time.Now()
	message, fault := "", w.fault
	if w.err != nil {
		message = w.err.Error()
	}
	w.mu.Unlock()
	w.metrics.setBreaker(s)
	if own {
		w.event(schema.Event{Kind: schema.KindBreaker, State: string(s), Reason: string(fault), Message: message})
	}
	w.publish()
}
