// Package config loads the one YAML file that configures an edge-video node. It is strict: what it does not understand it
// refuses, and it reports every fault of a file at once, each with file, line, key and a remedy. Loading changes nothing on disk.
package config

import "time"

// Config is a whole configuration. [Default] and [Parse] make it; every default is filled in.
type Config struct {
	Site         string       `yaml:"site"`
	Node         string       `yaml:"node"`
	DataDir      string       `yaml:"data_dir"`
	NATS         NATS         `yaml:"nats"`
	Stream       Stream       `yaml:"stream"`
	Hub          Hub          `yaml:"hub"`
	Uplink       Uplink       `yaml:"uplink"`
	Capture      Capture      `yaml:"capture"`
	Cameras      []Camera     `yaml:"cameras"`
	Bridges      []Bridge     `yaml:"bridges"`
	Registration Registration `yaml:"registration"`
	HTTP         HTTP         `yaml:"http"`
	Log          Log          `yaml:"log"`

	source source
}

// NATS configures the embedded server. An empty Listen leaves it reachable in-process only.
type NATS struct {
	Listen   string  `yaml:"listen"`
	Insecure bool    `yaml:"insecure"`
	Config   string  `yaml:"config"` // path of a plain nats-server.conf, "" for none
	Leaf     Leaf    `yaml:"leaf"`
	Cluster  Cluster `yaml:"cluster"`
}

// Leaf configures leaf node connections, in and out.
type Leaf struct {
	Listen   string   `yaml:"listen"`
	Insecure bool     `yaml:"insecure"`
	TLS      LeafTLS  `yaml:"tls"`
	Remotes  []Remote `yaml:"remotes"`
}

// Cluster configures the nodes of one site that hold its streams together.
type Cluster struct {
	Name     string `yaml:"name"`
	Listen   string `yaml:"listen"`
	Insecure bool   `yaml:"insecure"`
	Routes   []URL  `yaml:"routes"`
}

// Stream bounds what the site's FRAMES stream holds.
type Stream struct {
	MaxAge   time.Duration `yaml:"max_age"`
	MaxBytes Size          `yaml:"max_bytes"`
	Sync     Sync          `yaml:"sync"`
	Replicas int           `yaml:"replicas"`
}

// Hub bounds what a hub mirrors of each site.
type Hub struct {
	Mirror   bool          `yaml:"mirror"`
	MaxAge   time.Duration `yaml:"max_age"`
	MaxBytes Size          `yaml:"max_bytes"`
}

// Uplink is what a site sends to its hub, where that is not all.
type Uplink struct {
	Cameras  []string      `yaml:"cameras"` // as a bridge's; none for no uplink
	FPS      float64       `yaml:"fps"`
	Rate     ByteRate      `yaml:"rate"`
	MaxAge   time.Duration `yaml:"max_age"`
	MaxBytes Size          `yaml:"max_bytes"`
}

// Capture holds what all cameras share and the defaults of each.
type Capture struct {
	Reading         `yaml:",inline"`
	StartsPerSecond float64 `yaml:"starts_per_second"`
}

// Reading is how a camera is read and queued.
type Reading struct {
	Mode          string        `yaml:"mode"` // jpeg, keyframes or copy
	FPS           float64       `yaml:"fps"`
	Quality       int           `yaml:"quality"`
	Width         int           `yaml:"width"` // 0 is as the camera sends it
	StallTimeout  time.Duration `yaml:"stall_timeout"`
	HWAccel       string        `yaml:"hwaccel"`
	RTSPTransport string        `yaml:"rtsp_transport"` // tcp, udp, udp_multicast, http or auto
	InputArgs     []string      `yaml:"input_args"`     // further options of FFmpeg, ahead of -i
	OutputArgs    []string      `yaml:"output_args"`    // the same behind it
	MaxFrame      Size          `yaml:"max_frame"`
	QueueBytes    Size          `yaml:"queue_bytes"`
}

// Camera is one camera with its own or inherited [Reading]. URL and Password are filled in from their files where those are given.
type Camera struct {
	ID           string `yaml:"id"`
	URL          URL    `yaml:"url"`
	URLFile      string `yaml:"url_file,omitempty"`
	Username     string `yaml:"username,omitempty"`
	Password     Secret `yaml:"password,omitempty"`
	PasswordFile string `yaml:"password_file,omitempty"`
	Masks        []Mask `yaml:"masks,omitempty"`
	Reading      `yaml:",inline"`
}

// Mask is a rectangle that is blackened, in fractions of the picture from its upper left corner.
type Mask struct {
	X      float64 `yaml:"x"`
	Y      float64 `yaml:"y"`
	Width  float64 `yaml:"width"`
	Height float64 `yaml:"height"`
}

// Bridge is one consumer that republishes frames. Exactly one of RabbitMQ, Redis and MQTT is set.
type Bridge struct {
	Name     string        `yaml:"name"`
	Source   string        `yaml:"source"`  // frames, stored or events
	Of       string        `yaml:"of"`      // with stored: the bridge whose Redis holds the pictures
	Cameras  []string      `yaml:"cameras"` // "*" alone, ids, or <site>.<id>
	Workers  string        `yaml:"workers"` // one, standby or shared
	InNode   bool          `yaml:"in_node"` // else only in processes of edge-video bridge
	Start    string        `yaml:"start"`   // oldest or newest
	Order    string        `yaml:"order"`   // oldest or newest
	MaxAge   time.Duration `yaml:"max_age"` // 0 is none
	FPS      float64       `yaml:"fps"`     // of each camera; 0 is all
	Rate     float64       `yaml:"rate"`    // frames a second while catching up; 0 is no bound
	Breaker  Breaker       `yaml:"breaker"`
	Timeout  time.Duration `yaml:"timeout"` // for a sink to confirm before it counts as down
	RabbitMQ *RabbitMQ     `yaml:"rabbitmq"`
	Redis    *Redis        `yaml:"redis"`
	MQTT     *MQTT         `yaml:"mqtt"`
}

// Breaker configures a bridge's circuit breaker: it opens after Failures in a row, for Open at first and MaxOpen at most.
type Breaker struct {
	Failures int           `yaml:"failures"`
	Open     time.Duration `yaml:"open"`
	MaxOpen  time.Duration `yaml:"max_open"`
}

// RabbitMQ is a sink. URL is filled in from URLFile where that is given.
type RabbitMQ struct {
	URL         URL           `yaml:"url"`
	URLFile     string        `yaml:"url_file,omitempty"`
	VHost       string        `yaml:"vhost"` // "" is the URL's
	Exchange    string        `yaml:"exchange"`
	RoutingKey  string        `yaml:"routing_key"`
	Prefix      string        `yaml:"prefix"` // {prefix} of routing keys
	Overrides   []Override    `yaml:"overrides"`
	Body        string        `yaml:"body"`    // picture, key, metadata or status
	Declare     bool          `yaml:"declare"` // exchanges; else they must be there
	Persistent  bool          `yaml:"persistent"`
	ContentType string        `yaml:"content_type"` // "" is the body's own
	Expiration  time.Duration `yaml:"expiration"`   // 0 is never, and with body key as long as the picture
	TLS         TLS           `yaml:"tls"`
}

// Override is where the frames of one camera go instead. What is "" is as for the others.
type Override struct {
	Camera     string `yaml:"camera"` // its id, or <site>.<id>
	Exchange   string `yaml:"exchange"`
	RoutingKey string `yaml:"routing_key"`
}

// TLS is what both ends of a sink's encrypted connection prove themselves with: paths of PEM files.
type TLS struct {
	CA          string `yaml:"ca"`          // trusted in place of the system's
	Certificate string `yaml:"certificate"` // ours, with Key
	Key         string `yaml:"key"`
	ServerName  string `yaml:"server_name"` // "" is the URL's host
}

// Redis is a sink. URL is filled in from URLFile where that is given.
type Redis struct {
	URL       URL           `yaml:"url"`
	URLFile   string        `yaml:"url_file,omitempty"`
	Cluster   bool          `yaml:"cluster"` // URL and Addresses are of a cluster's nodes
	Sentinel  Sentinel      `yaml:"sentinel"`
	Addresses []string      `yaml:"addresses"` // further nodes or Sentinels
	Key       string        `yaml:"key"`
	VHost     string        `yaml:"vhost"`  // {vhost} of Key
	Prefix    string        `yaml:"prefix"` // {prefix} of Key
	TTL       TTL           `yaml:"ttl"`
	TTLMin    time.Duration `yaml:"ttl_min"` // with an adaptive TTL, for cameras that nobody reads
	TTLMax    time.Duration `yaml:"ttl_max"` // and for those read often
	Latest    string        `yaml:"latest"`  // key of a camera's newest frame; "" means none
	Metadata  Metadata      `yaml:"metadata"`
	TLS       TLS           `yaml:"tls"`
}

// Sentinel names the master of a group of Redis servers whose Sentinels are at the sink's addresses; an empty Master means none. Password
// is filled in from PasswordFile where that is given.
type Sentinel struct {
	Master       string `yaml:"master"`
	Username     string `yaml:"username"` // the Sentinels' own
	Password     Secret `yaml:"password"`
	PasswordFile string `yaml:"password_file,omitempty"`
}

// MQTT is a sink. URL is filled in from URLFile where that is given.
type MQTT struct {
	URL      URL    `yaml:"url"`
	URLFile  string `yaml:"url_file,omitempty"`
	Topic    string `yaml:"topic"`
	Prefix   string `yaml:"prefix"`
	QoS      int    `yaml:"qos"` // 1
	Retain   bool   `yaml:"retain"`
	ClientID string `yaml:"client_id"` // "" is one made of site, node and bridge
	TLS      TLS    `yaml:"tls"`
}

// Metadata configures an entry per frame in the Redis stream whose key the template Stream makes; "" means none.
type Metadata struct {
	Stream string `yaml:"stream"`
	MaxLen int    `yaml:"max_len"` // approximate
}

// Log configures what the node says about itself.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // tint or json
}
