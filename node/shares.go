package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node/cluster"
	"github.com/edge-video/edge-video/schema/journal"
)

// pastTimeout bounds a look at what is stored of a camera that is taken over. A replica that hangs may have been asked.
const pastTimeout = 400 * time.Millisecond

// shared makes the fleet read the cameras that fall to its node in a cluster. It implements [cluster.Reader].
type shared struct {
	fleet  *Fleet
	past   *past
	paused *pauses
	ctx    context.Context // of the cameras
}

func (f *Fleet) newShares() *cluster.Shares {
	peers := func() (p cluster.Peers) {
		names, size := f.server.peers()
		p.Size = size
		for _, server := range names {
			if node, ours := strings.CutPrefix(server, f.config.Site+"-"); ours {
				p.Nodes = append(p.Nodes, node)
			} else if server != "" { // one that was not met yet
				p.Strangers = append(p.Strangers, server)
			}
		}
		return p
	}
	return cluster.New(cluster.Config{Site: f.config.Site, Node: f.config.Node, Replicas: f.config.Stream.Replicas, Peers: peers,
		Connect: f.server.Connect, Patiently: patiently}, ids(f.config.Cameras), f.log)
}

func ids(cameras []CameraConfig) []string {
	all := make([]string, len(cameras))
	for i, c := range cameras {
		all[i] = c.ID
	}
	return all
}

// order has the fleet's goroutine do something. It reports false once that has ended.
func (f *Fleet) order(do func(*roster)) bool {
	done := make(chan struct{})
	select {
	case f.orders <- func(r *roster) { defer close(done); do(r) }:
		<-done
		return true
	case <-f.ended:
		return false
	}
}

// Prepare implements [cluster.Reader].
func (s *shared) Prepare(ctx context.Context, id string, above int64, term *cluster.Term) (first <-chan bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pastTimeout)
	defer cancel()
	last, err := s.past.lastEpoch(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("finding the last epoch of camera %s: %w", id, err)
	}
	var pause jetstream.KeyValueEntry
	err = s.past.steady(func() error {
		pause, err = s.paused.look(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%w: %q", ErrNoCamera, id)
	s.fleet.order(func(r *roster) {
		c, known := r.configs[id]
		if !known || r.posts[id] != nil || r.coming[id] != nil {
			return
		}
		if pause != nil {
			r.pause(pause)
		}
		p := r.begin(s.ctx, c, max(last, above), term)
		r.coming[id] = p
		r.show()
		first, err = p.station.first, nil
	})
	return first, err
}

// Open implements [cluster.Reader].
func (s *shared) Open(id, from string) (opened bool) {
	s.fleet.order(func(r *roster) {
		p := r.coming[id]
		if p == nil {
			return
		}
		delete(r.coming, id)
		r.posts[id] = p
		p.station.open(from)
		r.show()
		r.census.take()
		opened = true
	})
	return opened
}

// Drop implements [cluster.Reader].
func (s *shared) Drop(id string) {
	s.fleet.order(func(r *roster) { r.drop(id) })
}

// Leave implements [cluster.Reader].
func (s *shared) Leave(cameras []string, to string) <-chan struct{} {
	stored := make(chan struct{})
	if !s.fleet.order(func(r *roster) { r.leave(cameras, to, stored) }) {
		close(stored)
	}
	return stored
}

// Epoch implements [cluster.Reader].
func (s *shared) Epoch(id string) int64 {
	s.fleet.mu.Lock()
	defer s.fleet.mu.Unlock()
	for _, p := range []*post{s.fleet.posts[id], s.fleet.coming[id]} {
		if p != nil {
			return p.reader.Epoch()
		}
	}
	return 0
}

// Failing implements [cluster.Reader].
func (s *shared) Failing(id string) bool {
	p := s.fleet.now()[id]
	return p != nil && p.station.snapshot().Breaker.Number() > 0
}

// drop ends a camera that was prepared and is not this node's, without a trace.
func (r *roster) drop(id string) {
	p := r.coming[id]
	if p == nil {
		return
	}
	delete(r.coming, id)
	p.station.discard()
	r.show()
	r.part(map[string]*post{id: p}, nil)
}

// leave ends cameras that another node is to read, and closes stored when their frames are stored, or their term was over.
func (r *roster) leave(cameras []string, to string, stored chan struct{}) {
	gone := map[string]*post{}
	for _, id := range cameras {
		if p := r.posts[id]; p != nil {
			delete(r.posts, id)
			p.station.leave(to)
			gone[id] = p
		}
	}
	r.show()
	r.census.take()
	r.part(gone, stored)
}

// part lets cameras end in the background, and closes ended, which may be nil, when they have.
func (r *roster) part(gone map[string]*post, ended chan struct{}) {
	for _, p := range gone {
		p.cancel()
		if !p.station.sends() {
			p.abandon()
		}
	}
	r.parting.Go(func() {
		for _, p := range gone {
			_ = p.work.Wait() // a reader has no error
		}
		if ended != nil {
			close(ended)
		}
		r.fleet.order(func(r *roster) {
			for id := range gone {
				if r.posts[id] == nil && r.coming[id] == nil {
					r.fleet.metrics.forget(id)
				}
			}
		})
	})
}

// share captures the cameras that fall to this node until ctx ends and others have them.
func (f *Fleet) share(ctx context.Context, r *roster, j *journal.Journal) error {
	capturing, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var g errgroup.Group
	g.Go(func() error {
		defer end()
		return f.shares.Run(ctx, &shared{fleet: f, past: r.past, paused: r.paused, ctx: capturing})
	})
	err := f.capture(capturing, r, j)
	return errors.Join(err, g.Wait())
}
