package redis

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// setLatestNothing asks for the rights that setLatest needs, and ends like a SET that lives for no time.
const setLatestNothing = `
redis.call('GET', KEYS[2])
return redis.call('SET', KEYS[1], '', 'PX', 0)`

// Check connects, and finds out whether the server would take a frame, of which nothing is stored: each command is wrong in an argument
// that a server looks at only when it has looked at the user's rights, its memory, its role and the sizes. The error is that of a frame
// which is not taken. It uses a connection of its own.
func (s *Sink) Check(ctx context.Context, f *schema.Frame) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	to, err := s.reach(ctx)
	if err != nil {
		return fmt.Errorf("connecting to redis: %w", classify(err))
	}
	defer to.shut()
	defer context.AfterFunc(ctx, to.giveUp)()
	if err := to.ping(ctx); err != nil {
		err = to.reason(classify(err))
		if s.options.TLSConfig != nil {
			err = bridge.AfterHandshake(err)
		}
		return fmt.Errorf("connecting to redis at %s: %w", to.address(), err)
	}
	for _, ask := range s.questions(f) {
		pipe := to.Pipeline()
		_ = pipe.Process(ctx, ask.cmd)
		to.exec(pipe)
		err := ask.cmd.Err()
		if err == nil || strings.Contains(strings.ToLower(err.Error()), ask.wrong) {
			continue
		}
		err = to.reason(classify(err))
		if strings.Contains(err.Error(), tooLong) {
			return fmt.Errorf("%w: the server takes no value of %d bytes; its proto-max-bulk-len is too small", bridge.ErrRejected, len(f.Data))
		}
		return fmt.Errorf("%s at %s: %w", ask.about, to.address(), err)
	}
	return nil
}

// question is a command that does nothing.
type question struct {
	cmd   *redis.Cmd
	wrong string // what the server says of it when all else is right, in lower case
	about string
}

func (s *Sink) questions(f *schema.Frame) []question {
	ctx := context.Background()
	key := s.cfg.Key.Expand(f)
	all := []question{{redis.NewCmd(ctx, "set", key, f.Data, "px", 0), "invalid expire", "storing " + key}}
	if m := s.cfg.Metadata.Stream; m != nil {
		all = append(all, question{redis.NewCmd(ctx, "xadd", m.Expand(f), "none", "id", ""), "invalid stream id", "adding to " + m.Expand(f)})
	}
	if l := s.cfg.Latest; l != nil {
		key := l.Expand(f)
		all = append(all, question{redis.NewCmd(ctx, "eval", setLatestNothing, 2, key, beside(key)), "invalid expire", "storing " + key})
	}
	return all
}
