package web

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/schema"
)

const (
	// lookPeriod is how often readiness, sites and links are looked at for those who watch.
	lookPeriod = time.Second
	// retryPause is the wait before something of JetStream's that does not answer is tried again.
	retryPause = time.Second
	// askTimeout bounds questions to JetStream and to the nodes' services.
	askTimeout = 3 * time.Second
)

// floor is what the API stands on while there is a connection to JetStream.
type floor struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	board   *board
	drills  *drills
	archive *archive.Archive
	theatre *theatre
}

// Run gives the API a connection, and keeps what it shows up to date, until ctx ends. The error is that of a connection that cannot be made.
func (s *Server) Run(ctx context.Context) error {
	nc, err := s.parts.Connect("web")
	if err != nil {
		return fmt.Errorf("web: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("web: reaching JetStream: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	c := &crew{ctx: ctx, g: g}
	f := &floor{nc: nc, js: js, board: newBoard(s.horizon), archive: archive.New(js, s.config.Site), drills: newDrills(c, nc, s.config.Site, s.log)}
	f.theatre = &theatre{floor: f, renderer: s.parts.Pictures, crew: c, shows: map[archive.Camera]*show{}}
	s.floor.Store(f)
	defer s.floor.Store(nil)
	g.Go(func() error { return s.follow(ctx, f, schema.BucketCameras, f.board.camera) })
	g.Go(func() error { return s.follow(ctx, f, schema.BucketBridges, f.board.bridge) })
	g.Go(func() error { return s.look(ctx, f) })
	g.Go(func() error { return s.listen(ctx, f) })
	<-ctx.Done()
	c.end()
	err = g.Wait()
	f.board.close()
	return err
}

// ground is what the API stands on, or the fault that there is nothing yet.
func (s *Server) ground() (*floor, error) {
	if f := s.floor.Load(); f != nil {
		return f, nil
	}
	return nil, busyf(http.StatusServiceUnavailable, time.Second, "the node is starting, or its JetStream is away; ask again, and see /readyz")
}

// follow takes every change of a bucket to the board. value is nil where a key has gone.
func (s *Server) follow(ctx context.Context, f *floor, bucket string, take func(site, name string, value []byte)) error {
	for ctx.Err() == nil {
		if err := f.follow(ctx, bucket, take); err != nil && ctx.Err() == nil {
			s.log.Debug("watching states", "bucket", bucket, "err", err)
		}
		pause(ctx, retryPause)
	}
	return nil
}

func (f *floor) follow(ctx context.Context, bucket string, take func(site, name string, value []byte)) error {
	kv, err := f.js.KeyValue(ctx, bucket)
	if err != nil {
		return fmt.Errorf("opening bucket %s: %w", bucket, err)
	}
	// A watcher lives as long as its context, which thus cannot be one that ends where JetStream does not answer.
	ctx, end := context.WithCancel(ctx)
	defer end()
	late := time.AfterFunc(askTimeout, end)
	w, err := kv.WatchAll(ctx)
	if err != nil || !late.Stop() {
		return fmt.Errorf("watching bucket %s: %w", bucket, cmp.Or(err, context.DeadlineExceeded))
	}
	defer func() { _ = w.Stop() }() // fails only with the connection
	for entry := range w.Updates() {
		if entry == nil {
			f.board.begun(bucket)
			continue
		}
		site, name, ok := splitKey(entry.Key())
		if !ok {
			continue // none of ours
		}
		if entry.Operation() == jetstream.KeyValuePut {
			take(site, name, entry.Value())
		} else {
			take(site, name, nil)
		}
	}
	return nil
}

// look shows what the node says of itself to those who watch.
func (s *Server) look(ctx context.Context, f *floor) error {
	tick := time.NewTicker(lookPeriod)
	defer tick.Stop()
	for before := map[thing]any{}; ; {
		f.board.set("status", "", s.condition())
		gone := before
		before = map[thing]any{}
		show := func(t thing, v any, without any) {
			f.board.set(t.kind, t.name, v)
			before[t] = without
			delete(gone, t)
		}
		for _, site := range s.siteList() {
			show(thing{"site", site.Site}, site, struct {
				Site    string `json:"site"`
				Removed bool   `json:"removed"`
			}{site.Site, true})
		}
		for _, link := range s.linkList() {
			show(thing{"link", link.Name}, link, struct {
				Name    string `json:"name"`
				Removed bool   `json:"removed"`
			}{link.Name, true})
		}
		for t, v := range gone {
			f.board.remove(t, v)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// ask puts a question to whoever answers on a subject, as the nodes' services do, and returns the answer.
func (f *floor) ask(ctx context.Context, subject string, body []byte) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, err := f.nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", subject, err)
	}
	return m.Data, refusalOf(m)
}

// pause waits, and not beyond ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
