package migrate

import "time"

// second converts what began with fps, amqp.url and an exchange and routing key for each camera.
func (c *converter) second() {
	c.capture(reading{fps: c.rate("fps", 10), fpsKey: "fps", quality: c.quality("quality")})
	c.writeCameras()
	c.page.WriteString("\n")
	c.page.section(0, "bridges")
	c.rabbitmq(broker{url: "amqp.url", exchange: "amqp.exchange", prefix: "amqp.routing_key_prefix"}, "")
	c.metrics(0)
}

// third converts what the second grew into: pictures in Redis, their keys in the broker.
func (c *converter) third() {
	stall, _ := c.old.duration("resilience.watchdog_timeout")
	c.capture(reading{fps: c.rate("fps", 10), fpsKey: "fps", quality: c.quality("quality"), stall: stall, hwaccel: "auto"})
	c.writeCameras()
	c.page.WriteString("\n")
	c.page.section(0, "bridges")
	ttl, ok := c.old.duration("redis.ttl")
	if !ok {
		ttl = 2 * time.Minute
	}
	timeout, _ := c.old.duration("redis.timeout")
	keeps := c.redis(cache{database: "redis.db", ttl: ttl, timeout: timeout, vhost: c.old.text("redis.vhost")})
	c.rabbitmq(broker{url: "amqp.url", exchange: "amqp.exchange", prefix: "amqp.routing_key_prefix"}, keeps)
	c.registration("camera_registration", "url", c.old.text("redis.vhost"))
	c.metrics(c.port("monitoring.metrics_port", 2112))
}
