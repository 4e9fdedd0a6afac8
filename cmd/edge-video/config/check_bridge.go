package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edge-video/edge-video/schema"
)

// everyCamera is the pattern of a bridge that takes all frames.
const everyCamera = "*"

func (k *checker) bridges() {
	if len(k.c.Bridges) == 0 {
		k.warn("bridges", "no bridge is configured", "add one, unless frames are read from the stream itself")
	}
	seen := map[string]string{}
	for i, b := range k.c.Bridges {
		path := fmt.Sprintf("bridges[%d]", i)
		k.name(path+".name", b.Name)
		if first, ok := seen[b.Name]; ok && b.Name != "" {
			k.fail(path+".name", fmt.Sprintf("%q is already the name of %s", b.Name, first), "give every bridge its own name")
		} else {
			seen[b.Name] = path
		}
		k.patterns(path+".cameras", b.Cameras, k.c.Hub.Mirror)
		k.oneSite(path, b)
		k.delivery(path, b)
		k.reads(path, b)
		k.policy(path, b)
		k.workers(path, b)
		if b.RabbitMQ != nil {
			k.rabbitmq(path+".rabbitmq", b.RabbitMQ)
		}
		if b.Redis != nil {
			k.redis(path+".redis", b.Redis)
		}
		if b.MQTT != nil {
			k.mqtt(path+".mqtt", b.MQTT)
		}
		if sinks := []bool{b.RabbitMQ != nil, b.Redis != nil, b.MQTT != nil}; len(slices.DeleteFunc(sinks, func(given bool) bool { return !given })) != 1 {
			k.fail(path, "a bridge has exactly one of rabbitmq, redis and mqtt", "give one, and a second bridge for another")
		}
	}
}

func (k *checker) delivery(path string, b Bridge) {
	k.oneOf(path+".start", b.Start, "oldest", "newest")
	k.oneOf(path+".order", b.Order, "oldest", "newest")
	if b.Breaker.Failures < 1 {
		k.fail(path+".breaker.failures", fmt.Sprintf("%d is not above 0", b.Breaker.Failures), "write 5")
	}
	k.above(path+".breaker.open", b.Breaker.Open, 0)
	k.above(path+".breaker.max_open", b.Breaker.MaxOpen, 0)
	if b.Breaker.MaxOpen < b.Breaker.Open {
		what := fmt.Sprintf("%s is less than open %s", formatDuration(b.Breaker.MaxOpen), formatDuration(b.Breaker.Open))
		k.fail(path+".breaker.max_open", what, "write at least "+formatDuration(b.Breaker.Open))
	}
	k.above(path+".timeout", b.Timeout, 0)
}

// backfill is what a bridge's second durable is named behind the first.
const backfill = "-backfill"

// policy checks which frames a bridge takes, and when.
func (k *checker) policy(path string, b Bridge) {
	if b.MaxAge < 0 {
		k.fail(path+".max_age", formatDuration(b.MaxAge)+" is below 0", "write 0s for none, or a duration such as 10s")
	}
	if b.MaxAge > 0 && b.MaxAge >= k.c.Stream.MaxAge && b.Source != SourceEvents {
		k.warn(path+".max_age", "has no effect: the stream holds frames no longer than stream.max_age "+formatDuration(k.c.Stream.MaxAge), "remove it")
	}
	if !(b.FPS >= 0 && b.FPS <= 240) {
		k.fail(path+".fps", fmt.Sprintf("%v is not from 0 to 240", b.FPS), "write 0 for all, or frames a second such as 2 or 0.2")
	}
	if !(b.Rate >= 0 && b.Rate <= 1_000_000) {
		k.fail(path+".rate", fmt.Sprintf("%v is not from 0 to 1000000", b.Rate), "write 0 for no bound, or frames a second such as 200")
	}
	if b.FPS > 0 {
		for _, c := range k.c.Cameras {
			if c.Mode == ModeCopy && b.takes(k.c.Site, c.ID) {
				k.warn(path+".fps", fmt.Sprintf("of camera %s, in mode copy, the bridge delivers keyframes alone, since the others need their neighbours", c.ID),
					"write 0, or mode jpeg for the camera")
				break
			}
		}
	}
	if first, ok := strings.CutSuffix(b.Name, backfill); ok {
		if slices.ContainsFunc(k.c.Bridges, func(other Bridge) bool { return other.Name == first }) {
			k.fail(path+".name", fmt.Sprintf("%q is what bridge %s names the consumer of its backlog", b.Name, first), "give it another name")
		}
	}
}

// takes reports whether frames of a camera are the bridge's.
func (b Bridge) takes(site, camera string) bool {
	return slices.Contains(b.Cameras, everyCamera) || slices.Contains(b.Cameras, camera) || slices.Contains(b.Cameras, site+"."+camera)
}

// CamerasOf are those of the bridge's patterns that are of one site, "*" alone where it takes all of them. Patterns without a site are of the
// node's own.
func (b Bridge) CamerasOf(own, site string) []string {
	var cameras []string
	for _, pattern := range b.Cameras {
		of, id, ok := strings.Cut(pattern, ".")
		switch {
		case pattern == everyCamera || ok && of == site && id == everyCamera:
			return []string{everyCamera}
		case ok && of == site, !ok && own == site:
			cameras = append(cameras, pattern)
		}
	}
	return cameras
}

// Sites are those whose cameras the bridge names, at a hub; "*" names none.
func (b Bridge) Sites(own string) []string {
	var sites []string
	for _, pattern := range b.Cameras {
		if site := siteOf(own, pattern); pattern != everyCamera && !slices.Contains(sites, site) {
			sites = append(sites, site)
		}
	}
	return sites
}

// severalSites reports whether the bridge, at a hub, may deliver frames of more than one site.
func (b Bridge) severalSites(own string) bool {
	return len(b.Sites(own)) > 1 || slices.Contains(b.Cameras, everyCamera)
}

// oneSite refuses at a hub what can be only one site's, and warns where cameras of two sites would write over one another.
func (k *checker) oneSite(path string, b Bridge) {
	if !k.c.Hub.Mirror || !b.severalSites(k.c.Site) {
		return
	}
	if m := b.MQTT; m != nil && m.ClientID != "" && b.Source != SourceStored {
		k.fail(path+".mqtt.client_id", "at a hub each site's frames have a connection of their own, and two may not share an id", "remove it")
	}
	shared := func(key, template string) {
		if template != "" && !strings.Contains(template, "{site}") {
			k.warn(path+key, "does not tell sites apart: cameras of two sites that have one id share it", "write {site} in it, unless ids are unique")
		}
	}
	if r := b.Redis; r != nil {
		shared(".redis.latest", r.Latest)
		shared(".redis.metadata.stream", r.Metadata.Stream)
	}
	if m := b.MQTT; m != nil && m.Retain {
		shared(".mqtt.topic", m.Topic)
	}
}

// patterns checks which cameras a bridge takes, at a hub also those of other sites. Patterns that overlap are refused, as JetStream refuses
// them as filters.
func (k *checker) patterns(path string, patterns []string, hub bool) {
	if len(patterns) == 0 {
		k.fail(path, "takes no camera", `write ["*"] for all`)
	}
	seen := map[string]bool{}
	for i, pattern := range patterns {
		at := fmt.Sprintf("%s[%d]", path, i)
		site, id, ok := strings.Cut(pattern, ".")
		if !ok {
			site, id = k.c.Site, pattern
		}
		full := site + "." + id
		switch {
		case pattern == everyCamera && len(patterns) > 1:
			k.fail(at, `"*" already takes all cameras`, `write ["*"] alone`)
		case pattern == everyCamera:
		case hub && id == everyCamera && schema.ValidSite(site):
			if slices.ContainsFunc(patterns, func(other string) bool { return other != pattern && siteOf(k.c.Site, other) == site }) {
				k.fail(at, fmt.Sprintf("%q already takes all cameras of site %s", pattern, site), "remove the site's others")
			} else if seen[full] {
				k.fail(at, fmt.Sprintf("%q is written twice", pattern), "remove one of them")
			}
		case !schema.ValidSite(site) || !schema.ValidName(id):
			k.fail(at, fmt.Sprintf("%q is not a camera", pattern), `write "*", a camera's id, or <site>.<id>`)
		case seen[full]:
			k.fail(at, fmt.Sprintf("camera %q is named twice", full), "remove one of them")
		case !ok && !k.known(id):
			k.fail(at, fmt.Sprintf("no camera has the id %q", id), k.similar(id))
		case site != k.c.Site && !hub || site == k.c.Site && !k.known(id) && k.c.NATS.Cluster.Listen == "":
			k.warn(at, fmt.Sprintf("no frame of %q can come to this node", pattern), "name a camera of this site")
		}
		seen[full] = true
	}
}

// siteOf is the site of a pattern.
func siteOf(own, pattern string) string {
	if site, _, ok := strings.Cut(pattern, "."); ok {
		return site
	}
	return own
}

// camera checks the name of one camera, and returns it as <site>.<id>.
func (k *checker) camera(path, name string) string {
	site, id, ok := strings.Cut(name, ".")
	if !ok {
		site, id = k.c.Site, name
	}
	switch {
	case !schema.ValidSite(site) || !schema.ValidName(id):
		k.fail(path, fmt.Sprintf("%q is not a camera", name), "write a camera's id, or <site>.<id>")
	case !ok && !k.known(id):
		k.fail(path, fmt.Sprintf("no camera has the id %q", id), k.similar(id))
	}
	return site + "." + id
}

func (k *checker) known(id string) bool {
	return slices.ContainsFunc(k.c.Cameras, func(c Camera) bool { return c.ID == id })
}

// similar is the remedy for an unknown camera.
func (k *checker) similar(id string) string {
	var ids []string
	for _, c := range k.c.Cameras {
		ids = append(ids, c.ID)
	}
	if near, ok := nearest(id, ids); ok {
		return "did you mean " + near + "?"
	}
	return `write "*", a configured id, or <site>.<id> for a camera of another node`
}
