package node

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/node/cluster"
	"github.com/edge-video/edge-video/schema/journal"
)

// roster is the fleet's cameras at work. It is used by the fleet's goroutine alone; others see copies of posts.
type roster struct {
	fleet   *Fleet
	pub     *publisher
	js      jetstream.JetStream
	past    *past
	paused  *pauses
	journal *journal.Journal
	census  *census
	starts  *turnstile
	ffmpeg  camera.FFmpeg
	posts   map[string]*post
	configs map[string]CameraConfig // in a cluster: what may fall to this node
	coming  map[string]*post        // in a cluster: read, and not yet this node's
	parting sync.WaitGroup
}

// post is one camera at work.
type post struct {
	config  CameraConfig
	station *station
	reader  *camera.Reader
	cancel  context.CancelFunc
	abandon context.CancelFunc // ends the lane without another try to store what is in it
	work    errgroup.Group     // reader and lane
}

// update makes the posts those of a configuration. After an error nothing has changed.
func (r *roster) update(ctx context.Context, config FleetConfig, ffmpeg camera.FFmpeg) error {
	wanted := make(map[string]bool, len(config.Cameras))
	var added []CameraConfig
	configs := make(map[string]CameraConfig, len(config.Cameras))
	for _, c := range config.Cameras {
		configs[c.ID] = c
		wanted[c.ID] = true
		if r.posts[c.ID] == nil && r.fleet.shares == nil {
			added = append(added, c)
		}
	}
	var removed []string
	for id := range r.posts {
		if !wanted[id] {
			removed = append(removed, id)
		}
	}
	last, err := r.past.lastEpochs(ctx, added)
	if err != nil {
		return err
	}
	r.ffmpeg, r.configs = ffmpeg, configs
	r.starts.set(config.StartsPerSecond)
	r.stop(removed)
	for _, id := range removed {
		delete(r.posts, id)
		r.fleet.metrics.forget(id)
	}
	for id := range r.coming {
		if !wanted[id] {
			r.drop(id)
		}
	}
	for _, c := range added {
		r.posts[c.ID] = r.begin(ctx, c, last[c.ID], nil)
	}
	for _, c := range config.Cameras {
		for _, p := range []*post{r.posts[c.ID], r.coming[c.ID]} {
			if p != nil {
				p.change(c, ffmpeg)
			}
		}
	}
	r.show()
	r.census.take()
	return nil
}

// begin begins to read a camera, in a cluster for as long as the term is valid and beginning with what is opened. Its lane ends when its
// reader has ended and everything is acknowledged, at most drainTimeout after the camera's end was asked for.
func (r *roster) begin(ctx context.Context, c CameraConfig, lastEpoch int64, term *cluster.Term) *post {
	f := r.fleet
	p := &post{config: c, station: newStation(c.ID, f.config.Node, f.log, r.journal, f.metrics, newTenure(term))}
	p.station.mode(c.Mode)
	p.station.changed = r.census.take
	p.station.lane = r.pub.newLane(c.ID, c.QueueBytes, p.station)
	p.station.lane.sends = p.station.sends
	p.reader = camera.NewReader(c.Config, r.ffmpeg, lastEpoch, r.starts.pass, p.station)
	if r.paused.known[c.ID].paused {
		p.station.rest(true)
		p.reader.Rest(true)
		p.station.works(true) // it is left alone here as well as anywhere
		p.station.publish()
	}
	ctx, p.cancel = context.WithCancel(ctx)
	var drain context.Context
	drain, p.abandon = context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, p.abandon) })
	p.work.Go(func() error {
		defer p.station.lane.close()
		return p.reader.Run(ctx)
	})
	p.work.Go(func() error {
		defer p.abandon()
		p.station.lane.run(drain)
		p.station.flush()
		return nil
	})
	return p
}

// change tells the reader and the lane what is new.
func (p *post) change(c CameraConfig, ffmpeg camera.FFmpeg) {
	if !p.config.Equal(c.Config) {
		p.station.mode(c.Mode)
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
	posts, coming := maps.Clone(r.posts), maps.Clone(r.coming)
	r.fleet.mu.Lock()
	defer r.fleet.mu.Unlock()
	r.fleet.posts, r.fleet.coming = posts, coming
}
