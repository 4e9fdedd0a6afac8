package redis

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/schema"
)

// replies are the answers to one frame's commands.
type replies struct {
	refused error // why nothing was sent
	key     string
	camera  *reads // nil with a fixed time to live
	probe   bool
	ttl     time.Duration
	set     redis.Cmder
	add     *redis.StringCmd // nil without metadata
	latest  *redis.Cmd       // nil unless the frame is a camera's newest
}

// err is nil when every command was done.
func (r *replies) err() error {
	if r.refused != nil {
		return r.refused
	}
	if err := classify(r.set.Err()); err != nil {
		return err
	}
	if r.add != nil && r.add.Err() != nil {
		return classify(r.add.Err())
	}
	if r.latest != nil {
		return classify(r.latest.Err())
	}
	return nil
}

// store adds the command that stores one frame to the pipeline. Commands of a pipeline are only kept, so neither the context nor an
// error matters here.
func (s *session) store(pipe redis.Pipeliner, f *schema.Frame, r *replies) {
	r.key = s.cfg.Key.Expand(f)
	r.ttl = s.cfg.TTL
	if s.adaptive != nil {
		r.camera = s.adaptive.camera(f)
		r.ttl = s.adaptive.ttl(r.camera.habit)
		r.probe = s.adaptive.probe(r.camera, len(f.Data), s.now)
	}
	if r.probe && s.adaptive.probing == able {
		r.set = s.probe(r.key, f, r.ttl)
	} else {
		r.set = set(r.key, f, r.ttl)
	}
	_ = pipe.Process(context.Background(), r.set)
}

// tell adds the commands that make a stored frame known; newest says that it is its camera's newest in the pipeline.
func (s *session) tell(pipe redis.Pipeliner, f *schema.Frame, newest bool, r *replies) {
	ctx := context.Background()
	if s.cfg.Metadata.Stream != nil {
		r.add = redis.NewStringCmd(ctx, s.entry(f, r.key)...)
		_ = pipe.Process(ctx, r.add)
	}
	if newest {
		r.latest = s.latest(f, r.ttl)
		_ = pipe.Process(ctx, r.latest)
	}
}

// set is the command that stores a frame.
func set(key string, f *schema.Frame, ttl time.Duration) *redis.StatusCmd {
	ctx := context.Background()
	switch {
	case ttl == 0:
		return redis.NewStatusCmd(ctx, "set", key, f.Data)
	case ttl%time.Second == 0:
		return redis.NewStatusCmd(ctx, "set", key, f.Data, "ex", int64(ttl/time.Second))
	}
	return redis.NewStatusCmd(ctx, "set", key, f.Data, "px", ttl.Milliseconds())
}

// probe is the command that stores a frame so that any read shows.
func (s *session) probe(key string, f *schema.Frame, ttl time.Duration) *redis.Cmd {
	head, tail := dump(f.Data)
	return redis.NewCmd(context.Background(), "eval", setProbe, 1, key, f.Data, ttl.Milliseconds(), int64(probeIdle/time.Second), head, tail)
}

// entry is the command that tells about a stored frame.
func (s *session) entry(f *schema.Frame, key string) []any {
	args := make([]any, 0, 24)
	args = append(args, "xadd", s.cfg.Metadata.Stream.Expand(f))
	if n := s.cfg.Metadata.MaxLen; n > 0 {
		// whole nodes of the stream are dropped at a time: exact lengths cost many times more
		args = append(args, "maxlen", "~", n)
	}
	return append(args, "*",
		"id", f.ID(), "key", key, "camera", f.Camera, "site", f.Site,
		"captured", f.Captured.UTC().Format(schema.CapturedLayout), "width", f.Width, "height", f.Height,
		"content_type", f.ContentType, "size", len(f.Data))
}
