package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// listener is an address that a node opens.
type listener struct {
	section     string // the section that holds listen and insecure
	address     string
	insecure    bool
	credentials bool // clients may have to show some

	host string
	port int
}

func (l listener) path() string { return l.section + ".listen" }

func (k *checker) listeners() {
	n := k.c.NATS
	accounts := n.Config != ""
	var open []listener
	for _, l := range []listener{
		{section: "nats", address: n.Listen, insecure: n.Insecure, credentials: accounts},
		{section: "nats.leaf", address: n.Leaf.Listen, insecure: n.Leaf.Insecure, credentials: accounts || k.c.Hub.Mirror},
		{section: "nats.cluster", address: n.Cluster.Listen, insecure: n.Cluster.Insecure, credentials: accounts},
		{section: "http", address: k.c.HTTP.Listen, insecure: k.c.HTTP.Insecure, credentials: k.c.HTTP.credentials()},
	} {
		if l.address == "" || !k.listener(&l) {
			continue
		}
		for _, other := range open {
			if l.clashes(other) {
				k.fail(l.path(), fmt.Sprintf("port %d is taken by %s", l.port, other.path()), "choose another port")
			}
		}
		open = append(open, l)
	}
}

// HTTPAt is c with another address for HTTP. The error is an [*Error], as for one that the file holds.
func (c *Config) HTTPAt(address string) (*Config, error) {
	out := *c
	out.HTTP.Listen = address
	r := &report{source: c.source, faulty: map[string]bool{}}
	if address != "" {
		(&checker{report: r, c: &out}).listener(&listener{section: "http", address: address, insecure: out.HTTP.Insecure, credentials: out.HTTP.credentials()})
	}
	_, err := r.result()
	return &out, err
}

// listener splits and checks one address.
func (k *checker) listener(l *listener) bool {
	host, port, err := net.SplitHostPort(l.address)
	if err != nil {
		k.fail(l.path(), fmt.Sprintf("%q is not host:port", l.address), "write it as in 127.0.0.1:8080 or [::1]:8080")
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		k.fail(l.path(), fmt.Sprintf("%q has no port from 0 to 65535", l.address), "write the port as a number; 0 takes any free one")
		return false
	}
	l.host, l.port = host, int(n)
	if l.loopback() || l.insecure || l.credentials {
		return true
	}
	remedy := "listen on 127.0.0.1, or set " + l.section + ".insecure: true"
	if l.section == "http" {
		remedy += ", or name http.users: " + userCommand
	} else {
		remedy += ", or name a file with accounts in nats.config"
	}
	k.fail(l.path(), fmt.Sprintf("%q is open to others without credentials", l.address), remedy)
	return true
}

func (l listener) loopback() bool {
	ip, err := netip.ParseAddr(l.host)
	return l.host == "localhost" || err == nil && ip.IsLoopback()
}

// clashes reports whether two listeners want the same port: only two different addresses, or an address and a name of another
// interface, can share it.
func (l listener) clashes(other listener) bool {
	if l.port != other.port || l.port == 0 {
		return false
	}
	return l.everywhere() || other.everywhere() || l.host == other.host || l.loopback() && other.loopback()
}

func (l listener) everywhere() bool {
	ip, err := netip.ParseAddr(l.host)
	return l.host == "" || err == nil && ip.IsUnspecified()
}
