package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// checker finds what is well-formed but cannot work.
type checker struct {
	*report
	c *Config
}

func (k *checker) run() {
	k.names()
	k.stream()
	k.uplink()
	k.listeners()
	k.http()
	k.nats()
	k.reading("capture", k.c.Capture.Reading)
	if n := k.c.Capture.StartsPerSecond; !(n > 0 && n <= 1000) {
		k.fail("capture.starts_per_second", fmt.Sprintf("%v is not above 0 and at most 1000", n), "write 10")
	}
	k.cameras()
	k.bridges()
	k.registration()
	k.unusedCapture()
	k.oneOf("log.level", k.c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", k.c.Log.Format, "tint", "json")
}

func (k *checker) names() {
	k.site("site", k.c.Site)
	k.site("node", k.c.Node)
	if k.c.DataDir == "" {
		k.fail("data_dir", "is empty", "name the directory that holds the streams, as in ./data")
	}
}

func (k *checker) site(path, name string) {
	if !schema.ValidSite(name) {
		k.fail(path, fmt.Sprintf("%q is not a valid name", name), "use 1 to 32 of a-z 0-9 _ - (no capitals, dots or spaces)")
	}
}

// name checks a camera id or bridge name.
func (k *checker) name(path, name string) {
	switch {
	case name == "":
		k.fail(path, "is missing", "give it a name of 1 to 64 of A-Z a-z 0-9 _ -")
	case !schema.ValidName(name):
		k.fail(path, fmt.Sprintf("%q is not a valid name", name), "use 1 to 64 of A-Z a-z 0-9 _ - (no dots or spaces)")
	}
}

func (k *checker) stream() {
	s := k.c.Stream
	k.above("stream.max_age", s.MaxAge, 0)
	if s.MaxBytes < 64*MiB {
		k.fail("stream.max_bytes", s.MaxBytes.String()+" is too small to absorb an outage", "write at least 64MiB")
	}
	switch {
	case s.Replicas < 1 || s.Replicas > 5:
		k.fail("stream.replicas", fmt.Sprintf("%d is not from 1 to 5", s.Replicas), "write 1, or 3 in a cluster")
	case s.Replicas > 1 && k.c.NATS.Cluster.Listen == "":
		k.fail("stream.replicas", fmt.Sprintf("%d replicas need a cluster of nodes", s.Replicas), "set nats.cluster.listen, or write 1")
	}
	if len(k.c.NATS.Cluster.Routes) > 0 && s.Replicas < 3 {
		k.warn("stream.replicas", fmt.Sprintf("is %d in a cluster: the loss of one node can stop all of them", s.Replicas), "write 3, with three nodes")
	}
	if k.c.Hub.Mirror && k.c.NATS.Leaf.Listen == "" {
		k.fail("hub.mirror", "sites have nowhere to connect to", "set nats.leaf.listen")
	}
	k.above("hub.max_age", k.c.Hub.MaxAge, 0)
	if k.c.Hub.MaxBytes <= 0 {
		k.fail("hub.max_bytes", k.c.Hub.MaxBytes.String()+" is not above 0", "write a size such as 5GiB")
	}
}

// above checks that a duration is longer than zero and at least least.
func (k *checker) above(path string, d, least time.Duration) {
	switch {
	case d <= 0:
		k.fail(path, formatDuration(d)+" is not above 0", "write a duration such as 10s")
	case d < least:
		k.fail(path, formatDuration(d)+" is too short", "write at least "+formatDuration(least))
	}
}

func (k *checker) oneOf(path, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	remedy := "write one of " + strings.Join(allowed, " ")
	if near, ok := nearest(value, allowed); ok {
		remedy = "did you mean " + near + "? " + remedy
	}
	k.fail(path, fmt.Sprintf("%q is not known here", value), remedy)
}
