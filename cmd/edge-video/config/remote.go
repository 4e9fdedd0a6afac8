package config

import (
	"fmt"
	"slices"
)

// LeafTLS has the listener for leaf nodes speak TLS alone: paths of PEM files.
type LeafTLS struct {
	Certificate string `yaml:"certificate"` // "" is no TLS
	Key         string `yaml:"key"`
	CA          string `yaml:"ca"` // leaf nodes must show a certificate of this one; "" asks for none
}

// Remote is a hub that this node connects to. URL is filled in from URLFile where that is given.
type Remote struct {
	URL         URL       `yaml:"url"`
	URLFile     string    `yaml:"url_file,omitempty"`
	Credentials string    `yaml:"credentials,omitempty"` // path of a credentials file
	TLS         RemoteTLS `yaml:"tls"`
	Proxy       Proxy     `yaml:"proxy"`
}

// RemoteTLS is what both ends of a link prove themselves with.
type RemoteTLS struct {
	TLS            `yaml:",inline"`
	HandshakeFirst bool `yaml:"handshake_first"` // before the hub says who it is, as hubs with the same setting demand
}

// Proxy is an HTTP proxy that a link goes through, by CONNECT. An empty URL is none; it is filled in from URLFile where that is given.
type Proxy struct {
	URL     URL    `yaml:"url"`
	URLFile string `yaml:"url_file,omitempty"`
}

func (k *checker) remote(path string, r Remote) {
	u, ok := k.network(path+".url", r.URL, "nats-leaf", "nats", "tls", "ws", "wss")
	if ok && r.Credentials != "" && userinfo(u) {
		k.fail(path+".credentials", "credentials are given here and in the url", "keep one of the two")
	}
	k.plain(path+".url", r.URL, "name a file in "+path+".credentials, or write url_file, or ${VAR}")
	if ok && userinfo(u) && slices.Contains([]string{"nats-leaf", "nats", "ws"}, u.Scheme) && !(listener{host: u.Hostname()}).loopback() {
		k.warn(path+".url", "sends a password unencrypted", "write tls or wss in its place, or a file in "+path+".credentials, which is not sent itself")
	}
	k.readable(path+".credentials", r.Credentials)
	k.tls(path+".tls", r.TLS.TLS, r.URL, "tls", "wss")
	if r.TLS.HandshakeFirst && ok && u.Scheme != "tls" {
		k.fail(path+".tls.handshake_first", fmt.Sprintf("has no effect with %s", u.Scheme), "write tls in url, or remove it")
	}
	if r.Proxy.URL == "" {
		return
	}
	p, ok := k.network(path+".proxy.url", r.Proxy.URL, "http", "https")
	if !ok {
		return
	}
	k.plain(path+".proxy.url", r.Proxy.URL, "write url_file, or ${VAR}")
	if password, has := p.User.Password(); userinfo(p) && (!has || password == "" || p.User.Username() == "") {
		k.fail(path+".proxy.url", "has one of user and password", "give both, or neither")
	}
	if p.Path != "" && p.Path != "/" || p.RawQuery != "" {
		k.fail(path+".proxy.url", "has more than a proxy's address", "write it as in http://proxy.example:3128")
	}
}

func (k *checker) leafTLS(path string, t LeafTLS) {
	if t == (LeafTLS{}) {
		return
	}
	if k.c.NATS.Leaf.Listen == "" {
		k.fail(path, "has no effect without a listener", "set nats.leaf.listen")
	}
	for key, file := range map[string]string{"ca": t.CA, "certificate": t.Certificate, "key": t.Key} {
		k.readable(path+"."+key, file)
	}
	if t.Certificate == "" || t.Key == "" {
		k.fail(path, "wants both certificate and key", "give both")
	}
}
