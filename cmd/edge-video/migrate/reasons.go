package migrate

// What follows are the keys of each generation that have no place in the new configuration, with the reason.

const (
	oneProcess   = "Not needed: one FFmpeg runs for each camera all the time"
	boundedQueue = "Not needed: what waits for the stream is bounded in bytes by capture.queue_bytes"
	backOff      = "Not needed: a camera that fails is tried again with a back-off of its own that always ends"
	memory       = "Not needed: every queue is bounded and nothing grows with the load"
	neverRead    = "Had no effect in the old program"
	confirmed    = "Not needed: frames are always sent with confirms, and sent again without one"
	repeated     = "Not needed: a bridge repeats until the sink has confirmed, and the stream holds the rest"
)

func firstMeaningless() map[string]string {
	return map[string]string{
		"use_optimized_capture":               neverRead,
		"amqp.vhost":                          neverRead + "; the virtual host is that of the URL",
		"compression.enabled":                 neverRead,
		"compression.level":                   neverRead,
		"optimization.max_workers":            oneProcess,
		"optimization.use_persistent":         oneProcess,
		"optimization.worker_queue_size":      boundedQueue,
		"optimization.camera_buffer_size":     boundedQueue,
		"optimization.persistent_buffer_size": boundedQueue,
		"optimization.buffer_size":            boundedQueue,
		"optimization.frame_quality":          neverRead + ", which always used 5, the default here; capture.quality sets it now",
		"optimization.frame_resolution":       neverRead + ", which sent pictures as they came; capture.width sets it now",
		"optimization.circuit_max_failures":   backOff,
		"optimization.circuit_reset_seconds":  backOff,
		"memory.enabled":                      memory,
		"memory.max_memory_mb":                memory,
		"memory.warning_percent":              memory,
		"memory.critical_percent":             memory,
		"memory.emergency_percent":            memory,
		"memory.check_interval_seconds":       memory,
		"memory.gc_trigger_percent":           memory,
	}
}

func secondMeaningless() map[string]string {
	return map[string]string{
		"amqp.prefetch_count":                  neverRead + "; it bounds consumers alone",
		"circuit_breaker.enabled":              backOff,
		"circuit_breaker.max_failures":         backOff,
		"circuit_breaker.reset_timeout":        backOff,
		"circuit_breaker.half_open_successes":  backOff,
		"circuit_breaker.initial_backoff":      backOff,
		"circuit_breaker.max_backoff":          backOff,
		"circuit_breaker.backoff_multiplier":   backOff,
		"memory_controller.enabled":            memory,
		"memory_controller.max_memory_mb":      memory,
		"memory_controller.warning_percent":    memory,
		"memory_controller.critical_percent":   memory,
		"memory_controller.emergency_percent":  memory,
		"memory_controller.check_interval":     memory,
		"memory_controller.gc_trigger":         memory,
		"memory_controller.gc_trigger_percent": memory,
	}
}

func thirdMeaningless() map[string]string {
	reasons := secondMeaningless()
	for key, reason := range map[string]string{
		"amqp.publisher_confirms":         confirmed,
		"worker_pool.size":                "Not needed: a bridge sends many frames at a time and keeps their order",
		"redis.max_retries":               repeated,
		"redis.retry_delay":               repeated,
		"redis.pool_size":                 "Not needed: a bridge makes the connections that it needs, and keeps each camera's order",
		"metadata.enabled":                neverRead + "; the body was the Redis key all the same",
		"metadata.include_redis_key":      neverRead + "; the body was the Redis key all the same",
		"encoding.qsv_quality":            "Not needed: capture.quality holds for software and hardware",
		"encoding.resolution":             neverRead + "; capture.width sets it now",
		"monitoring.pprof_port":           "There is no port for profiling",
		"monitoring.auto_port":            "Not needed: a port that is taken is an error that says so",
		"resilience.initial_grace_period": "Not needed: a camera that starts has as long as one that is silent, capture.stall_timeout",
	} {
		reasons[key] = reason
	}
	return reasons
}
