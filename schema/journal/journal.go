// Package journal writes what node and bridges have to say of themselves into JetStream: events to the EVENTS stream, and the newest
// state of each camera and bridge to its key-value bucket.
package journal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/schema"
)

const (
	// maxEvents is how many events wait while the stream cannot be written; beyond it the oldest are given up.
	maxEvents = 1024
	// writeTimeout bounds each write.
	writeTimeout = 2 * time.Second
	// retryPause is the wait after a write that failed.
	retryPause = time.Second
)

// Journal takes events and states without ever blocking its callers, and writes them in the background.
type Journal struct {
	js         jetstream.JetStream
	log        *slog.Logger
	site, node string
	wake       chan struct{}

	mu      sync.Mutex
	events  []entry
	dropped int
	states  map[stateKey]any
}

// entry is an event on its way, with the id by which the stream drops what is written again because its acknowledgement was lost.
type entry struct {
	schema.Event
	id string
}

type stateKey struct{ bucket, key string }

// New makes a journal of the given site and node.
func New(js jetstream.JetStream, site, node string, log *slog.Logger) *Journal {
	return &Journal{js: js, log: log, site: site, node: node, wake: make(chan struct{}, 1), states: map[stateKey]any{}}
}

// Event queues an event; its time, site and node are filled in. When 1024 wait already, the oldest is given up.
func (j *Journal) Event(e schema.Event) {
	e.Time, e.Site, e.Node = time.Now().UTC(), j.site, j.node
	j.mu.Lock()
	j.events = append(j.events, entry{e, rand.Text()})
	j.bound()
	j.mu.Unlock()
	j.signal()
}

// bound gives up the oldest events beyond maxEvents. The lock is held.
func (j *Journal) bound() {
	if n := len(j.events) - maxEvents; n > 0 {
		j.events = j.events[n:]
		j.dropped += n
	}
}

// State queues the newest state of a name for its bucket, replacing one that still waits.
func (j *Journal) State(bucket, name string, value any) { j.StateOf(bucket, j.site, name, value) }

// StateOf is State for what a hub does for another site.
func (j *Journal) StateOf(bucket, site, name string, value any) {
	j.mu.Lock()
	j.states[stateKey{bucket, schema.StatusKey(site, name)}] = value
	j.mu.Unlock()
	j.signal()
}

// Forget gives up the state of a name that waits to be written: another node has a newer one.
func (j *Journal) Forget(bucket, name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.states, stateKey{bucket, schema.StatusKey(j.site, name)})
}

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, then tries once more to write what waits. Its error is nil.
func (j *Journal) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
			defer cancel()
			if err := j.flush(last); err != nil {
				j.log.Warn("events and states could not be written before the stop", "err", err)
			}
			return nil
		case <-j.wake:
		}
		if err := j.flush(ctx); err != nil {
			j.log.Debug("writing events and states", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryPause):
			}
			j.signal()
		}
	}
}

// Around writes while work runs, and then what is left of it, so that its end is told too. The error is work's.
func (j *Journal) Around(ctx context.Context, work func() error) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return j.Run(background) })
	err := work()
	stop()
	return errors.Join(err, g.Wait())
}

// flush writes what waits, in order, and puts back what could not be written.
func (j *Journal) flush(ctx context.Context) error {
	j.mu.Lock()
	events, states, dropped := j.events, j.states, j.dropped
	j.events, j.states, j.dropped = nil, map[stateKey]any{}, 0
	j.mu.Unlock()
	if dropped > 0 {
		j.log.Warn("events given up because the stream could not be written", "count", dropped)
	}
	for i := range events {
		if err := j.publish(ctx, &events[i]); err != nil {
			j.mu.Lock()
			j.events = append(events[i:len(events):len(events)], j.events...)
			j.bound()
			j.mu.Unlock()
			j.putBack(states)
			return err
		}
	}
	for k, v := range states {
		if err := j.put(ctx, k, v); err != nil {
			j.putBack(states)
			return err
		}
		delete(states, k)
	}
	return nil
}

// putBack keeps newer states that came meanwhile.
func (j *Journal) putBack(states map[stateKey]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for k, v := range states {
		if _, newer := j.states[k]; !newer {
			j.states[k] = v
		}
	}
}

func (j *Journal) publish(ctx context.Context, e *entry) error {
	body, err := json.Marshal(&e.Event)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if _, err := j.js.Publish(ctx, e.Subject(), body, jetstream.WithMsgID(e.id)); err != nil {
		return fmt.Errorf("publishing %s: %w", e.Subject(), err)
	}
	return nil
}

func (j *Journal) put(ctx context.Context, k stateKey, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding a state: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	// A plain publish to the bucket's subject is what a put is, without looking the bucket up each time.
	if _, err := j.js.Publish(ctx, "$KV."+k.bucket+"."+k.key, body); err != nil {
		return fmt.Errorf("writing %s to bucket %s: %w", k.key, k.bucket, err)
	}
	return nil
}
