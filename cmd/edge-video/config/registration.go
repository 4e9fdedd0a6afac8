package config

import (
	"fmt"
	"time"
)

// Registration configures how the node announces itself to an HTTP API. An empty URL means that it does not. URL and Token are filled in
// from their files where those are given.
type Registration struct {
	URL       URL           `yaml:"url"`
	URLFile   string        `yaml:"url_file,omitempty"`
	Token     Secret        `yaml:"token,omitempty"`
	TokenFile string        `yaml:"token_file,omitempty"`
	Bridge    string        `yaml:"bridge"`    // whose RabbitMQ is named; "" is the first that gets pictures or their keys
	Namespace string        `yaml:"namespace"` // "" is the virtual host
	Retry     time.Duration `yaml:"retry"`
	Timeout   time.Duration `yaml:"timeout"`
	TLS       TLS           `yaml:"tls"`
}

// RabbitMQ is the sink that the node names, nil if there is none.
func (r Registration) RabbitMQ(c *Config) *RabbitMQ {
	for _, b := range c.Bridges {
		if b.RabbitMQ != nil && (r.Bridge == b.Name || r.Bridge == "" && (b.RabbitMQ.Body == BodyPicture || b.RabbitMQ.Body == BodyKey)) {
			return b.RabbitMQ
		}
	}
	return nil
}

func (k *checker) registration() {
	const path = "registration"
	r := k.c.Registration
	k.above(path+".retry", r.Retry, time.Second)
	k.above(path+".timeout", r.Timeout, 100*time.Millisecond)
	if r.Bridge != "" && r.RabbitMQ(k.c) == nil {
		k.fail(path+".bridge", fmt.Sprintf("no bridge to RabbitMQ has the name %q", r.Bridge), "name one, or leave it out for the first")
	}
	k.tls(path+".tls", r.TLS, r.URL, "https")
	if r.URL == "" {
		return
	}
	u, ok := k.network(path+".url", r.URL, "https", "http")
	k.plain(path+".url", r.URL, "write url_file, or ${VAR}")
	if k.source.literal(path + ".token") {
		k.warn(path+".token", "stands in the file in plain text", "write token_file, or ${VAR}")
	}
	if ok && u.Scheme == "http" && (r.Token != "" || userinfo(u)) {
		k.warn(path+".url", "sends credentials unencrypted", "write https")
	}
}
