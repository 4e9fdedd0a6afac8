package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// Workers is how the processes that have a bridge go about it together.
type Workers string

// Ways to work together.
const (
	WorkersOne     Workers = "one"     // one works; a process that finds the bridge at work in another says so, and waits
	WorkersStandby Workers = "standby" // JetStream gives frames to one of them alone, and the others stand by
	WorkersShared  Workers = "shared"  // they divide the frames; there is no order among them
)

var (
	// ErrOtherWorkers says that other processes have the bridge at work in another way.
	ErrOtherWorkers = errors.New("the bridge is at work in another way elsewhere")
	// errElsewhere says that another process has the bridge at work.
	errElsewhere = errors.New("the bridge is at work in another process")
)

const (
	// workersKey and workerKey are where a durable keeps how its processes work together, and the one whose turn it was last.
	workersKey = "edge-video-workers"
	workerKey  = "edge-video-worker"
	// turnPeriod is how often a process looks whether it is its turn.
	turnPeriod = time.Second
)

func (c *Config) workers() Workers { return cmp.Or(c.Workers, WorkersOne) }

func (c *Config) shared() bool { return c.workers() == WorkersShared }

// taken is why this process may not use a durable now, nil where nobody else does or all share it.
func (w *Worker) taken(i *jetstream.ConsumerInfo) error {
	c := &w.config
	is := Workers(cmp.Or(i.Config.Metadata[workersKey], string(WorkersOne)))
	owner, node, pin := i.Config.Metadata[workerKey], i.Config.Metadata[schema.MetadataKey], pinOf(i)
	switch {
	case is != c.workers() && i.NumWaiting > 0:
		return fmt.Errorf("%w: node %s has it with workers: %s, and this process with workers: %s; write the same everywhere, or stop the others",
			ErrOtherWorkers, node, is, c.workers())
	case is != c.workers(), c.shared():
		return nil
	case c.workers() == WorkersStandby && pin != "" && pin != w.pinned(),
		c.workers() == WorkersOne && owner != "" && owner != w.id && i.NumWaiting > 0:
		return fmt.Errorf("%w, of node %s", errElsewhere, node)
	}
	return nil
}

// claim makes the bridge's durables this process's own for a session. The error wraps errElsewhere where they are another's.
func (w *Worker) claim(ctx context.Context) error {
	if w.config.shared() {
		return nil
	}
	found, err := w.find(ctx)
	switch {
	case errors.Is(err, errElsewhere):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errSource, err)
	case found == nil:
		return fmt.Errorf("%w: durable consumer %s is gone", errSource, w.config.Name)
	}
	if pin := pinOf(found.CachedInfo()); pin != "" {
		w.unpin(ctx, w.config.Name) // it was this process's, and its next client is another
	}
	other := found.CachedInfo().Config.Metadata[workerKey] != w.id
	if w.robbed.Swap(false) || other || w.aside.Load() {
		w.live.forget()
		w.back.forget()
	}
	if other || w.live.consumer == nil {
		if err := w.consumers(ctx); errors.Is(err, errElsewhere) {
			return err
		} else if err != nil {
			return fmt.Errorf("%w: %w", errSource, err)
		}
	}
	if w.aside.Swap(false) {
		w.log.Info("bridge takes over")
		w.stands(nil, "")
		w.publish()
	}
	return nil
}

// standBy waits a moment while another process has the bridge at work. That is a fault where there should be one process alone.
func (w *Worker) standBy(ctx context.Context, err error) {
	if !w.aside.Swap(true) {
		w.log.Info("bridge stands by", "reason", err)
	}
	if w.config.workers() == WorkersStandby {
		err = nil
	}
	w.stands(err, "")
	select {
	case <-ctx.Done():
	case <-w.hold.changed:
	case <-time.After(turnPeriod):
	}
}

// withoutBackfill refuses to share a bridge while there is a backlog that nobody would deliver.
func (w *Worker) withoutBackfill(ctx context.Context) error {
	name := backfillName(w.config.Name)
	_, err := w.js.Consumer(ctx, w.config.stream(), name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("looking for the backfill's durable: %w", err)
	}
	return fmt.Errorf("durable consumer %s on stream %s holds a backlog of order: newest, which workers: %s does not deliver; let the bridge finish it with workers: %s",
		name, w.config.stream(), WorkersShared, WorkersOne)
}
