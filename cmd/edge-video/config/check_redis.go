package config

import (
	"fmt"
	"net"
	"strings"
)

// servers checks what a Redis sink is told of Sentinel or a cluster.
func (k *checker) servers(path string, r *Redis) {
	sentinel := r.Sentinel.Master != ""
	switch {
	case r.Cluster && sentinel:
		k.fail(path+".cluster", "is true beside sentinel", "keep one of the two")
	case r.Cluster:
		k.cluster(path, r)
	case !sentinel && r.Sentinel != (Sentinel{}):
		k.fail(path+".sentinel.master", "is missing", "write the name that the Sentinels know it by, as in mymaster")
	case !sentinel && len(r.Addresses) > 0:
		k.fail(path+".addresses", "are of Sentinels or of a cluster's nodes, and the sink has neither", "write cluster: true, or sentinel: {master: NAME}")
	}
	if u, ok := r.URL.parse(); ok && u.Scheme == "unix" && (r.Cluster || sentinel) {
		k.fail(path+".url", "is a socket of one server", "write redis://host of a Sentinel or of a node")
	}
	if r.Sentinel.Password != "" && k.source.literal(path+".sentinel.password") {
		k.warn(path+".sentinel.password", "stands in the file in plain text", "write password_file, or ${VAR}")
	}
	for i, addr := range r.Addresses {
		host, _, err := net.SplitHostPort(addr)
		if host == "" && err == nil || err != nil && strings.ContainsAny(addr, ":/@") || addr == "" {
			k.fail(fmt.Sprintf("%s.addresses[%d]", path, i), "is no address", "write host:port, as in 10.0.0.6:6379; user and password are those of url")
		}
	}
}

// cluster checks what a cluster cannot do.
func (k *checker) cluster(path string, r *Redis) {
	if u, ok := r.URL.parse(); ok && u.Scheme != "unix" {
		if db := strings.Trim(u.Path, "/") + u.Query().Get("db"); strings.Trim(db, "0") != "" {
			k.fail(path+".url", "names database "+db+", and a cluster has 0 alone", "leave it out")
		}
	}
	if r.TTL == Adaptive {
		k.fail(path+".ttl", "adaptive goes by the reads of one server, and a cluster has several", "write a duration such as 5m")
	}
}
