package config

// How the processes that have a bridge work together.
const (
	WorkersOne     = "one"     // one works
	WorkersStandby = "standby" // one works, and others take over
	WorkersShared  = "shared"  // they divide the frames
)

// Apart reports whether the bridge runs in processes of edge-video bridge, beside the node or in its place.
func (b Bridge) Apart() bool { return !b.InNode || b.Workers != WorkersOne }

// Clustered reports whether other nodes of the site work with the same configuration.
func (c *Config) Clustered() bool { return c.NATS.Cluster.Listen != "" }

// workers checks what several processes can do together.
func (k *checker) workers(path string, b Bridge) {
	k.oneOf(path+".workers", b.Workers, WorkersOne, WorkersStandby, WorkersShared)
	if b.Workers == WorkersShared {
		if b.Order == "newest" {
			k.fail(path+".order", "newest needs one worker that knows what it has passed over", "write workers: standby, or order: oldest")
		}
		if b.FPS > 0 {
			k.fail(path+".fps", "frames cannot be chosen where workers divide them", "write workers: standby, or fps: 0")
		}
	}
	if (b.Workers != WorkersOne || k.c.Clustered()) && b.MQTT != nil && b.MQTT.ClientID != "" {
		k.fail(path+".mqtt.client_id", "two workers cannot have the same client id", `write "" for one made of site, node and bridge, or workers: one outside of a cluster`)
	}
	if !b.InNode && k.c.NATS.Listen == "" && k.c.NATS.Config == "" {
		k.fail(path+".in_node", "no other process can reach the node while nats.listen is empty", "set nats.listen, or write true")
	}
}
