package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edge-video/edge-video/bridge"
)

// errandLease is how long an errand goes on without being asked for again: whoever wanted it may have died.
const errandLease = 5 * time.Second

var (
	errAbandoned = errors.New("nobody asks for it any more")
	errStopped   = errors.New("stopped by request")
	errBusy      = errors.New("the bridge already brings frames to its sink again; wait for that to end")
)

// errandRequest asks for a redelivery, and is sent again and again while it is wanted. Whoever sends it keeps its place in the stream: an
// answer says how far it is, and the same request with a new ID goes on from there, at another process if need be.
type errandRequest struct {
	Worker                  string `json:"worker"` // whom it is for; "" asks who is there
	Site                    string `json:"site"`   // at a hub: whose frames; "" is where that is clear
	ID                      string `json:"id"`
	Stop                    bool   `json:"stop"`
	bridge.RedeliveryConfig `json:"frames"`
}

// errandAnswer says how far a redelivery is.
type errandAnswer struct {
	Worker          string `json:"worker"`
	Node            string `json:"node"`
	ID              string `json:"id"`
	Ended           bool   `json:"ended"` // done or stopped; Err says why it was stopped
	Err             string `json:"err"`
	bridge.Progress `json:"progress"`
}

// errands are what one bridge is asked to do beside its work, one at a time.
type errands struct {
	node, id string
	lease    time.Duration
	worker   *bridge.Worker
	sink     func() (bridge.Sink, error)
	begin    chan *errand // has room for one, and holds none but when none is at work

	mu   sync.Mutex
	last *errand // at work, or the last that was
}

// errand is a redelivery that somebody wants.
type errand struct {
	id         string
	redelivery *bridge.Redelivery
	ctx        context.Context // ends when it is not wanted any more
	cancel     context.CancelCauseFunc
	lease      *time.Timer
	ended      chan struct{}
	err        error // set when it has ended
}

// choose finds the part of a bridge that a request is for, nil where it is another process's. What lies in DEAD is brought by the hub's own
// part, whosever it is.
func (r *errandRequest) choose(parts []*running) (*running, error) {
	if r.Worker != "" {
		i := slices.IndexFunc(parts, func(p *running) bool { return p.errands.id == r.Worker })
		if i < 0 {
			return nil, nil
		}
		return parts[i], nil
	}
	if len(parts) == 1 && r.Site == "" {
		return parts[0], nil
	}
	site, one := r.Site, true
	for _, camera := range r.Cameras {
		if of, _, ok := strings.Cut(camera, "."); ok {
			one = one && (site == "" || site == of)
			site = of
		}
	}
	var names []string
	for _, p := range parts {
		if one && (p.part.site == site || site == "" && r.Dead && p.part.made.IsZero()) {
			return p, nil
		}
		names = append(names, p.part.site+"."+p.config.Name)
	}
	return nil, fmt.Errorf("bridge %s has a part for each site: name one of %s, or cameras of one site as <site>.<id>", parts[0].config.Name, strings.Join(names, " "))
}

func newErrands(node string, worker *bridge.Worker, sink func() (bridge.Sink, error)) *errands {
	return &errands{node: node, id: rand.Text(), lease: errandLease, worker: worker, sink: sink, begin: make(chan *errand, 1)}
}

// run does what is asked until ctx ends.
func (e *errands) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case next := <-e.begin:
			stop := context.AfterFunc(ctx, func() { next.cancel(context.Cause(ctx)) })
			next.err = next.redelivery.Run(next.ctx)
			stop()
			next.lease.Stop()
			close(next.ended)
		}
	}
}

// ask answers a request: an errand that is new is begun, one that is known goes on.
func (e *errands) ask(r *errandRequest) (*errandAnswer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case r.Worker == "":
		return &errandAnswer{Worker: e.id, Node: e.node}, nil
	case e.last != nil && e.last.id == r.ID:
		e.last.lease.Reset(e.lease)
		if r.Stop {
			e.last.cancel(errStopped)
		}
	case e.last != nil && !e.last.over():
		return nil, errBusy
	default:
		next, err := e.make(r)
		if err != nil {
			return nil, err
		}
		e.last = next
		e.begin <- next
	}
	a := &errandAnswer{Worker: e.id, Node: e.node, ID: r.ID, Ended: e.last.over(), Progress: e.last.redelivery.Progress()}
	if a.Ended && e.last.err != nil {
		a.Err = e.last.err.Error()
	}
	return a, nil
}

func (e *errands) make(r *errandRequest) (*errand, error) {
	sink, err := e.sink()
	if err != nil {
		return nil, fmt.Errorf("making another sink: %w", err)
	}
	redelivery, err := e.worker.NewRedelivery(r.RedeliveryConfig, sink)
	if err != nil {
		return nil, err
	}
	next := &errand{id: r.ID, redelivery: redelivery, ended: make(chan struct{})}
	next.ctx, next.cancel = context.WithCancelCause(context.Background())
	next.lease = time.AfterFunc(e.lease, func() { next.cancel(errAbandoned) })
	if r.Stop {
		next.cancel(errStopped)
	}
	return next, nil
}

func (e *errand) over() bool {
	select {
	case <-e.ended:
		return true
	default:
		return false
	}
}
