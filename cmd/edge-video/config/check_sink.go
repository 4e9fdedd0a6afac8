package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// String is the server's address without its secrets.
func (r *Redis) String() string { return r.URL.String() }

// Constants are the fields of Key that are the same for all frames.
func (r *Redis) Constants() map[string]string {
	return map[string]string{"vhost": r.VHost, "prefix": r.Prefix}
}

// longestFrame has names and numbers as long as they can be.
func longestFrame() *schema.Frame {
	return &schema.Frame{
		Site:     strings.Repeat("s", 32),
		Camera:   strings.Repeat("c", 64),
		Epoch:    9_999_999_999_999,
		Seq:      9_999_999_999,
		Captured: time.Unix(9_000_000_000, 0),
	}
}

func (k *checker) redis(path string, r *Redis) {
	k.network(path+".url", r.URL, "redis", "rediss", "unix")
	k.tls(path+".tls", r.TLS, r.URL, "rediss")
	k.plain(path+".url", r.URL, "write url_file, or ${VAR}")
	k.servers(path, r)
	if r.TTL != Adaptive {
		k.above(path+".ttl", time.Duration(r.TTL), time.Second)
	}
	k.above(path+".ttl_min", r.TTLMin, time.Second)
	k.above(path+".ttl_max", r.TTLMax, time.Second)
	if r.TTLMax >= time.Second && r.TTLMax < r.TTLMin {
		what := fmt.Sprintf("%s is more than ttl_max %s", formatDuration(r.TTLMin), formatDuration(r.TTLMax))
		k.fail(path+".ttl_min", what, "write at most "+formatDuration(r.TTLMax))
	}
	if r.Latest != "" {
		k.latest(path+".latest", r.Latest, r.Constants())
	}
	if r.Metadata.Stream != "" {
		k.template(path+".metadata.stream", r.Metadata.Stream, r.Constants())
	}
	if r.Metadata.MaxLen < 1 {
		k.fail(path+".metadata.max_len", fmt.Sprintf("%d is not above 0", r.Metadata.MaxLen), "write 10000")
	}
	t := k.template(path+".key", r.Key, r.Constants())
	if t == nil {
		return
	}
	for _, name := range []string{"vhost", "prefix"} {
		if t.Has(name) && r.Constants()[name] == "" {
			k.fail(path+"."+name, "is empty, and key wants it", "give it, or take {"+name+"} out of key")
		}
	}
	example := "write it as in frames:{camera}:{unixnano}"
	switch unique := t.Has("unixnano", "uuid"); {
	case !t.Has("camera"):
		k.fail(path+".key", "has no {camera}, so cameras would overwrite each other's frames", example)
	case !unique && !t.Has("seq"):
		k.fail(path+".key", "has none of {unixnano} {uuid} {seq}, so frames would overwrite each other", example)
	case !unique && !t.Has("epoch"):
		k.warn(path+".key", "has {seq} without {epoch}, so a restarted camera overwrites its earlier frames", "add {epoch}")
	case !t.Has("unixnano") && !(t.Has("epoch") && t.Has("seq")):
		k.warn(path+".key", "tells frames apart by the 32 bits of {uuid} alone, so now and then one overwrites another", "add {unixnano}")
	}
}

// latest checks the key of each camera's newest frame.
func (k *checker) latest(path, text string, constants map[string]string) {
	t := k.template(path, text, constants)
	example := "write it as in latest:{camera}"
	switch {
	case t == nil:
	case !t.Has("camera"):
		k.fail(path, "has no {camera}, so cameras would overwrite each other's newest frame", example)
	case t.Has("seq", "epoch", "unixnano", "uuid"):
		k.fail(path, "is not the same for every frame of a camera", example)
	}
}

// template parses a template, or reports why it cannot be.
func (k *checker) template(path, text string, constants map[string]string) *bridge.Template {
	if text == "" {
		k.fail(path, "is empty", "write a template with fields such as {camera}")
		return nil
	}
	t, err := bridge.ParseTemplate(text, constants)
	if err != nil {
		k.fail(path, err.Error(), "see deploy/edge-video.yaml for the fields")
		return nil
	}
	return t
}

// tls checks what an encrypted connection is proved with; secure are the schemes that have one.
func (k *checker) tls(path string, t TLS, u URL, secure ...string) {
	if t == (TLS{}) {
		return
	}
	if parsed, ok := u.parse(); ok && !slices.Contains(secure, parsed.Scheme) {
		k.fail(path, "has no effect on a connection that is not encrypted", "write "+strings.Join(secure, " or ")+" in url")
	}
	for key, file := range map[string]string{"ca": t.CA, "certificate": t.Certificate, "key": t.Key} {
		if file != "" {
			k.readable(path+"."+key, file)
		}
	}
	if (t.Certificate == "") != (t.Key == "") {
		k.fail(path, "has one of certificate and key", "give both, or neither")
	}
}
