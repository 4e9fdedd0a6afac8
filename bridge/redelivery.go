package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/time/rate"

	"github.com/edge-video/edge-video/schema"
)

// RedeliveryConfig is which frames a bridge's sink gets again.
type RedeliveryConfig struct {
	Dead    bool      `json:"dead"`    // what the bridge keeps in DEAD, which leaves it when it is confirmed; else frames of FRAMES, marked as replayed
	Cameras []string  `json:"cameras"` // as those of [Config], and among them; none is all that the bridge takes
	From    time.Time `json:"from"`    // when the frames were captured, both included; a zero time is no bound
	To      time.Time `json:"to"`
	Reason  string    `json:"reason"` // of DEAD, only what was refused for a reason that begins so
	Rate    float64   `json:"rate"`   // frames a second at most, 0 as fast as the sink takes them
	After   uint64    `json:"after"`  // stream sequence: everything up to it is done
}

// Progress is how far a [Redelivery] has come. Counts are of frames.
type Progress struct {
	Total     uint64    `json:"total"`     // about how many there are to look at
	Delivered uint64    `json:"delivered"` // confirmed by the sink
	Refused   uint64    `json:"refused"`   // by the sink, for good; they are left where they are
	Passed    uint64    `json:"passed"`    // not asked for, or no frames
	Position  uint64    `json:"position"`  // stream sequence: everything up to it is done, see [RedeliveryConfig.After]
	Captured  time.Time `json:"captured"`  // of the last one confirmed
	Done      bool      `json:"done"`      // nothing is left
	Waits     string    `json:"waits"`     // why it stands still: a fault of the sink or the stream, "" while it goes on
}

// Seen is how many of Total have been dealt with.
func (p *Progress) Seen() uint64 { return p.Delivered + p.Refused + p.Passed }

var (
	// ErrNotTaken says that a camera was named that the bridge does not take.
	ErrNotTaken = errors.New("camera is not one of the bridge's")
	// ErrNoReplay says that the bridge brings what holds only when it happens.
	ErrNoReplay = errors.New("states of cameras are not delivered again: an old one would be taken for that of now")
)

// Redelivery brings frames to a bridge's sink again, beside the live delivery and over connections of its own. It keeps the order of the
// stream, and changes nothing there but that it removes from DEAD what the sink has confirmed.
type Redelivery struct {
	worker *Worker
	sink   Sink
	config RedeliveryConfig
	limit  *rate.Limiter
	looked uint64 // stream sequence up to which frames that are passed over have been counted

	mu       sync.Mutex
	progress Progress
}

// NewRedelivery makes a redelivery to the sink, which is one of the worker's kind that nobody else uses. Errors wrap [ErrNotTaken]
// and [ErrNoReplay].
func (w *Worker) NewRedelivery(c RedeliveryConfig, sink Sink) (*Redelivery, error) {
	if w.config.Source == SourceEvents && !c.Dead {
		return nil, fmt.Errorf("bridge %s: %w", w.config.label(), ErrNoReplay)
	}
	for _, camera := range c.Cameras {
		if !w.takes(camera) {
			return nil, fmt.Errorf("%w: %q; bridge %s takes %q", ErrNotTaken, camera, w.config.label(), w.config.Cameras)
		}
	}
	if len(c.Cameras) == 0 {
		c.Cameras = w.config.Cameras
	}
	if !c.Dead && c.To.IsZero() {
		c.To = time.Now() // frames that come from now on are the live delivery's
	}
	r := &Redelivery{worker: w, sink: sink, config: c, limit: rate.NewLimiter(rate.Inf, 1)}
	if c.Rate > 0 {
		r.limit.SetLimit(rate.Limit(c.Rate))
	}
	r.progress.Position = c.After
	return r, nil
}

// takes reports whether the bridge's cameras include one.
func (w *Worker) takes(camera string) bool {
	site, id := w.config.locate(camera)
	return slices.ContainsFunc(w.config.Cameras, func(own string) bool {
		ownSite, ownID := w.config.locate(own)
		return site == ownSite && (id == ownID || ownID == "*")
	})
}

// Progress reports how far it has come.
func (r *Redelivery) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress
}

// Run returns when every frame has been confirmed or refused, or when ctx ends, with its cause. It waits for a sink that is down, and
// while the bridge's own breaker is open.
func (r *Redelivery) Run(ctx context.Context) error {
	w := r.worker
	nc, err := w.connect("bridge-" + w.config.label() + "-again")
	if err != nil {
		return fmt.Errorf("bridge %s: %w", w.config.label(), err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncTimeout(w.config.tellTimeout()))
	if err != nil {
		return fmt.Errorf("bridge %s: reaching JetStream: %w", w.config.label(), err)
	}
	if w.config.References {
		r.sink = newReferrer(&w.config, r.sink, js)
	}
	pace := newBreaker(w.config.Breaker, func(schema.BreakerState) {})
	for {
		if err := r.waitForBridge(ctx); err != nil {
			return err
		}
		pace.allow()
		p := &passage{redelivery: r, js: js, proved: pace.success, first: make(chan struct{})}
		err := p.run(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.stands(err)
		if err == nil {
			return nil
		}
		pause := sourcePause
		if !errors.Is(err, errSource) && !errors.Is(err, errHeld) {
			pause = pace.failure(FaultOf(err), p.answered.Load() > 0)
		}
		w.log.Debug("redelivery stands still", "err", err, "again_in", pause)
		if err := rest(ctx, pause); err != nil {
			return err
		}
	}
}

// waitForBridge returns when the bridge itself does not hold its sink for down: a redelivery must not be what a sick sink gets first.
func (r *Redelivery) waitForBridge(ctx context.Context) error {
	for r.worker.breaker.state() == schema.BreakerOpen {
		r.stands(fmt.Errorf("the bridge's breaker is %s", schema.BreakerOpen))
		if err := rest(ctx, watchPeriod); err != nil {
			return err
		}
	}
	return nil
}

// rest waits, or returns why ctx has ended.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// stands notes why nothing is delivered, or with nil that all is done.
func (r *Redelivery) stands(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.progress.Waits = ""; err != nil {
		r.progress.Waits = err.Error()
		return
	}
	r.progress.Done = true
	r.progress.Total = r.progress.Seen()
}

// count adds one frame that has been dealt with.
func (r *Redelivery) count(seq uint64, captured time.Time, rejected bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Position, r.progress.Waits = seq, ""
	if rejected {
		r.progress.Refused++
		return
	}
	r.progress.Delivered++
	r.progress.Captured = captured
}

// pass counts a message that is not delivered, once.
func (r *Redelivery) pass(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seq > r.looked {
		r.looked = seq
		r.progress.Passed++
	}
}
