package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// pauses are the cameras that are not to be read, as their bucket says. What is known is used by the fleet's goroutine alone.
type pauses struct {
	site    string
	bucket  jetstream.KeyValue
	watcher jetstream.KeyWatcher         // of follow, once that runs
	changes chan jetstream.KeyValueEntry // what follow has heard
	known   map[string]pauseState        // by camera
}

// pauseState is what a revision of the bucket says of a camera.
type pauseState struct {
	paused   bool
	revision uint64
}

// openPauses knows what is paused when it returns.
func openPauses(ctx context.Context, js jetstream.JetStream, site string) (*pauses, error) {
	p := &pauses{site: site, changes: make(chan jetstream.KeyValueEntry), known: map[string]pauseState{}}
	err := patiently(ctx, func(try context.Context) (err error) {
		if p.bucket, err = js.KeyValue(try, schema.BucketPauses); err != nil {
			return err
		}
		if err = p.watch(ctx); err != nil {
			return err
		}
		for {
			select {
			case e := <-p.watcher.Updates():
				if e == nil { // the end of what there was
					return nil
				}
				p.take(e)
			case <-try.Done():
				return errors.Join(try.Err(), p.watcher.Stop())
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading which cameras are paused: %w", err)
	}
	return p, nil
}

// watch begins to watch the bucket, until ctx ends. A watcher lives as long as the context of its making, which thus cannot be one
// that ends where JetStream does not answer.
func (p *pauses) watch(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	late := time.AfterFunc(askTimeout, end)
	w, err := p.bucket.Watch(ctx, schema.StatusKey(p.site, "*"))
	if !late.Stop() {
		return context.DeadlineExceeded
	}
	if err != nil {
		end()
		return err
	}
	p.watcher = w
	return nil
}

// follow hands on what changes until ctx ends. The client library gives a watcher up that it cannot set up anew, as after a restart of the
// server in place: then another one begins, which tells all there is once more.
func (p *pauses) follow(ctx context.Context, log *slog.Logger) {
	for ctx.Err() == nil {
		p.hear(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(askPause):
		}
		if err := p.watch(ctx); err != nil && ctx.Err() == nil {
			log.Debug("following which cameras are paused", "err", err)
		}
	}
}

// hear hands on what a watcher tells until that or ctx ends.
func (p *pauses) hear(ctx context.Context) {
	for {
		select {
		case e, more := <-p.watcher.Updates():
			if !more {
				return
			}
			if e == nil {
				continue
			}
			select {
			case p.changes <- e:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// look is what the bucket says of a camera, nil where that is nothing. In a cluster what is followed may be seconds behind: its consumer
// is on one node, which may be the one that was lost.
func (p *pauses) look(ctx context.Context, id string) (jetstream.KeyValueEntry, error) {
	e, err := p.bucket.Get(ctx, schema.StatusKey(p.site, id))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading whether camera %s is paused: %w", id, err)
	}
	return e, nil
}

// take notes what an entry says of its camera, and reports whether that is news.
func (p *pauses) take(e jetstream.KeyValueEntry) (id string, news bool) {
	id = strings.TrimPrefix(e.Key(), schema.StatusKey(p.site, ""))
	return id, p.know(id, pauseState{e.Operation() == jetstream.KeyValuePut, e.Revision()})
}

// know notes a camera's state, unless a later one is known.
func (p *pauses) know(id string, s pauseState) (news bool) {
	if news = s.revision > p.known[id].revision; news {
		p.known[id] = s
	}
	return news
}

// pause has a camera left alone, or read again, as an entry says.
func (r *roster) pause(e jetstream.KeyValueEntry) {
	if id, news := r.paused.take(e); news {
		r.rest(id)
	}
}

// rest has a camera left alone, or read again, as is known.
func (r *roster) rest(id string) {
	paused := r.paused.known[id].paused
	for _, p := range []*post{r.posts[id], r.coming[id]} {
		if p != nil && p.station.rest(paused) {
			p.station.tellRest(paused)
			p.reader.Rest(paused)
		}
	}
}

// rest notes whether the camera is paused, and reports whether that is new.
func (s *station) rest(paused bool) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = s.status.Paused != paused
	s.status.Paused = paused
	value := 0.0
	if paused {
		value = 1
	}
	s.metrics.paused.WithLabelValues(s.id).Set(value)
	return changed
}

func (s *station) tellRest(paused bool) {
	e := schema.Event{Reason: "pause", State: "resumed", Message: "an operator wants the camera read again"}
	if paused {
		e.State, e.Message = "paused", "an operator wants the camera left alone"
	}
	s.log.Info("camera " + e.State)
	s.tell(schema.KindControl, e)
	s.publish()
}
