package node

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// LeafConfig is how leaf nodes reach this server, and the hubs it is a leaf of.
type LeafConfig struct {
	Listen   string
	Insecure bool    // leaf nodes from other machines may come without credentials
	TLS      LeafTLS // of the listener
	Remotes  []LeafRemote
}

// LeafTLS are PEM files that a link proves itself with. The zero value of a listener is one without TLS.
type LeafTLS struct {
	CA               string // of those whom the other side is trusted by; of a listener: leaf nodes must show a certificate of it
	Certificate, Key string // our own
	ServerName       string // that a hub's certificate must bear; "" is the url's host
	HandshakeFirst   bool   // with a hub that waits for it before it says who it is
}

// LeafRemote is one hub.
type LeafRemote struct {
	URL         string // tls and wss have the link encrypted, or not come about
	Credentials string // a file; "" = none
	TLS         LeafTLS
	Proxy       string // URL of an HTTP proxy; "" = none
}

const (
	// leafTimeout bounds the steps of a link's coming about: slow links have a round trip of a second.
	leafTimeout = 5 * time.Second
	// leafPort is where hubs listen that name no port.
	leafPort = "7422"
)

// parse reads the URL, and has it name its port. What cannot be read is not shown: it may hold a password.
func (r *LeafRemote) parse() (*url.URL, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, errors.New("nats.leaf.remotes: a url cannot be read")
	}
	port := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	u.Host = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port, leafPort))
	return u, nil
}

// Host is the hub's host and port, by which a link is told apart.
func (r *LeafRemote) Host() string {
	u, err := r.parse()
	if err != nil {
		return ""
	}
	return u.Host
}

// encrypted says that the link is, or does not come about.
func encrypted(u *url.URL) bool { return u.Scheme == "tls" || u.Scheme == "wss" }

// config are the files' contents for the side that connects.
func (t *LeafTLS) config() (*tls.Config, error) {
	c, err := server.GenTLSConfig(&server.TLSConfigOpts{CaFile: t.CA, CertFile: t.Certificate, KeyFile: t.Key})
	if err != nil {
		return nil, fmt.Errorf("nats.leaf: tls: %w", err)
	}
	c.RootCAs, c.ServerName = c.ClientCAs, t.ServerName
	return c, nil
}

// listener are the files' contents for the side that listens.
func (t *LeafTLS) listener() (*tls.Config, error) {
	c, err := server.GenTLSConfig(&server.TLSConfigOpts{CaFile: t.CA, CertFile: t.Certificate, KeyFile: t.Key, Verify: t.CA != ""})
	if err != nil {
		return nil, fmt.Errorf("nats.leaf.tls: %w", err)
	}
	return c, nil
}

// leaf sets how leaf nodes reach the server, and the hubs it is one of.
func (c *ServerConfig) leaf(o *server.Options) (err error) {
	if c.Leaf.Listen != "" {
		if o.LeafNode.Host, o.LeafNode.Port, err = hostPort("nats.leaf.listen", c.Leaf.Listen); err != nil {
			return err
		}
		if c.Leaf.TLS != (LeafTLS{}) {
			if o.LeafNode.TLSConfig, err = c.Leaf.TLS.listener(); err != nil {
				return err
			}
			o.LeafNode.TLSTimeout = leafTimeout.Seconds()
		}
	}
	if len(c.Leaf.Remotes) == 0 {
		return nil
	}
	// With the domain in its subject, a hub can take each site's flow control to where it belongs.
	o.FeatureFlags = map[string]bool{server.FeatureFlagJsAckFormatV2: true}
	o.ConnectErrorReports = 1 // what is said of a link that does not come about is the latest
	for _, r := range c.Leaf.Remotes {
		remote, err := r.options()
		if err != nil {
			return err
		}
		o.LeafNode.Remotes = append(o.LeafNode.Remotes, remote)
	}
	return nil
}

// options is the remote as the server takes it.
func (r *LeafRemote) options() (*server.RemoteLeafOpts, error) {
	u, err := r.parse()
	if err != nil {
		return nil, err
	}
	o := &server.RemoteLeafOpts{URLs: []*url.URL{u}, DialTimeout: leafTimeout, FirstInfoTimeout: leafTimeout,
		IgnoreDiscoveredServers: true, // what a hub calls itself need not be reachable from a site
		DenyExports:             []string{"frames.>"}}
	if r.Credentials != "" {
		if o.Nkey, err = remoteKey(r.Credentials); err != nil {
			return nil, err
		}
		if o.Nkey == "" {
			o.Credentials = r.Credentials
		}
	}
	if encrypted(u) {
		o.TLS, o.TLSTimeout, o.TLSHandshakeFirst = true, leafTimeout.Seconds(), r.TLS.HandshakeFirst
		if o.TLSConfig, err = r.TLS.config(); err != nil {
			return nil, err
		}
	}
	o.Compression.Mode = server.CompressionOff // pictures do not shrink
	if r.Proxy != "" {
		p, err := url.Parse(r.Proxy)
		if err != nil {
			return nil, errors.New("nats.leaf.remotes: the url of a proxy cannot be read")
		}
		if p.User != nil {
			o.Proxy.Username = p.User.Username()
			o.Proxy.Password, _ = p.User.Password()
			p.User = nil
		}
		o.Proxy.URL, o.Proxy.Timeout = strings.TrimSuffix(p.String(), "/"), leafTimeout
	}
	return o, nil
}
