package migrate

import "strings"

// generation is one of the forms that the predecessor's configuration has had.
type generation struct {
	name        string
	convert     func(*converter)
	meaningless func() map[string]string // keys without a place in the new configuration, and why
}

// Keys that only one generation has, a section standing for all below it.
func firstKeys() []string {
	return []string{"target_fps", "protocol", "use_optimized_capture", "amqp.amqp_url", "mqtt", "metadata.exchange", "metadata.routing_key",
		"registration", "compression", "optimization", "memory", "redis.ttl_seconds", "redis.username", "cameras[].name"}
}

func secondKeys() []string {
	return []string{"fps", "quality", "amqp.url", "amqp.prefetch_count", "circuit_breaker", "memory_controller", "cameras[].exchange", "cameras[].routing_key"}
}

func thirdKeys() []string {
	return []string{"resilience", "worker_pool", "camera_registration", "encoding", "monitoring", "redis.db", "redis.vhost", "redis.ttl", "redis.max_retries",
		"redis.retry_delay", "redis.timeout", "redis.pool_size", "metadata.include_redis_key", "amqp.publisher_confirms"}
}

// sharedKeys are known to all, or to more than one.
func sharedKeys() []string {
	return []string{"amqp", "redis", "metadata", "cameras[].id", "cameras[].url"}
}

// newKeys are this program's own.
func newKeys() []string {
	return []string{"bridges", "data_dir", "nats", "stream", "capture", "site"}
}

// recognise tells the generation by its keys.
func recognise(o *old) (generation, error) {
	first, second, third := o.count(firstKeys()), o.count(secondKeys()), o.count(thirdKeys())
	redis := len(o.byKey) > 0 && o.truthOf("redis.enabled")
	switch {
	case o.count(newKeys()) > first+second+third:
		return generation{}, o.refuse("is a configuration of this program already", "run it with edge-video run --config "+o.file)
	case first > 0 && first >= second+third, first+second+third == 0 && isTOML(o.file) && o.count(sharedKeys()) > 0:
		return generation{"first generation (TOML, or the same keys in YAML)", (*converter).first, firstMeaningless}, nil
	case third > 0 || redis:
		return generation{"third generation (YAML, pictures in Redis)", (*converter).third, thirdMeaningless}, nil
	case second > 0 || o.count(sharedKeys()) > 0:
		return generation{"second generation (YAML, a publisher for each camera)", (*converter).second, secondMeaningless}, nil
	}
	return generation{}, o.refuse("is no configuration of the old edge-video that is known here",
		"name a file with target_fps, amqp.amqp_url or mqtt (first generation), or fps and amqp.url (second and third), and cameras")
}

// count is how many of the keys a file has.
func (o *old) count(keys []string) (n int) {
	for _, key := range keys {
		for _, v := range o.values {
			if own := general(v.Key); own == key || below(own, key) {
				n++
				break
			}
		}
	}
	return n
}

// truthOf looks at a key without using it.
func (o *old) truthOf(key string) bool {
	v := o.byKey[key]
	return v != nil && strings.EqualFold(v.Text, "true")
}
