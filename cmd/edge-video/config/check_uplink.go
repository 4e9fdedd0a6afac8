package config

import (
	"fmt"
	"slices"

	"github.com/edge-video/edge-video/schema"
)

// UplinkBridge is the name of the bridge that fills UPLINK.
const UplinkBridge = schema.UplinkConsumer

func (k *checker) uplink() {
	u := k.c.Uplink
	if !(u.FPS >= 0 && u.FPS <= 240) {
		k.fail("uplink.fps", fmt.Sprintf("%v is not from 0 to 240", u.FPS), "write 0 for all, or frames a second such as 1 or 0.2")
	}
	if u.Rate < 0 {
		k.fail("uplink.rate", u.Rate.String()+" is below 0", "write 0B/s for no bound, or bytes a second such as 2MB/s")
	}
	k.above("uplink.max_age", u.MaxAge, 0)
	if u.MaxBytes < 16*MiB {
		k.fail("uplink.max_bytes", u.MaxBytes.String()+" is too small to absorb an outage of the link", "write at least 16MiB")
	}
	// Where there is no uplink a consumer of that name which began with the newest frames is taken for what an uplink has left, and removed.
	at := slices.IndexFunc(k.c.Bridges, func(b Bridge) bool {
		return b.Name == UplinkBridge && (len(u.Cameras) > 0 || b.Start == "newest")
	})
	if at >= 0 {
		k.fail(fmt.Sprintf("bridges[%d].name", at), fmt.Sprintf("%q is what fills the stream of an uplink", UplinkBridge), "give the bridge another name")
	}
	if len(u.Cameras) == 0 {
		return
	}
	k.patterns("uplink.cameras", u.Cameras, false)
	if len(k.c.NATS.Leaf.Remotes) == 0 {
		k.warn("uplink", "no hub takes what it keeps", "name a hub in nats.leaf.remotes, or remove uplink.cameras")
	}
}
