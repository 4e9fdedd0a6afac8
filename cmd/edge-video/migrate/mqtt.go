package migrate

import "strings"

// mqtt writes the bridge to MQTT.
func (c *converter) mqtt() {
	const key = "mqtt.broker"
	address := strings.TrimSpace(c.old.text(key))
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "tcp", address
	}
	switch strings.ToLower(scheme) {
	case "tcp", "mqtt":
		scheme = "mqtt"
	case "ssl", "tls", "mqtts":
		scheme = "mqtts"
	default:
		c.old.fail(key, "has a scheme that no bridge has", "write tcp://host:1883, or ssl://host:8883")
		return
	}
	if rest == "" {
		c.old.fail(key, "is missing", "write it as in tcp://host:1883")
		return
	}
	c.begin("mqtt")
	c.page.comment(4, "The broker has to speak MQTT 5, as Mosquitto does from 1.6 on; subscribers may speak older versions.")
	c.page.section(4, "mqtt")
	c.address(6, key, scheme+"://"+rest, "mqtt")
	c.page.set(6, "topic", "{prefix}{camera}")
	c.page.set(6, "prefix", c.old.text("mqtt.topic_prefix"))
	for _, cam := range c.cameras {
		if cam.id != cam.old {
			c.note(6, "Topics end in the id "+cam.id+" now where it was "+cam.old+".")
		}
	}
}
