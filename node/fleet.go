package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/edge-video/edge-video/node/camera"
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
	Stream          StreamConfig
	DataDir         string
}

// CameraConfig is one camera and its queue.
type CameraConfig struct {
	camera.Config
	QueueBytes int64 // bound of the frames that wait for the stream
}

// Fleet captures all cameras of the node into the stream.
type Fleet struct {
	config   FleetConfig
	server   *Server
	ffmpeg   camera.FFmpeg
	log      *slog.Logger
	metrics  *metrics
	stations map[string]*station // filled by Run before anything else reads it, guarded by mu

	mu      sync.Mutex
	horizon horizon
}

// NewFleet makes a fleet that publishes to the server. Its metrics are registered with reg.
func NewFleet(config FleetConfig, s *Server, ffmpeg camera.FFmpeg, log *slog.Logger, reg prometheus.Registerer) *Fleet {
	f := &Fleet{config: config, server: s, ffmpeg: ffmpeg, log: log, metrics: newMetrics(reg, config.Site),
		horizon: horizon{left: config.Stream.MaxAge}}
	reg.MustRegister(newChildren(config.Site, f.pids))
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
	pub, err := newPublisher(f.server, f.log)
	if err != nil {
		return err
	}
	defer pub.close()
	j := journal.New(js, f.config.Site, f.config.Node, f.log)
	last, err := f.lastEpochs(ctx, js)
	if err != nil {
		return err
	}

	// The journal outlives the cameras, so that their end is in it.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var writers errgroup.Group
	writers.Go(func() error { return j.Run(background) })
	err = f.capture(ctx, pub, js, j, last)
	stop()
	return errors.Join(err, writers.Wait())
}

// capture runs readers and lanes. A lane ends when its reader has ended and everything is acknowledged, at most drainTimeout after ctx.
func (f *Fleet) capture(ctx context.Context, pub *publisher, js jetstream.JetStream, j *journal.Journal, last map[string]int64) error {
	starts := rate.NewLimiter(rate.Limit(f.config.StartsPerSecond), 1)
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, cancel) })
	stations := make(map[string]*station, len(f.config.Cameras))
	var g errgroup.Group
	for _, c := range f.config.Cameras {
		s := newStation(c.ID, f.config.Node, f.log, j, f.metrics)
		s.lane = pub.newLane(c.ID, c.QueueBytes, s)
		stations[c.ID] = s
		reader := camera.NewReader(c.Config, f.ffmpeg, last[c.ID], starts.Wait, s)
		s.pid = reader.PID
		g.Go(func() error {
			defer s.lane.close()
			return reader.Run(ctx)
		})
		g.Go(func() error {
			s.lane.run(drain)
			s.flush()
			return nil
		})
	}
	f.mu.Lock()
	f.stations = stations
	f.mu.Unlock()
	g.Go(func() error { return f.watch(ctx, js) })
	return g.Wait()
}

// watch keeps states, rates and the horizon up to date.
func (f *Fleet) watch(ctx context.Context, js jetstream.JetStream) error {
	tick := time.NewTicker(statusPeriod)
	defer tick.Stop()
	summary := time.Now()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			var frames, bytes uint64
			for _, s := range f.stations {
				n, b := s.tick(now)
				frames, bytes = frames+n, bytes+b
			}
			f.updateHorizon(ctx, js, frames, bytes, now.Sub(last))
			last = now
			if now.Sub(summary) >= summaryPeriod-statusPeriod/2 {
				summary = now
				for _, s := range f.stations {
					s.summarise(now)
				}
			}
		}
	}
}

// lastEpochs reads the newest epoch of each camera that the stream or the bucket holds, so that new ones are above it even when the
// clock has gone back.
func (f *Fleet) lastEpochs(ctx context.Context, js jetstream.JetStream) (map[string]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, schema.StreamFrames)
	if err != nil {
		return nil, fmt.Errorf("finding the last epochs: %w", err)
	}
	states, err := js.KeyValue(ctx, schema.BucketCameras)
	if err != nil {
		return nil, fmt.Errorf("finding the last epochs: %w", err)
	}
	last := make(map[string]int64, len(f.config.Cameras))
	for _, c := range f.config.Cameras {
		m, err := stream.GetLastMsgForSubject(ctx, schema.FrameSubject(f.config.Site, c.ID))
		switch {
		case err == nil:
			// A message that edge-video did not write has no epoch; the bucket's still counts.
			if n, err := strconv.ParseInt(m.Header.Get(schema.HeaderEpoch), 10, 64); err == nil {
				last[c.ID] = n
			}
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, fmt.Errorf("finding the last epoch of camera %s: %w", c.ID, err)
		}
		entry, err := states.Get(ctx, schema.StatusKey(f.config.Site, c.ID))
		switch {
		case err == nil:
			var st schema.CameraStatus
			if json.Unmarshal(entry.Value(), &st) == nil {
				last[c.ID] = max(last[c.ID], st.Epoch)
			}
		case !errors.Is(err, jetstream.ErrKeyNotFound):
			return nil, fmt.Errorf("finding the last epoch of camera %s: %w", c.ID, err)
		}
	}
	return last, nil
}

// Health is what readiness wants to know of capture.
type Health struct {
	Up       int      // cameras that deliver
	Degraded []string // one reason for each camera that does not
	Horizon  time.Duration
}

// Health reports on the cameras.
func (f *Fleet) Health() Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	up, down := reasons(f.stations)
	return Health{Up: up, Degraded: down, Horizon: f.horizon.left}
}

// Cameras is the state of each camera by its id.
func (f *Fleet) Cameras() map[string]schema.CameraStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]schema.CameraStatus, len(f.stations))
	for id, s := range f.stations {
		all[id] = s.snapshot()
	}
	return all
}

// pids are the FFmpeg processes that run now, by camera.
func (f *Fleet) pids() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]int, len(f.stations))
	for id, s := range f.stations {
		if pid := s.pid(); pid > 0 {
			all[id] = pid
		}
	}
	return all
}
