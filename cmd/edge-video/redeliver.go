package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

const (
	// errandPoll is how often a command says that it is still there, and looks how far its errand is.
	errandPoll = 500 * time.Millisecond
	// errandTimeout bounds the wait for one answer.
	errandTimeout = 2 * time.Second
)

// errNobody says that no process answers for a bridge.
var errNobody = errors.New("no process that runs now has this bridge; nats kv ls bridges lists bridges")

// redeliver has whoever runs a bridge bring frames to its sink again, and stays until that is done. The process that does it may be
// replaced meanwhile: another goes on where it was.
type redeliver struct {
	nc      *nats.Conn
	subject string
	site    string // at a hub: whose frames, "" where that is clear
	frames  bridge.RedeliveryConfig
	worker  string // who does it, "" before that is known
	id      string
	before  bridge.Progress // of processes that did it before
	now     bridge.Progress // of the one that does it now
}

func newRedeliver(nc *nats.Conn, site, of, name string, frames bridge.RedeliveryConfig) *redeliver {
	return &redeliver{nc: nc, subject: schema.RedeliverSubject(site, name), site: of, frames: frames}
}

// run returns when every frame is confirmed or refused. When ctx ends it stops the errand first; the error is then ctx's.
func (r *redeliver) run(ctx context.Context, show func(bridge.Progress)) (bridge.Progress, error) {
	if err := r.find(ctx, clientTimeout); err != nil {
		return r.progress(), err
	}
	tick := time.NewTicker(errandPoll)
	defer tick.Stop()
	for {
		answer, err := r.ask(ctx, false)
		switch {
		case ctx.Err() != nil:
			return r.stop(ctx), ctx.Err()
		case answer != nil && answer.Done:
			return r.progress(), nil
		case answer != nil && answer.Ended: // its process is being stopped, or its configuration has changed
			r.restart()
		case errors.Is(err, errNobody):
			r.restart()
			r.now.Waits = err.Error()
			if r.find(ctx, errandTimeout) == nil {
				continue
			}
		case err != nil:
			return r.progress(), err
		}
		show(r.progress())
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// find looks for a process that has the bridge.
func (r *redeliver) find(ctx context.Context, timeout time.Duration) error {
	answer, err := r.request(ctx, timeout, errandRequest{Site: r.site, RedeliveryConfig: r.frames})
	if err != nil {
		return err
	}
	r.worker, r.id = answer.Worker, rand.Text()
	return nil
}

// restart gives up the process that did it, and has its successor begin behind what is done.
func (r *redeliver) restart() {
	r.before = r.progress()
	r.frames.After = r.before.Position
	r.now = bridge.Progress{Position: r.frames.After}
	r.id = rand.Text()
}

// ask says that the errand is wanted, or not any more, and notes how far it is.
func (r *redeliver) ask(ctx context.Context, stop bool) (*errandAnswer, error) {
	answer, err := r.request(ctx, errandTimeout, errandRequest{Worker: r.worker, ID: r.id, Stop: stop, RedeliveryConfig: r.frames})
	if err == nil {
		r.now = answer.Progress
	}
	return answer, err
}

// stop ends the errand, and returns how far it came.
func (r *redeliver) stop(ctx context.Context) bridge.Progress {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), errandTimeout)
	defer cancel()
	for {
		if answer, err := r.ask(ctx, true); err != nil || answer.Ended {
			return r.progress()
		}
		select {
		case <-ctx.Done():
			return r.progress()
		case <-time.After(errandPoll / 10):
		}
	}
}

// progress is that of all processes together.
func (r *redeliver) progress() bridge.Progress {
	p := r.now
	p.Total += r.before.Seen()
	p.Delivered += r.before.Delivered
	p.Refused += r.before.Refused
	p.Passed += r.before.Passed
	if p.Captured.IsZero() {
		p.Captured = r.before.Captured
	}
	return p
}

func (r *redeliver) request(ctx context.Context, timeout time.Duration, q errandRequest) (*errandAnswer, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	m, err := r.nc.RequestWithContext(ctx, r.subject, body)
	switch {
	case err != nil:
		return nil, errNobody
	case m.Header.Get(micro.ErrorCodeHeader) != "":
		return nil, errors.New(string(m.Data))
	}
	answer := &errandAnswer{}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return answer, nil
}
