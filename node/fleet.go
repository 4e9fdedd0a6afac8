package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/node/cluster"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

const (
	// statusPeriod is how often states and rates go to the bucket.
	statusPeriod = 5 * time.Second
	// summaryPeriod is how often each camera gets a line in the log.
	summaryPeriod = 30 * time.Second
	// drainTimeout bounds the wait for acknowledgements when the node stops.
	drainTimeout = 3 * time.Second
)

// FleetConfig is what a fleet of cameras needs to know.
type FleetConfig struct {
	Site, Node      string
	Cameras         []CameraConfig
	StartsPerSecond float64 // of FFmpeg processes, over all cameras
	QueueBytes      int64   // bound of the frames of all cameras that wait for the stream
	Stream          StreamConfig
	DataDir         string
	Cluster         bool // other nodes of the site may read the same cameras, each one of them
}

// CameraConfig is one camera and its queue.
type CameraConfig struct {
	camera.Config
	QueueBytes int64 // bound of the camera's frames that wait for the stream
}

// ErrNoCamera says that the node does not read a camera of that id.
var ErrNoCamera = errors.New("no such camera")

// Fleet captures all cameras of the node into the stream.
type Fleet struct {
	config  FleetConfig
	server  *Server
	ffmpeg  camera.FFmpeg
	log     *slog.Logger
	metrics *metrics
	updates chan update
	shares  *cluster.Shares // nil where this node reads all cameras
	orders  chan func(*roster)
	ended   chan struct{} // closed when no order is taken any more

	mu      sync.Mutex
	pauses  jetstream.KeyValue // set ahead of posts
	posts   map[string]*post   // replaced as a whole
	coming  map[string]*post   // the same
	horizon horizon
	strain  string // why the machine is too small, "" while it is not
}

// update asks the fleet's goroutine for other cameras.
type update struct {
	config FleetConfig
	ffmpeg camera.FFmpeg
	done   chan error
}

// NewFleet makes a fleet that publishes to the server. Its metrics are registered with reg.
func NewFleet(config FleetConfig, s *Server, ffmpeg camera.FFmpeg, log *slog.Logger, reg prometheus.Registerer) *Fleet {
	f := &Fleet{config: config, server: s, ffmpeg: ffmpeg, log: log, metrics: newMetrics(reg, config.Site),
		updates: make(chan update), orders: make(chan func(*roster)), ended: make(chan struct{}), horizon: horizon{left: config.Stream.MaxAge}}
	if config.Cluster {
		f.shares = f.newShares()
	}
	reg.MustRegister(newChildren(config.Site, f.pids), newQueued(config.Site, f.now), newMachine(config.Site, config.DataDir))
	return f
}

// Run captures until ctx ends. It returns when every FFmpeg has ended, and everything that was captured is in the stream or counted
// as dropped or lost. The server must be ready, and run on until Run has returned.
func (f *Fleet) Run(ctx context.Context) error {
	nc, err := f.server.Connect("fleet")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("reaching JetStream: %w", err)
	}
	pub, err := newPublisher(f.server, f.config.QueueBytes, f.log)
	if err != nil {
		return err
	}
	defer pub.close()
	j := journal.New(js, f.config.Site, f.config.Node, f.log)
	return j.Around(ctx, func() error { return f.read(ctx, pub, js, j) })
}

// read reads the cameras until ctx ends and what was read is stored.
func (f *Fleet) read(ctx context.Context, pub *publisher, js jetstream.JetStream, j *journal.Journal) error {
	past, err := openPast(ctx, js, f.config.Site, f.server.steady)
	if err != nil {
		return err
	}
	paused, err := openPauses(ctx, js, f.config.Site)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.pauses = paused.bucket
	f.mu.Unlock()
	r := &roster{past: past, paused: paused, coming: map[string]*post{}, fleet: f, pub: pub, js: js, journal: j, census: &census{fleet: f, journal: j}, starts: newTurnstile(f.config.StartsPerSecond),
		ffmpeg: f.ffmpeg, posts: map[string]*post{}}
	if f.shares == nil {
		err = f.capture(ctx, r, j)
	} else {
		err = f.share(ctx, r, j)
	}
	r.stop(slices.Collect(maps.Keys(r.posts)))
	r.parting.Wait()
	return err
}

// capture starts the cameras, and keeps states, rates and the horizon up to date until ctx ends.
func (f *Fleet) capture(ctx context.Context, r *roster, j *journal.Journal) error {
	defer close(f.ended)
	if err := r.update(ctx, f.config, f.ffmpeg); err != nil {
		return err
	}
	tick, memory := time.NewTicker(statusPeriod), time.NewTicker(memoryPeriod)
	defer tick.Stop()
	defer memory.Stop()
	summary := time.Now()
	var beside sync.WaitGroup
	beside.Go(func() { f.watchHorizon(ctx, r.js) })
	beside.Go(func() { r.paused.follow(ctx, f.log) })
	defer beside.Wait()
	machine := processor{read: machineTime}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-memory.C:
			returnMemory()
		case do := <-f.orders:
			do(r)
		case e := <-r.paused.changes:
			r.pause(e)
		case u := <-f.updates:
			err := r.update(ctx, u.config, u.ffmpeg)
			if err == nil && f.shares != nil {
				f.shares.Offer(ids(u.config.Cameras))
			}
			u.done <- err
		case now := <-tick.C:
			for _, p := range r.posts {
				p.station.tick(now)
			}
			f.watchProcessor(&machine, now, j)
			if now.Sub(summary) >= summaryPeriod-statusPeriod/2 {
				summary = now
				for _, p := range r.posts {
					p.station.summarise(now)
				}
			}
		}
	}
}

// watchProcessor says when the machine becomes too small for its cameras, and when it no longer is.
func (f *Fleet) watchProcessor(p *processor, now time.Time, j *journal.Journal) {
	changed, err := p.sample(now)
	if err != nil {
		f.log.Debug("the processor's load is not known", "err", err)
		return
	}
	f.metrics.processor.Set(p.share)
	f.mu.Lock()
	f.strain = p.reason()
	f.mu.Unlock()
	if !changed {
		return
	}
	e := schema.Event{Class: schema.ClassNode, Name: f.config.Node, Kind: schema.KindLoad, State: "room", Reason: "processor"}
	if p.full {
		e.State, e.Message = "full", p.reason()
	}
	f.log.Warn("processor", "is", e.State, "in_use", fmt.Sprintf("%.0f %%", 100*p.share))
	j.Event(e)
}

// Update makes the running fleet read the cameras of another configuration, of which it takes these and StartsPerSecond. Cameras that
// are the same in both are not touched; a changed one is taken over without a gap. It returns when removed cameras have ended and the
// others have been told. After an error nothing has changed.
func (f *Fleet) Update(ctx context.Context, config FleetConfig, ffmpeg camera.FFmpeg) error {
	u := update{config: config, ffmpeg: ffmpeg, done: make(chan error, 1)}
	select {
	case f.updates <- u:
		return <-u.done
	case <-ctx.Done():
		return fmt.Errorf("updating cameras: %w", ctx.Err())
	}
}

// Kick has a camera that waits for its next start try at once, and reports whether it waited. Its error is [ErrNoCamera].
func (f *Fleet) Kick(id string) (waited bool, err error) {
	p := f.now()[id]
	if p == nil {
		return false, fmt.Errorf("%w: %q", ErrNoCamera, id)
	}
	return p.reader.Kick(), nil
}

// Pause has a camera left alone by whichever node of the site reads it, also after a restart, until it is resumed. Its error is
// [ErrNoCamera], where this node does not read the camera, or that of the bucket.
func (f *Fleet) Pause(ctx context.Context, id string) error {
	return f.keepPause(id, func(pauses jetstream.KeyValue, key string) error {
		value, err := json.Marshal(schema.Pause{Since: time.Now().UTC(), Node: f.config.Node})
		if err != nil {
			return err
		}
		revision, err := pauses.Put(ctx, key, value)
		if err == nil { // the bucket's own word may take seconds to come
			f.order(func(r *roster) {
				if r.paused.know(id, pauseState{true, revision}) {
					r.rest(id)
				}
			})
		}
		return err
	})
}

// Resume has a paused camera read again. Its errors are those of Pause.
func (f *Fleet) Resume(ctx context.Context, id string) error {
	return f.keepPause(id, func(pauses jetstream.KeyValue, key string) error { return pauses.Purge(ctx, key) })
}

func (f *Fleet) keepPause(id string, keep func(pauses jetstream.KeyValue, key string) error) error {
	f.mu.Lock()
	pauses, p := f.pauses, f.posts[id]
	f.mu.Unlock()
	if p == nil {
		return fmt.Errorf("%w: %q", ErrNoCamera, id)
	}
	if err := keep(pauses, schema.StatusKey(f.config.Site, id)); err != nil {
		return fmt.Errorf("writing bucket %s: %w", schema.BucketPauses, err)
	}
	return nil
}

// Health is what readiness wants to know of capture.
type Health struct {
	Up       int      // cameras that deliver
	Paused   int      // cameras that are not to be read
	Cameras  int      // that this node reads, the paused ones included
	Cut      string   // why it may read none, "" while it may
	Degraded []string // one reason for each camera that does not, and one where the machine is too small for them
	Horizon  time.Duration
}

// Health reports on the cameras.
func (f *Fleet) Health() Health {
	up, paused, down := reasons(f.now())
	cut, uneven := "", []string(nil)
	if f.shares != nil {
		cut, uneven = f.shares.Health()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.strain != "" {
		down = append(down, f.strain)
	}
	return Health{Up: up, Paused: paused, Cameras: len(f.posts), Cut: cut, Degraded: append(down, uneven...), Horizon: f.horizon.left}
}

// Cameras is the state of each camera by its id.
func (f *Fleet) Cameras() map[string]schema.CameraStatus {
	posts := f.now()
	all := make(map[string]schema.CameraStatus, len(posts))
	for id, p := range posts {
		all[id] = p.station.snapshot()
	}
	return all
}

// pids are the FFmpeg processes that run now, by camera.
func (f *Fleet) pids() map[string]int {
	posts := f.now()
	all := make(map[string]int, len(posts))
	for id, p := range posts {
		if pid := p.reader.PID(); pid > 0 {
			all[id] = pid
		}
	}
	return all
}

// now are the cameras that are read now, by id. The map does not change any more.
func (f *Fleet) now() map[string]*post {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.posts
}
