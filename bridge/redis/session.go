package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// Bounds of what a sink holds without an answer, and of one pipeline. The first pipelines of a session are small: all of one has the timeout
// together, and what a link carries in that time is not known before.
const (
	windowFrames = 128
	windowBytes  = 16 << 20
	batchFrames  = 32
	batchBytes   = 4 << 20
	batchFirst   = 64 << 10
)

var errGivenUp = errors.New("the connection was closed")

// session is one of a sink's connections, or those to the masters of a cluster, from Connect to Close.
type session struct {
	*bridge.Window
	cfg     *Config
	server  server
	closing atomic.Bool
	ended   chan struct{}

	learned *atomic.Int64 // the limit that the next sessions begin with

	// the flusher's alone
	limit limit
	batch int   // bytes that the next pipeline may have
	lost  error // why nothing is sent any more
	now   time.Time

	adaptive *adaptive
}

// start makes a session with a server that has just been reached, which takes frames of most bytes as far as is known.
func start(ctx context.Context, to server, sink *Sink, most limit) (*session, error) {
	s := &session{cfg: &sink.cfg, server: to, Window: bridge.NewWindow(windowFrames, windowBytes), ended: make(chan struct{}),
		learned: &sink.limit, limit: most, batch: batchFirst, adaptive: sink.adaptive}
	stop := context.AfterFunc(ctx, s.GiveUp)
	err := to.ping(ctx)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		to.shut()
		err = to.reason(classify(err))
		if sink.options.TLSConfig != nil {
			err = bridge.AfterHandshake(err)
		}
		return nil, err
	}
	if s.adaptive != nil {
		s.adaptive.begin(time.Now())
	}
	go s.run()
	return s, nil
}

// GiveUp ends whatever waits for the server.
func (s *session) GiveUp() {
	s.closing.Store(true)
	s.server.giveUp()
}

// End waits until every frame is answered. The session has been given up, and nobody sends any more.
func (s *session) End() {
	s.GiveUp()
	s.Window.Close()
	<-s.ended
	s.server.shut()
}

// pipeline is what has been sent together, with what came of each frame.
type pipeline struct {
	items []bridge.Item
	errs  []error
}

// run sends what is queued, one pipeline after another; the next one gathers meanwhile, and the one before is answered.
func (s *session) run() {
	defer close(s.ended)
	sent, answered := make(chan pipeline, 1), make(chan struct{})
	go func() {
		defer close(answered)
		for p := range sent {
			for i, it := range p.items {
				s.Answer(it, p.errs[i])
			}
		}
	}()
	var items []bridge.Item
	for {
		items = s.Take(items)
		if len(items) == 0 {
			break
		}
		for rest := items; len(rest) > 0; {
			n := s.next(rest)
			sent <- pipeline{slices.Clone(rest[:n]), s.flush(rest[:n])}
			rest = rest[n:]
		}
	}
	close(sent)
	<-answered
}

// next is how many of the items go into the next pipeline: one at least.
func (s *session) next(items []bridge.Item) int {
	bytes := 0
	for n, it := range items {
		bytes += len(it.Frame.Data)
		if n > 0 && (n == batchFrames || bytes > s.batch || it.Err != nil) {
			return n
		}
		if it.Err != nil {
			return 1
		}
	}
	return len(items)
}

// fit has the next pipeline be one that takes well under the timeout, by what the last one took.
func (s *session) fit(items []bridge.Item, took time.Duration) {
	bytes := 0
	for _, it := range items {
		bytes += len(it.Frame.Data)
	}
	switch {
	case took > s.cfg.Timeout/4:
		s.batch = max(min(bytes, s.batch)/2, 1)
	case took < s.cfg.Timeout/8 && bytes > s.batch/2:
		s.batch = min(2*s.batch, batchBytes)
	}
}

// flush sends one pipeline and says what came of its frames. After the first frame that was not taken, none is.
func (s *session) flush(items []bridge.Item) []error {
	if s.lost == nil {
		s.lost = items[0].Err
	}
	var got [batchFrames]replies
	if s.lost == nil {
		s.exec(items, &got)
	}
	errs := make([]error, len(items))
	for i, it := range items {
		err := s.lost
		if err == nil {
			err = s.result(&got[i])
		}
		if err == nil {
			it.Frame.Kept = &schema.Kept{Key: got[i].key, TTL: got[i].ttl, Bytes: len(it.Frame.Data)}
		}
		if s.lost == nil && errors.Is(err, bridge.ErrNotConnected) {
			err = s.server.reason(err)
			s.lost = err
			if strings.Contains(err.Error(), tooLong) {
				s.learned.Store(int64(learn(items)))
			}
		}
		errs[i] = err
	}
	return errs
}

// exec sends one pipeline: the frames, and what it takes to see whether earlier ones are read.
func (s *session) exec(items []bridge.Item, got *[batchFrames]replies) {
	pipe := s.server.Pipeline()
	var marked [batchFrames]bool
	if s.cfg.Latest != nil {
		marked = newest(items)
	}
	s.now = time.Now()
	for i, it := range items {
		if got[i].refused = s.limit.check(len(it.Frame.Data)); got[i].refused == nil {
			s.store(pipe, it.Frame, &got[i])
		}
	}
	if s.adaptive != nil {
		watched := s.watch(pipe, items, got)
		defer watched()
	}
	s.server.exec(pipe)
	s.fit(items, time.Since(s.now))
	s.tellStored(items, &marked, got)
}

// tellStored sends what is to be known of frames once they are stored. In one pipeline with them it would be there although a full server
// has refused them, and in a cluster, where it is up to other masters, ahead of them.
func (s *session) tellStored(items []bridge.Item, marked *[batchFrames]bool, got *[batchFrames]replies) {
	pipe := s.server.Pipeline()
	for i, it := range items {
		err := got[i].err()
		if errors.Is(err, bridge.ErrNotConnected) {
			break
		}
		if err == nil {
			s.tell(pipe, it.Frame, marked[i], &got[i])
		}
	}
	if pipe.Len() > 0 {
		s.server.exec(pipe)
	}
}

// watch adds questions about earlier frames to the pipeline. What it returns takes the answers.
func (s *session) watch(pipe redis.Pipeliner, items []bridge.Item, got *[batchFrames]replies) func() {
	a := s.adaptive
	var trial *redis.Cmd
	for i, it := range items {
		if got[i].probe && a.probing == untried && trial == nil {
			trial = s.probe(got[i].key, it.Frame, a.ttl(got[i].camera.habit))
			_ = pipe.Process(context.Background(), trial)
		}
	}
	asked := a.ask(pipe, s.now)
	return func() {
		now := time.Now()
		for i := range items {
			if r := &got[i]; r.set != nil && r.err() == nil && (!r.probe || a.probing == able) {
				a.stored(r.camera, r.key, r.probe, now)
			}
		}
		if trial != nil {
			a.tried(trial.Err())
		}
		a.answer(asked)
	}
}

func (s *session) result(r *replies) error {
	err := r.err()
	if err != nil && errors.Is(err, bridge.ErrNotConnected) && s.closing.Load() {
		return fmt.Errorf("%w: %w", bridge.ErrNotConnected, errGivenUp)
	}
	return err
}
