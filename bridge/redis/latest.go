package redis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// latestMemory is how long the server remembers at least which frame was the newest of a camera.
const latestMemory = 24 * time.Hour

// setLatest stores a frame as a camera's newest unless a newer one was. Which one was is kept under a key beside, since the picture
// does not say it; that key has the cluster slot of the other.
const setLatest = `
local seen = redis.call('GET', KEYS[2])
if seen and seen > ARGV[2] then return 0 end
if ARGV[3] == '0' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
return 1`

// rank orders the frames of a camera as text.
func rank(f *schema.Frame) string { return fmt.Sprintf("%020d.%020d", f.Epoch, f.Seq) }

// latest is the command that makes a frame its camera's newest.
func (s *session) latest(f *schema.Frame, ttl time.Duration) *redis.Cmd {
	key := s.cfg.Latest.Expand(f)
	return redis.NewCmd(context.Background(), "eval", setLatest, 2, key, beside(key),
		f.Data, rank(f), ttl.Milliseconds(), max(ttl, latestMemory).Milliseconds())
}

// beside is the key that says which frame is under key. A cluster goes by what stands in the first braces, where there is something.
func beside(key string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok && strings.Index(rest, "}") > 0 {
		return key + ":newest"
	}
	return "{" + key + "}:newest"
}

// newest marks of each camera's frames in a pipeline the newest: the others would be overwritten at once.
func newest(items []bridge.Item) (marked [batchFrames]bool) {
	best := make(map[string]int, 8)
	for i, it := range items {
		camera := it.Frame.CameraName()
		if b, ok := best[camera]; !ok || items[b].Frame.Before(it.Frame.Epoch, it.Frame.Seq) {
			best[camera] = i
		}
	}
	for _, i := range best {
		marked[i] = true
	}
	return marked
}
