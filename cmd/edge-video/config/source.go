package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edge-video/edge-video/bridge"
)

// What a bridge reads.
const (
	SourceFrames = "frames" // pictures
	SourceStored = "stored" // where another bridge's Redis holds pictures
	SourceEvents = "events" // states of cameras
)

// What the body of a message to RabbitMQ is.
const (
	BodyPicture  = "picture"
	BodyKey      = "key"
	BodyMetadata = "metadata"
	BodyStatus   = "status"
)

// Referred reports whether a bridge is one of whose frames others want to know where they are kept.
func (c *Config) Referred(name string) bool {
	return slices.ContainsFunc(c.Bridges, func(b Bridge) bool { return b.Source == SourceStored && b.Of == name })
}

// reads checks what a bridge reads, and that its sink can make messages of it.
func (k *checker) reads(path string, b Bridge) {
	k.oneOf(path+".source", b.Source, SourceFrames, SourceStored, SourceEvents)
	if b.Of != "" && b.Source != SourceStored {
		k.fail(path+".of", "has no use with source "+b.Source, "remove it, or write source: stored")
	}
	switch {
	case b.Source == SourceFrames && b.RabbitMQ != nil:
		k.pictures(path, b)
	case b.Source == SourceStored:
		k.of(path, b)
		k.body(path, b, BodyKey, BodyMetadata)
	case b.Source == SourceEvents:
		k.ofEvents(path, b)
		k.body(path, b, BodyStatus)
	}
	if b.Source == SourceStored || b.Source == SourceEvents {
		k.ownCameras(path, b)
	}
}

// pictures refuses bodies that need to know more than the picture.
func (k *checker) pictures(path string, b Bridge) {
	switch b.RabbitMQ.Body {
	case BodyKey, BodyMetadata:
		k.fail(path+".rabbitmq.body", b.RabbitMQ.Body+" needs to know where Redis holds the picture",
			"write source: stored and of: with the name of the bridge to Redis")
	case BodyStatus:
		k.fail(path+".rabbitmq.body", "status needs the states of cameras", "write source: events")
	}
}

// body checks that the sink makes one of the bodies that there are for what it reads.
func (k *checker) body(path string, b Bridge, able ...string) {
	words := strings.Join(able, " or ")
	switch r := b.RabbitMQ; {
	case r == nil && (b.Redis != nil || b.MQTT != nil):
		k.fail(path+".source", b.Source+" is read for RabbitMQ alone", "write source: frames, or give the bridge rabbitmq in place of its sink")
	case r != nil && !slices.Contains(able, r.Body) && slices.Contains([]string{BodyPicture, BodyKey, BodyMetadata, BodyStatus}, r.Body):
		k.fail(path+".rabbitmq.body", fmt.Sprintf("%s cannot be made of source %s", r.Body, b.Source), "write "+words)
	}
}

// of checks whose pictures are referred to.
func (k *checker) of(path string, b Bridge) {
	var keeps []string
	for _, other := range k.c.Bridges {
		if other.Redis != nil {
			keeps = append(keeps, other.Name)
		}
	}
	remedy := "name a bridge to Redis, here one of " + strings.Join(keeps, " ")
	if len(keeps) == 0 {
		remedy = "add a bridge to Redis, and name it"
	}
	i := slices.IndexFunc(k.c.Bridges, func(other Bridge) bool { return other.Name == b.Of })
	switch {
	case b.Of == "":
		k.fail(path+".of", "is missing: it says whose pictures are referred to", remedy)
	case i < 0:
		if near, ok := nearest(b.Of, keeps); ok {
			remedy = "did you mean " + near + "?"
		}
		k.fail(path+".of", fmt.Sprintf("no bridge has the name %q", b.Of), remedy)
	case k.c.Bridges[i].Redis == nil:
		k.fail(path+".of", fmt.Sprintf("bridge %s keeps no pictures under keys", b.Of), remedy)
	default:
		k.referred(path+".cameras", b, k.c.Bridges[i])
	}
}

// referred warns of a camera whose pictures the other bridge does not keep.
func (k *checker) referred(path string, b, of Bridge) {
	for _, camera := range b.Cameras {
		if _, id, ok := strings.Cut(camera, "."); ok {
			camera = id
		}
		if camera != everyCamera && !of.takes(k.c.Site, camera) {
			k.warn(path, fmt.Sprintf("bridge %s does not take camera %s, so nothing of it can come", of.Name, camera), "add it there, or remove it here")
		}
	}
}

// ofEvents refuses what would keep the last state of a camera from coming, or from coming last.
func (k *checker) ofEvents(path string, b Bridge) {
	if b.Order == "newest" {
		k.fail(path+".order", "newest has states arrive that are no longer true behind those that are", "write oldest")
	}
	if b.FPS > 0 {
		k.fail(path+".fps", "would leave out states", "remove it")
	}
	if b.Workers == WorkersShared {
		k.fail(path+".workers", "shared has states arrive in any order, and the last has to come last", "write standby")
	}
	r := b.RabbitMQ
	if r == nil || r.Body != BodyStatus {
		return
	}
	if len(r.Overrides) > 0 {
		k.fail(path+".rabbitmq.overrides", "have no use with body status, which is not only of cameras", "remove them")
	}
	t, err := bridge.ParseTemplate(r.RoutingKey, r.Constants())
	switch {
	case err != nil: // told elsewhere
	case t.Has("camera", "epoch", "seq", "unixnano", "uuid"):
		k.fail(path+".rabbitmq.routing_key", "has fields of frames, and a status is none", "leave them out; .status and .system are added behind it")
	case len(t.Expand(longestFrame())+".status") > maxShortString:
		k.fail(path+".rabbitmq.routing_key", "can become more than 255 bytes long with .status behind it", "shorten it")
	}
}

// ownCameras refuses cameras of other sites, whose frames are told apart only in FRAMES.
func (k *checker) ownCameras(path string, b Bridge) {
	for i, camera := range b.Cameras {
		if site, _, ok := strings.Cut(camera, "."); ok && site != k.c.Site {
			k.fail(fmt.Sprintf("%s.cameras[%d]", path, i),
				fmt.Sprintf("%q is of another site, and source %s knows cameras of this one alone", camera, b.Source),
				`write "*", or the ids of this site's cameras`)
		}
	}
}
