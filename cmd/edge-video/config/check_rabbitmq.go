package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// maxShortString is the longest exchange name or routing key that AMQP can carry.
const maxShortString = 255

func (k *checker) rabbitmq(path string, r *RabbitMQ) {
	k.network(path+".url", r.URL, "amqp", "amqps")
	k.tls(path+".tls", r.TLS, r.URL, "amqps")
	k.plain(path+".url", r.URL, "write url_file, or ${VAR}")
	k.shortName(path+".vhost", r.VHost)
	k.exchange(path+".exchange", r.Exchange, r.Declare)
	k.routingKey(path+".routing_key", r.RoutingKey, r.Constants())
	k.oneOf(path+".body", r.Body, BodyPicture, BodyKey, BodyMetadata, BodyStatus)
	k.shortName(path+".content_type", r.ContentType)
	if r.Expiration < 0 || r.Expiration > 0 && r.Expiration < time.Millisecond {
		k.fail(path+".expiration", formatDuration(r.Expiration)+" is neither 0s nor at least 1ms", "write 0s for messages that stay until they are read")
	}
	seen := map[string]bool{}
	for i, o := range r.Overrides {
		at := fmt.Sprintf("%s.overrides[%d]", path, i)
		full := k.camera(at+".camera", o.Camera)
		if seen[full] {
			k.fail(at+".camera", fmt.Sprintf("camera %q is named twice", full), "remove one of them")
		}
		seen[full] = true
		if o.Exchange == "" && o.RoutingKey == "" {
			k.fail(at, "has neither exchange nor routing_key", "give what is different for this camera, or remove it")
		}
		if o.Exchange != "" {
			k.exchange(at+".exchange", o.Exchange, r.Declare)
		}
		if o.RoutingKey != "" {
			k.routingKey(at+".routing_key", o.RoutingKey, r.Constants())
		}
	}
}

func (k *checker) exchange(path, name string, declare bool) {
	switch {
	case name == "":
		k.fail(path, "is empty", "name the topic exchange, as in cameras")
	case declare && strings.HasPrefix(name, "amq."):
		k.fail(path, fmt.Sprintf("%q is a name that the broker keeps for itself", name), `do not begin with "amq.", or write declare: false to use what is there`)
	default:
		k.shortName(path, name)
	}
}

// shortName checks what AMQP carries as a short string; "" is none.
func (k *checker) shortName(path, text string) {
	switch {
	case len(text) > maxShortString:
		k.fail(path, fmt.Sprintf("is %d bytes long", len(text)), "use at most 255")
	case strings.ContainsFunc(text, unicode.IsControl):
		k.fail(path, fmt.Sprintf("%q holds a control character, which the broker refuses or drops", text), "remove it")
	}
}

func (k *checker) routingKey(path, text string, constants map[string]string) {
	t := k.template(path, text, constants)
	if t == nil {
		return
	}
	longest := t.Expand(longestFrame())
	if n := len(longest); n > maxShortString {
		k.fail(path, fmt.Sprintf("can become %d bytes long", n), "shorten it; AMQP takes at most 255")
		return
	}
	k.shortName(path, longest)
}

// String is the broker's address without its secrets.
func (r *RabbitMQ) String() string { return r.URL.String() }

// Constants are the fields of routing keys that are the same for all frames: prefix, and vhost as given or from the URL.
func (r *RabbitMQ) Constants() map[string]string {
	vhost := "/"
	if u, ok := r.URL.parse(); ok && len(u.EscapedPath()) > 1 {
		if name, err := url.PathUnescape(u.EscapedPath()[1:]); err == nil {
			vhost = name
		}
	}
	if r.VHost != "" {
		vhost = r.VHost
	}
	return map[string]string{"vhost": vhost, "prefix": r.Prefix}
}
