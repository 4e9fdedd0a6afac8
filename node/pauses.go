package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// pauses are the cameras that are not to be read, as their bucket says. They are used by the fleet's goroutine alone.
type pauses struct {
	site    string
	bucket  jetstream.KeyValue
	watcher jetstream.KeyWatcher
	cameras map[string]bool
}

// openPauses knows what is paused when it returns, and follows what changes until ctx ends.
func openPauses(ctx context.Context, js jetstream.JetStream, site string) (*pauses, error) {
	p := &pauses{site: site}
	err := patiently(ctx, func(try context.Context) (err error) {
		p.cameras = map[string]bool{}
		if p.bucket, err = js.KeyValue(try, schema.BucketPauses); err != nil {
			return err
		}
		if p.watcher, err = p.bucket.Watch(ctx, schema.StatusKey(site, "*")); err != nil {
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

// take notes what an entry says, and returns its camera.
func (p *pauses) take(e jetstream.KeyValueEntry) (id string, paused bool) {
	id = strings.TrimPrefix(e.Key(), schema.StatusKey(p.site, ""))
	if paused = e.Operation() == jetstream.KeyValuePut; paused {
		p.cameras[id] = true
	} else {
		delete(p.cameras, id)
	}
	return id, paused
}

// pause has a camera left alone, or read again, as an entry says.
func (r *roster) pause(e jetstream.KeyValueEntry) {
	id, paused := r.paused.take(e)
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
