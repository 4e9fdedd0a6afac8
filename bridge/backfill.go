package bridge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// spansKey is where a backfill's durable keeps the stream sequences that are its own.
	spansKey = "edge-video-backfill"
	// maxSpans bounds them. Beyond it a bridge does not jump to the live frames until a part of the backlog is done.
	maxSpans = 64
	// backfillFrames and backfillBytes bound what a backfill has in flight, a part of a sink's window.
	backfillFrames = 64
	backfillBytes  = 8 << 20
)

// backfillName is the durable that delivers what a bridge has jumped over.
func backfillName(bridge string) string { return bridge + "-backfill" }

// handOver lets the live lane jump to the newest frame when it is behind, and leaves what lies between to the backfill.
//
// The backfill's durable is told first, in its metadata, then the live one is moved; a move that was cut short between the two is
// finished here. So at every moment each frame is some durable's, and only until the move is done, both's.
func (s *session) handOver(ctx context.Context, l *lane) error {
	w := s.worker
	if sp, found := w.left().holding(l.sent + 1); found {
		return s.leap(ctx, l, sp.last)
	}
	if !w.config.LiveFirst || len(w.left()) >= maxSpans {
		return nil
	}
	last, err := w.behind(ctx, l.sent)
	if err != nil || last == 0 {
		return err
	}
	sp := span{l.sent + 1, last}
	if len(w.left()) == 0 {
		w.back.inherit(w.live)
	}
	if err := w.keep(ctx, w.left().add(sp)); err != nil {
		return err
	}
	w.log.Info("live frames come first; the backlog follows beside them", "messages", last-l.sent)
	return s.leap(ctx, l, sp.last)
}

// behind is the stream's last sequence where what lies behind floor is a backlog, and 0 where it is nothing, or has just come.
func (w *Worker) behind(ctx context.Context, floor uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	info, err := w.stream.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errSource, err)
	}
	first, last := max(floor+1, info.State.FirstSeq), info.State.LastSeq
	if first > last {
		return 0, nil
	}
	oldest, err := w.stream.GetMsg(ctx, first)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // it has left the stream just now
	case err != nil:
		return 0, fmt.Errorf("%w: reading the oldest frame: %w", errSource, err)
	case info.State.LastTime.Sub(oldest.Time) <= catchupLag:
		return 0, nil
	}
	return last, nil
}

// leap moves the live durable behind a stream sequence.
func (s *session) leap(ctx context.Context, l *lane, last uint64) error {
	w := s.worker
	err := l.moveTo(ctx, last+1)
	if errors.Is(err, jetstream.ErrConsumerInvalidReset) {
		// One that began with the frames to come cannot be moved. The one that takes its place begins behind the backfill.
		ctx, cancel := context.WithTimeout(ctx, setupTimeout)
		defer cancel()
		if err = w.js.DeleteConsumer(ctx, w.config.stream(), w.live.durable); err == nil {
			w.live.consumer, err = ensureConsumer(ctx, w.js, &w.config, w.id, nil, w.left())
		}
		if err != nil {
			err = fmt.Errorf("%w: making the durable anew: %w", errSource, err)
		}
		l.delivery, l.sent = 0, last
	}
	if err != nil {
		return err
	}
	w.live.moved(last)
	l.seen = last
	return nil
}

// backfill delivers what the live lane has jumped over, run by run, until nothing is left, the session ends or pulling fails.
func (s *session) backfill(live context.Context) error {
	w := s.worker
	for {
		rest := w.left()
		if len(rest) == 0 {
			return nil
		}
		if err := s.fill(live, rest[0]); err != nil {
			return err
		}
		if err := w.keep(live, rest[1:]); err != nil {
			return err
		}
	}
}

// fill delivers one run.
func (s *session) fill(live context.Context, sp span) error {
	w := s.worker
	l := newLane(s, w.back)
	l.end = sp.last
	if err := l.rewind(live); err != nil {
		return err
	}
	if sp.first > l.sent+1 {
		if err := l.moveTo(live, sp.first); err != nil {
			return err
		}
	}
	l.seen = w.back.reach(sp.first - 1)
	if l.sent < sp.last {
		pull, err := l.pull(live)
		if err != nil {
			return err
		}
		l.await(live)
		l.discard(pull)
		l.release(context.Cause(live))
	}
	return context.Cause(live)
}

// await returns when everything up to the lane's end has been answered for, or when the session is over.
func (l *lane) await(live context.Context) {
	tick := time.NewTicker(watchPeriod / 4)
	defer tick.Stop()
	passed := false // a message behind the end has come
	for {
		select {
		case <-live.Done():
			return
		case <-l.beyond:
			passed = true
		case <-tick.C:
		}
		if l.track.settled(l.end, passed) {
			return
		}
	}
}

// left are the runs of stream sequences that the backfill has still to do.
func (w *Worker) left() spans {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spans
}

// keep makes what the backfill has still to do durable. With nothing left its durable goes.
func (w *Worker) keep(ctx context.Context, left spans) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	name := backfillName(w.config.Name)
	if err := w.unchanged(ctx, name); err != nil {
		return err
	}
	if len(left) == 0 {
		if err := w.js.DeleteConsumer(ctx, w.config.stream(), name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("%w: removing the backfill's durable: %w", errSource, err)
		}
	} else {
		config := durable(&w.config, name, w.config.Name+": backfill")
		config.Metadata[spansKey] = left.String()
		consumer, err := w.js.CreateOrUpdateConsumer(ctx, w.config.stream(), config)
		if err != nil {
			return fmt.Errorf("%w: keeping what is left to the backfill: %w", errSource, err)
		}
		w.back.consumer = consumer
	}
	w.mu.Lock()
	w.spans = left
	w.mu.Unlock()
	return nil
}

// unchanged makes sure that no other process has changed what is left: one that was held still for a while may not know that its turn is
// over.
func (w *Worker) unchanged(ctx context.Context, name string) error {
	if w.config.workers() != WorkersStandby {
		return nil
	}
	text := ""
	switch found, err := w.js.Consumer(ctx, w.config.stream(), name); {
	case err == nil:
		text = found.CachedInfo().Config.Metadata[spansKey]
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("%w: looking for the backfill's durable: %w", errSource, err)
	}
	if left := w.left().String(); text != left {
		return fmt.Errorf("%w: another process has changed what is left to the backfill from %q to %q", errSource, left, text)
	}
	return nil
}

// resume finds what an earlier process has left to the backfill.
func (w *Worker) resume(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	name := backfillName(w.config.Name)
	found, err := w.js.Consumer(ctx, w.config.stream(), name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		w.mu.Lock()
		w.spans = nil
		w.mu.Unlock()
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the backfill's durable: %w", err)
	}
	metadata := found.CachedInfo().Config.Metadata
	if _, ours := metadata[schema.MetadataKey]; !ours {
		return foreign(w.config.stream(), name)
	}
	left, err := parseSpans(metadata[spansKey])
	if err != nil {
		return fmt.Errorf("durable consumer %s on stream %s: its metadata %s: %w; remove it with `nats consumer rm %s %s`",
			name, w.config.stream(), spansKey, err, w.config.stream(), name)
	}
	w.mu.Lock()
	w.spans = left
	w.mu.Unlock()
	return w.keep(ctx, left) // with the filters of today
}

// inherit takes over how another track stands with the cameras, and what it has counted.
func (t *track) inherit(from *track) {
	from.mu.Lock()
	cameras, gone := maps.Clone(from.cameras), from.gone
	from.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cameras, t.gone = cameras, max(t.gone, gone)
}

// reach says that what lies up to floor is not this track's, and returns the sequence up to which it is known what became of every
// message.
func (t *track) reach(floor uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if floor > t.floor {
		t.floor, t.handled = floor, floor
	}
	return max(t.floor, t.gone)
}

// settled reports whether everything up to last has been answered for. passed says that nothing up to it is to come any more.
func (t *track) settled(last uint64, passed bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inFlight == 0 && (passed || t.floor >= last)
}
