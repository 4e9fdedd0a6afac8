package config

import (
	"os"
	"time"

	"github.com/edge-video/edge-video/schema"
)

// Default is the configuration of an empty file. The node's name is made from the host name.
func Default() *Config {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return &Config{
		Site:    "local",
		Node:    schema.SiteName(host),
		DataDir: "./data",
		NATS: NATS{
			Listen:  "127.0.0.1:4222",
			Leaf:    Leaf{Remotes: []Remote{}},
			Cluster: Cluster{Routes: []URL{}},
		},
		Stream: Stream{
			MaxAge:   6 * time.Hour,
			MaxBytes: 10 * GiB,
			Sync:     Sync{Interval: 2 * time.Second},
			Replicas: 1,
		},
		Hub:    Hub{MaxAge: 24 * time.Hour, MaxBytes: 5 * GiB},
		Uplink: Uplink{Cameras: []string{}, FPS: 1, MaxAge: 24 * time.Hour, MaxBytes: 1 * GiB},
		Capture: Capture{
			Reading: Reading{
				Mode:          ModeJPEG,
				FPS:           10,
				Quality:       5,
				StallTimeout:  15 * time.Second,
				HWAccel:       "none",
				RTSPTransport: "tcp",
				InputArgs:     []string{},
				OutputArgs:    []string{},
				MaxFrame:      4 * MiB,
				QueueBytes:    16 * MiB,
			},
			StartsPerSecond: 10,
		},
		Cameras:      []Camera{},
		Bridges:      []Bridge{},
		Registration: Registration{Retry: time.Minute, Timeout: 10 * time.Second},
		HTTP:         HTTP{Listen: "127.0.0.1:8080", Users: []User{}, Tokens: []Token{}},
		Log:          Log{Level: "info", Format: "tint"},
	}
}

// DefaultBridge is a bridge of which only the name and a sink are missing.
func DefaultBridge() Bridge {
	return Bridge{
		Source:  SourceFrames,
		Cameras: []string{everyCamera},
		Workers: WorkersOne,
		InNode:  true,
		Start:   "oldest",
		Order:   "oldest",
		Breaker: Breaker{Failures: 5, Open: 2 * time.Second, MaxOpen: time.Minute},
		Timeout: 10 * time.Second,
	}
}

// DefaultRabbitMQ is a RabbitMQ sink of which only the URL is missing.
func DefaultRabbitMQ() RabbitMQ {
	return RabbitMQ{Exchange: "cameras", RoutingKey: "camera.{camera}", Overrides: []Override{}, Body: BodyPicture, Declare: true, Persistent: true}
}

// DefaultRedis is a Redis sink of which only the URL is missing.
func DefaultRedis() Redis {
	return Redis{Addresses: []string{}, Key: "frames:{camera}:{unixnano}", TTL: TTL(5 * time.Minute), TTLMin: time.Minute, TTLMax: 10 * time.Minute, Metadata: Metadata{MaxLen: 10_000}}
}

// DefaultMQTT is an MQTT sink of which only the URL is missing.
func DefaultMQTT() MQTT {
	return MQTT{Topic: "{prefix}{camera}", Prefix: "cameras/", QoS: 1}
}
