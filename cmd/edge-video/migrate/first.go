package migrate

import (
	"strings"
	"time"
)

// first converts what began with target_fps, amqp.amqp_url and camera sections of TOML.
func (c *converter) first() {
	c.capture(reading{fps: c.rate("target_fps", 2), fpsKey: "target_fps"})
	c.writeCameras()
	c.page.WriteString("\n")
	c.page.section(0, "bridges")
	switch protocol := strings.ToLower(c.old.text("protocol")); protocol {
	case "", "amqp":
		c.rabbitmq(broker{url: "amqp.amqp_url", exchange: "amqp.exchange", prefix: "amqp.routing_key_prefix"}, "")
		c.off("mqtt", "Not in use: protocol was amqp")
	case "mqtt":
		c.mqtt()
		c.off("amqp", "Not in use: protocol was mqtt")
		c.off("metadata", "Not in use: protocol was mqtt")
	default:
		c.old.fail("protocol", "is neither amqp nor mqtt", "write one of the two")
	}
	seconds, _ := c.old.number("redis.ttl_seconds")
	keeps := c.redis(cache{user: "redis.username", ttl: time.Duration(min(seconds, 1e9) * float64(time.Second)),
		vhost: vhostOf(c.old.text("amqp.amqp_url")), suffix: ":{seq:05d}"})
	if c.unused["metadata"] == "" {
		c.metadata("amqp.amqp_url", keeps)
	}
	c.registration("registration", "api_url", "")
	c.metrics(9090)
}
