package migrate

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// broker names the keys that say where frames were published.
type broker struct{ url, exchange, prefix string }

// route is where the frames of some cameras go.
type route struct {
	exchange, key string // key is a template
	cameras       []string
}

// octets is the content type that pictures were sent with.
const octets = "application/octet-stream"

// rabbitmq writes the bridge to RabbitMQ, where there was one: what most cameras have in common, and what is different for others. Where
// keysOf names a bridge to Redis, messages hold the keys of pictures there.
func (c *converter) rabbitmq(b broker, keysOf string) {
	address := c.old.text(b.url)
	routes := c.routes(b)
	if address == "" {
		c.note(2, "The old file names no RabbitMQ: no bridge goes there.")
		return
	}
	slices.SortStableFunc(routes, func(x, y route) int { return len(y.cameras) - len(x.cameras) })
	c.begin("rabbitmq")
	if keysOf != "" {
		c.stored(keysOf)
	}
	c.page.section(4, "rabbitmq")
	c.address(6, b.url, address, "rabbitmq")
	var exchanges []string
	for _, r := range routes {
		exchanges = append(exchanges, r.exchange)
	}
	c.exchange(exchanges...)
	c.page.set(6, "routing_key", routes[0].key)
	if keysOf != "" {
		c.page.set(6, "body", config.BodyKey)
	} else {
		c.page.set(6, "content_type", octets)
	}
	c.page.put(6, "persistent", "false", "as before; true has the broker write messages to disk")
	if len(routes) > 1 {
		c.page.section(6, "overrides")
	}
	for _, r := range routes[1:] {
		for _, cam := range r.cameras {
			c.override(cam, r, routes[0])
		}
	}
}

// override writes what is different for a camera.
func (c *converter) override(cam string, own, all route) {
	keys := "camera: " + quote(cam)
	if own.exchange != all.exchange {
		keys += ", exchange: " + quote(own.exchange)
	}
	if own.key != all.key {
		keys += ", routing_key: " + quote(own.key)
	}
	c.page.WriteString("        - {" + keys + "}\n")
}

// stored has the bridge tell where another's pictures are.
func (c *converter) stored(of string) {
	c.page.set(4, "source", config.SourceStored)
	c.page.set(4, "of", of)
}

// exchange writes the first of a bridge's exchanges.
func (c *converter) exchange(all ...string) {
	c.page.set(6, "exchange", all[0])
	if slices.ContainsFunc(all, func(name string) bool { return strings.HasPrefix(name, "amq.") }) {
		c.page.put(6, "declare", "false", "the broker's own exchanges are there")
	}
}

// begin begins a bridge.
func (c *converter) begin(name string) {
	c.page.WriteString("  - ")
	c.page.set(0, "name", name)
}

// routes sorts the cameras by where their frames go.
func (c *converter) routes(b broker) (all []route) {
	exchange, prefix := c.old.text(b.exchange), c.old.text(b.prefix)
	c.literal(b.prefix, prefix)
	for _, cam := range c.cameras {
		r := route{exchange: cam.exchange, key: cam.routingKey}
		if c.literal(cam.at+".routing_key", r.key); r.key == "" {
			r.key = prefix + cam.old
		}
		if rest, ok := strings.CutSuffix(r.key, cam.old); ok && cam.id == cam.old {
			r.key = rest + "{camera}"
		}
		if r.exchange == "" {
			r.exchange = exchange
		}
		same := slices.IndexFunc(all, func(o route) bool { return o.exchange == r.exchange && o.key == r.key })
		if same < 0 {
			same, all = len(all), append(all, r)
		}
		all[same].cameras = append(all[same].cameras, cam.id)
	}
	if len(all) == 0 {
		all = []route{{exchange: exchange, key: prefix + "{camera}"}}
	}
	if slices.ContainsFunc(all, func(r route) bool { return r.exchange == "" }) && c.old.text(b.url) != "" {
		c.old.fail(b.exchange, "is missing, and not every camera has its own", "name the topic exchange")
	}
	return all
}

// literal refuses text that would read as a field of a template.
func (c *converter) literal(key, text string) {
	if strings.ContainsAny(text, "{}") {
		c.old.fail(key, "holds a brace, which stands for a field here", "choose a name without braces")
	}
}

// address writes a sink's URL, elsewhere if it holds a password.
func (c *converter) address(indent int, key, text, name string) {
	if !hidden(text) {
		c.page.set(indent, "url", text)
		return
	}
	c.page.comment(indent, config.URL(text).String())
	c.secrets.put(&c.page, indent, "url", key, text, name, "url")
}

// cache says how pictures were kept in Redis.
type cache struct {
	user, database string // keys, "" where there is none
	ttl, timeout   time.Duration
	vhost          string // of the broker, the first part of a key
	suffix         string // the last part of a key
}

// redis writes the bridge to Redis and returns its name, "" where there was none.
func (c *converter) redis(r cache) string {
	if !c.old.truth("redis.enabled") {
		c.off("redis", "Not in use: redis.enabled was not true")
		return ""
	}
	prefix := c.old.text("redis.prefix")
	if prefix == "" {
		prefix = "frames"
	}
	c.literal("redis.prefix", prefix)
	c.begin("redis")
	if r.timeout >= time.Second {
		c.page.put(4, "timeout", duration(r.timeout), "redis.timeout")
	}
	c.page.section(4, "redis")
	c.address(6, "redis.address", c.redisURL(r), "redis")
	key := prefix + ":{camera}:{unixnano}" + r.suffix
	if r.vhost != "" {
		key = r.vhost + ":" + key
	}
	c.literal("redis.vhost", r.vhost)
	c.page.set(6, "key", key)
	if r.ttl < time.Second {
		r.ttl = 5 * time.Minute
		c.note(6, "Pictures had no time to live, so Redis kept them for ever; now it is:")
	}
	c.page.put(6, "ttl", duration(r.ttl))
	return "redis"
}

func (c *converter) redisURL(r cache) string {
	u := url.URL{Scheme: "redis", Host: c.old.text("redis.address")}
	if u.Host == "" {
		u.Host = "localhost:6379"
	}
	user, password := "", c.old.text("redis.password")
	if r.user != "" {
		user = c.old.text(r.user)
	}
	if password != "" {
		u.User = url.UserPassword(user, password)
	} else if user != "" {
		u.User = url.User(user)
	}
	if n, ok := c.old.number(r.database); ok && n > 0 {
		u.Path = "/" + strconv.Itoa(int(n))
	}
	return u.String()
}

// vhostOf is the virtual host that a broker's URL names.
func vhostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || len(u.Path) < 2 {
		return "/"
	}
	return u.Path[1:]
}
