package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/bridge/mqtt"
	"github.com/edge-video/edge-video/bridge/rabbitmq"
	"github.com/edge-video/edge-video/bridge/redis"
	"github.com/edge-video/edge-video/bridge/uplink"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/camera"
	"github.com/edge-video/edge-video/node/hub"
	"github.com/edge-video/edge-video/node/link"
)

// What follows translates the configuration file's words into those of the packages that do the work.

func serverConfig(c *config.Config) node.ServerConfig {
	s := node.ServerConfig{Site: c.Site, Node: c.Node, DataDir: c.DataDir, Listen: c.NATS.Listen, File: c.NATS.Config,
		Leaf:    leafConfig(c.NATS.Leaf),
		Uplink:  uplinkLimits(c),
		Hub:     c.Hub.Mirror,
		Cluster: node.ClusterConfig{Name: c.NATS.Cluster.Name, Listen: c.NATS.Cluster.Listen},
		Stream:  streamConfig(c), MaxFrame: maxFrame(c)}
	for _, r := range c.NATS.Cluster.Routes {
		s.Cluster.Routes = append(s.Cluster.Routes, r.Reveal())
	}
	return s
}

func leafConfig(l config.Leaf) node.LeafConfig {
	c := node.LeafConfig{Listen: l.Listen, Insecure: l.Insecure, TLS: node.LeafTLS{CA: l.TLS.CA, Certificate: l.TLS.Certificate, Key: l.TLS.Key}}
	for _, r := range l.Remotes {
		c.Remotes = append(c.Remotes, node.LeafRemote{URL: r.URL.Reveal(), Credentials: r.Credentials, Proxy: r.Proxy.URL.Reveal(),
			TLS: node.LeafTLS{CA: r.TLS.CA, Certificate: r.TLS.Certificate, Key: r.TLS.Key, ServerName: r.TLS.ServerName, HandshakeFirst: r.TLS.HandshakeFirst}})
	}
	return c
}

// uplinkLimits are those of UPLINK, nil where there is none.
func uplinkLimits(c *config.Config) *node.UplinkConfig {
	if len(c.Uplink.Cameras) == 0 {
		return nil
	}
	return &node.UplinkConfig{MaxAge: c.Uplink.MaxAge, MaxBytes: int64(c.Uplink.MaxBytes)}
}

// newUplink makes the worker that fills UPLINK.
func newUplink(c *config.Config, connect connector, log *slog.Logger, reg prometheus.Registerer) *bridge.Worker {
	b := config.DefaultBridge()
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"site": c.Site, "bridge": config.UplinkBridge}, reg)
	sink := uplink.New(uplink.Config{Rate: int64(c.Uplink.Rate), MaxFrame: maxFrame(c), Timeout: b.Timeout}, connect, reg)
	return bridge.NewWorker(bridge.Config{Site: c.Site, Node: c.Node, Name: config.UplinkBridge, Newest: true, Cameras: c.Uplink.Cameras, FPS: c.Uplink.FPS,
		Workers: workers(c, b), MaxFrame: maxFrame(c), Timeout: b.Timeout, Breaker: bridge.BreakerConfig(b.Breaker)}, sink, connect, log, reg)
}

func hubConfig(c *config.Config) hub.Config {
	return hub.Config{Site: c.Site, Node: c.Node, MaxAge: c.Hub.MaxAge, MaxBytes: int64(c.Hub.MaxBytes), Replicas: c.Stream.Replicas}
}

func linkConfig(c *config.Config) link.Config {
	return link.Config{Site: c.Site, Node: c.Node, MaxPayload: int64(node.MaxPayload(maxFrame(c)))}
}

func streamConfig(c *config.Config) node.StreamConfig {
	return node.StreamConfig{MaxAge: c.Stream.MaxAge, MaxBytes: int64(c.Stream.MaxBytes), Replicas: c.Stream.Replicas,
		Sync: node.Sync{Interval: c.Stream.Sync.Interval, Always: c.Stream.Sync.Always, Async: c.Stream.Sync.Async}}
}

// maxFrame is the largest picture that any camera may send.
func maxFrame(c *config.Config) int {
	most := c.Capture.MaxFrame
	for _, cam := range c.Cameras {
		most = max(most, cam.MaxFrame)
	}
	return int(most)
}

func fleetConfig(c *config.Config) node.FleetConfig {
	f := node.FleetConfig{Site: c.Site, Node: c.Node, StartsPerSecond: c.Capture.StartsPerSecond, Stream: streamConfig(c), DataDir: c.DataDir,
		Cluster: c.Clustered()}
	for _, cam := range c.Cameras {
		f.Cameras = append(f.Cameras, node.CameraConfig{Config: cameraConfig(c, cam), QueueBytes: int64(cam.QueueBytes)})
	}
	return f
}

func cameraConfig(c *config.Config, cam config.Camera) camera.Config {
	address, username, password := splitCredentials(cam)
	var masks []camera.Mask
	for _, m := range cam.Masks {
		masks = append(masks, camera.Mask(m))
	}
	return camera.Config{Site: c.Site, Node: c.Node, ID: cam.ID, URL: address, Username: username, Password: password,
		Mode: camera.Mode(cam.Mode), FPS: cam.FPS, Quality: cam.Quality, Width: cam.Width, HWAccel: cam.HWAccel,
		Masks: masks, RTSPTransport: cam.RTSPTransport, InputArgs: cam.InputArgs, OutputArgs: cam.OutputArgs,
		StallTimeout: cam.StallTimeout, MaxFrame: int(cam.MaxFrame)}
}

// findFFmpeg asks the ffmpeg at hand what it can do, refuses cameras that it cannot read, and looks for hardware if a camera wants that
// found out. What it finds is nothing where no camera asks.
func findFFmpeg(ctx context.Context, c *config.Config, path string) (camera.FFmpeg, camera.Hardware, error) {
	f, err := camera.FindFFmpeg(ctx, path)
	if err != nil {
		return f, camera.Hardware{}, err
	}
	for i, cam := range c.Cameras {
		if err := f.CanRead(cam.URL.Reveal()); err != nil {
			return f, camera.Hardware{}, c.Problem(fmt.Sprintf("cameras[%d].url", i), fmt.Sprintf("camera %s: %s", cam.ID, err),
				"install an FFmpeg that can (Debian's can), or name one with --ffmpeg")
		}
	}
	if !slices.ContainsFunc(c.Cameras, func(cam config.Camera) bool { return wantsHardware(cam, "auto") }) {
		return f, camera.Hardware{}, nil
	}
	h := camera.ProbeHardware(ctx, f)
	f.Auto = h.Use
	return f, h, nil
}

// wantsHardware reports whether a camera is to be decoded on an accelerator of that name.
func wantsHardware(cam config.Camera, name string) bool {
	return cam.HWAccel == name && camera.Mode(cam.Mode) != camera.ModeCopy
}

// splitCredentials takes credentials out of the URL where they stand in it, so that they go the same way as those given by key.
func splitCredentials(cam config.Camera) (address, username, password string) {
	raw := cam.URL.Reveal()
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw, cam.Username, cam.Password.Reveal()
	}
	username = u.User.Username()
	password, _ = u.User.Password()
	u.User = nil
	return u.String(), username, password
}

// newWorker makes the worker of a bridge's part with its sink.
func newWorker(c *config.Config, r *running, connect connector, log *slog.Logger, reg prometheus.Registerer) (*bridge.Worker, error) {
	b, mirrored, logSink := r.config, "", log.With("bridge", r.config.Name)
	if r.part.site != c.Site {
		mirrored, logSink = r.part.site, logSink.With("of", r.part.site)
	}
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"site": r.part.site, "bridge": b.Name}, reg)
	sink, err := newSink(c, b, r.part.site, logSink, reg)
	if err != nil {
		return nil, fmt.Errorf("bridge %s: %w", b.Name, err)
	}
	return bridge.NewWorker(bridge.Config{Site: c.Site, Node: c.Node, Name: b.Name, Mirrored: mirrored, Source: bridge.Source(b.Source), Of: b.Of,
		References: r.refers, Cameras: r.part.cameras, Newest: b.Start == "newest",
		Workers: workers(c, b), LiveFirst: b.Order == "newest", MaxAge: b.MaxAge, FPS: b.FPS, Rate: b.Rate,
		MaxFrame: maxFrame(c), Timeout: b.Timeout,
		Breaker: bridge.BreakerConfig(b.Breaker), Shared: r.breaker,
	}, sink, connect, log, reg), nil
}

// workers is how the processes that have a bridge work together. In a cluster one of the nodes has it at work, and another takes over.
func workers(c *config.Config, b config.Bridge) bridge.Workers {
	if c.Clustered() && b.Workers == config.WorkersOne {
		return bridge.WorkersStandby
	}
	return bridge.Workers(b.Workers)
}

// newSink makes the sink of a bridge for the frames of a site.
func newSink(c *config.Config, b config.Bridge, site string, log *slog.Logger, reg prometheus.Registerer) (bridge.Sink, error) {
	if r := b.RabbitMQ; r != nil {
		cfg, err := rabbitmqConfig(c.Site, b)
		if err != nil {
			return nil, err
		}
		if site != c.Site {
			cfg.Name += " of " + site
		}
		return rabbitmq.New(cfg, log, reg)
	}
	if m := b.MQTT; m != nil {
		topic, err := bridge.ParseTemplate(m.Topic, m.Constants())
		if err != nil {
			return nil, fmt.Errorf("mqtt.topic: %w", err)
		}
		// two connections may not share an id, and a bridge may be at work in several processes
		id := cmp.Or(m.ClientID, fmt.Sprintf("edge-video-%s-%s-%s-%08x", c.Site, c.Node, b.Name, rand.Uint32()))
		return mqtt.New(mqtt.Config{URL: m.URL.Reveal(), Topic: topic, Retain: m.Retain, ClientID: id, Timeout: b.Timeout, TLS: bridge.TLS(m.TLS)}, log, reg)
	}
	r := b.Redis
	key, err := bridge.ParseTemplate(r.Key, r.Constants())
	if err != nil {
		return nil, fmt.Errorf("redis.key: %w", err)
	}
	cfg := redis.Config{URL: r.URL.Reveal(), Addresses: r.Addresses, Cluster: r.Cluster,
		Sentinel: redis.Sentinel{Master: r.Sentinel.Master, Username: r.Sentinel.Username, Password: r.Sentinel.Password.Reveal()},
		Key:      key, Site: site, Timeout: b.Timeout, TLS: bridge.TLS(r.TLS)}
	if r.TTL == config.Adaptive {
		cfg.Adaptive = redis.Adaptive{Min: r.TTLMin, Max: r.TTLMax}
	} else {
		cfg.TTL = time.Duration(r.TTL)
	}
	if r.Latest != "" {
		if cfg.Latest, err = bridge.ParseTemplate(r.Latest, r.Constants()); err != nil {
			return nil, fmt.Errorf("redis.latest: %w", err)
		}
	}
	if r.Metadata.Stream != "" {
		cfg.Metadata.MaxLen = int64(r.Metadata.MaxLen)
		if cfg.Metadata.Stream, err = bridge.ParseTemplate(r.Metadata.Stream, r.Constants()); err != nil {
			return nil, fmt.Errorf("redis.metadata.stream: %w", err)
		}
	}
	return redis.New(cfg, log, reg)
}

// aside is a bridge as a second sink beside its own needs it: a broker of MQTT ends the older of two connections with one client id, and
// what it retains is the newest frame, which a frame that comes again is not.
func aside(b config.Bridge) config.Bridge {
	if b.MQTT != nil {
		own := *b.MQTT
		own.ClientID, own.Retain = "", false
		b.MQTT = &own
	}
	return b
}

// rabbitmqConfig is what the sink of a bridge of the given site needs to know.
func rabbitmqConfig(site string, b config.Bridge) (rabbitmq.Config, error) {
	r := b.RabbitMQ
	out := rabbitmq.Config{URL: r.URL.Reveal(), VHost: r.VHost, Exchange: r.Exchange, Own: map[string]rabbitmq.Route{}, Passive: !r.Declare,
		Body: rabbitmq.Body(r.Body), Persistent: r.Persistent, ContentType: r.ContentType, Expiration: r.Expiration, Timeout: b.Timeout,
		Name: "edge-video bridge " + b.Name, TLS: bridge.TLS(r.TLS)}
	var err error
	if out.RoutingKey, err = bridge.ParseTemplate(r.RoutingKey, r.Constants()); err != nil {
		return out, fmt.Errorf("rabbitmq.routing_key: %w", err)
	}
	for _, o := range r.Overrides {
		own := rabbitmq.Route{Exchange: cmp.Or(o.Exchange, r.Exchange), RoutingKey: out.RoutingKey}
		if o.RoutingKey != "" {
			if own.RoutingKey, err = bridge.ParseTemplate(o.RoutingKey, r.Constants()); err != nil {
				return out, fmt.Errorf("rabbitmq.overrides of camera %s: %w", o.Camera, err)
			}
		}
		if !strings.Contains(o.Camera, ".") {
			o.Camera = site + "." + o.Camera
		}
		out.Own[o.Camera] = own
	}
	return out, nil
}
