package migrate

import "github.com/edge-video/edge-video/cmd/edge-video/config"

// metadata writes the bridges that tell of each picture in Redis, which the bridge of that name keeps, and of the states of cameras,
// where they were told of.
func (c *converter) metadata(broker, keeps string) {
	if !c.old.truth("metadata.enabled") {
		c.off("metadata", "Not in use: metadata.enabled was not true")
		return
	}
	address, exchange, key := c.old.text(broker), c.old.text("metadata.exchange"), c.old.text("metadata.routing_key")
	switch {
	case address == "":
		return // which is told
	case exchange == "":
		c.old.fail("metadata.exchange", "is missing", "name the topic exchange, or write enabled = false")
		return
	case key == "":
		c.old.fail("metadata.routing_key", "is missing", "write it as in camera.metadata.event, or enabled = false")
		return
	}
	c.literal("metadata.routing_key", key)
	if keeps == "" {
		c.note(2, "Nothing was told of pictures, since they were not kept in Redis.")
	} else {
		c.begin("metadata")
		c.stored(keeps)
		c.told(broker, address, exchange, key, config.BodyMetadata)
	}
	c.begin("status")
	c.page.set(4, "source", config.SourceEvents)
	c.told(broker, address, exchange, key, config.BodyStatus)
}

// told writes the sink of what is told beside pictures.
func (c *converter) told(broker, address, exchange, key, body string) {
	c.page.section(4, "rabbitmq")
	c.address(6, broker, address, "rabbitmq")
	c.exchange(exchange)
	c.page.set(6, "routing_key", key)
	c.page.set(6, "body", body)
	c.page.put(6, "persistent", "false", "as before")
}
