package node

import (
	"context"
	"maps"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/schema/journal"
)

// roster is the fleet's cameras at work. It is used by the fleet's goroutine alone; others see copies of posts.
type roster struct {
	fleet   *Fleet
	pub     *publisher
	js      jetstream.JetStream
	journal *journal.Journal
	census  *census
	starts  *turnstile
	ffmpeg  camera.FFmpeg
	posts   map[string]*post
}

// post is one camera at work.
type post struct {
	config  CameraConfig
	station *station
	reader  *camera.Reader
	cancel  context.CancelFunc
	work    errgroup.Group // reader and lane
}

// update makes the posts those of a configuration. After an error nothing has changed.
func (r *roster) update(ctx context.Context, config FleetConfig, ffmpeg camera.FFmpeg) error {
	wanted := make(map[string]bool, len(config.Cameras))
	var added []CameraConfig
	for _, c := range config.Cameras {
		wanted[c.ID] = true
		if r.posts[c.ID] == nil {
			added = append(added, c)
		}
	}
	var removed []string
	for id := range r.posts {
		if !wanted[id] {
			removed = append(removed, id)
		}
	}
	last, err := r.fleet.lastEpochs(ctx, r.js, added)
	if err != nil {
		return err
	}
	r.ffmpeg = ffmpeg
	r.starts.set(config.StartsPerSecond)
	r.stop(removed)
	for _, id := range removed {
		delete(r.posts, id)
		r.fleet.metrics.forget(id)
	}
	for _, c := range added {
		r.start(ctx, c, last[c.ID])
	}
	for _, c := range config.Cameras {
		r.posts[c.ID].change(c, ffmpeg)
	}
	r.show()
	r.census.take()
	return nil
}

// start begins to read a camera. Its lane ends when its reader has ended and everything is acknowledged, at most drainTimeout after
// the camera's end was asked for.
func (r *roster) start(ctx context.Context, c CameraConfig, lastEpoch int64) {
	f := r.fleet
	p := &post{config: c, station: newStation(c.ID, f.config.Node, f.log, r.journal, f.metrics)}
	p.station.changed = r.census.take
	p.station.lane = r.pub.newLane(c.ID, c.QueueBytes, p.station)
	p.reader = camera.NewReader(c.Config, r.ffmpeg, lastEpoch, r.starts.pass, p.station)
	ctx, p.cancel = context.WithCancel(ctx)
	drain, abandon := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, abandon) })
	p.work.Go(func() error {
		defer p.station.lane.close()
		return p.reader.Run(ctx)
	})
	p.work.Go(func() error {
		defer abandon()
		p.station.lane.run(drain)
		p.station.flush()
		return nil
	})
	r.posts[c.ID] = p
}

// change tells the reader and the lane what is new.
func (p *post) change(c CameraConfig, ffmpeg camera.FFmpeg) {
	if !p.config.Equal(c.Config) {
		p.reader.Change(c.Config, ffmpeg)
	}
	if p.config.QueueBytes != c.QueueBytes {
		p.station.lane.resize(c.QueueBytes)
	}
	p.config = c
}

// stop ends cameras, all at once, and returns when they have ended and their frames are stored or counted.
func (r *roster) stop(ids []string) {
	for _, id := range ids {
		r.posts[id].cancel()
	}
	for _, id := range ids {
		_ = r.posts[id].work.Wait() // a reader has no error
	}
}

// show makes the posts seen by others.
func (r *roster) show() {
	posts := maps.Clone(r.posts)
	r.fleet.mu.Lock()
	defer r.fleet.mu.Unlock()
	r.fleet.posts = posts
}
