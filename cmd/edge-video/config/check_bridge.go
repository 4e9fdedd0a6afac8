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
		k.patterns(path+".cameras", b.Cameras)
		k.delivery(path, b)
		if b.RabbitMQ != nil {
			k.rabbitmq(path+".rabbitmq", b.RabbitMQ)
		}
		if b.Redis != nil {
			k.redis(path+".redis", b.Redis)
		}
		if (b.RabbitMQ == nil) == (b.Redis == nil) {
			k.fail(path, "a bridge has exactly one of rabbitmq and redis", "give one, and a second bridge for the other")
		}
	}
}

func (k *checker) delivery(path string, b Bridge) {
	k.oneOf(path+".start", b.Start, "oldest", "newest")
	if b.Order == "newest" {
		k.fail(path+".order", "live frames first is not part of this release", "write oldest")
	} else {
		k.oneOf(path+".order", b.Order, "oldest")
	}
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

// patterns checks which cameras a bridge takes. Patterns that overlap are refused, as JetStream refuses them as filters.
func (k *checker) patterns(path string, patterns []string) {
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
		case !schema.ValidSite(site) || !schema.ValidName(id):
			k.fail(at, fmt.Sprintf("%q is not a camera", pattern), `write "*", a camera's id, or <site>.<id>`)
		case seen[full]:
			k.fail(at, fmt.Sprintf("camera %q is named twice", full), "remove one of them")
		case !ok && !k.known(id):
			k.fail(at, fmt.Sprintf("no camera has the id %q", id), k.similar(id))
		case site != k.c.Site || !k.known(id) && k.c.NATS.Cluster.Listen == "":
			k.warn(at, fmt.Sprintf("no frame of %q can come to this node", pattern), "name a camera of this site")
		}
		seen[full] = true
	}
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
