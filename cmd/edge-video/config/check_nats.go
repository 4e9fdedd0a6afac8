package config

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
)

func (k *checker) nats() {
	leaf, cluster := k.c.NATS.Leaf, k.c.NATS.Cluster
	if len(leaf.Remotes) > 0 && k.c.Site == schema.LocalSite {
		k.fail("site", `a site named "local" may not join a hub, as all would have the same name`, "give the site its own name")
	}
	hubs := map[string]string{} // by address, which tells links apart
	for i, r := range leaf.Remotes {
		path := fmt.Sprintf("nats.leaf.remotes[%d]", i)
		k.remote(path, r)
		if u, ok := r.URL.parse(); ok && u.Host != "" {
			address := (&node.LeafRemote{URL: r.URL.Reveal()}).Host()
			if other := hubs[address]; other != "" {
				k.fail(path+".url", "has the host and port of "+other, "keep one of the two")
			}
			hubs[address] = path
		}
	}
	k.leafTLS("nats.leaf.tls", leaf.TLS)
	for i, route := range cluster.Routes {
		path := fmt.Sprintf("nats.cluster.routes[%d]", i)
		k.network(path, route, "nats-route", "nats", "tls")
		k.plain(path, route, "write ${VAR} in its place")
	}
	if len(cluster.Routes) > 0 && cluster.Listen == "" {
		k.fail("nats.cluster.routes", "routes need a listener for the way back", "set nats.cluster.listen")
	}
	if cluster.Listen != "" && cluster.Name == "" {
		k.fail("nats.cluster.name", "is missing", "give all nodes of the cluster the same name, such as the site's")
	}
	if strings.ContainsAny(cluster.Name, " \t\n") {
		k.fail("nats.cluster.name", "holds a space", "write - instead")
	}
}

func (k *checker) readable(path, file string) {
	if file == "" {
		return
	}
	f, err := os.Open(file)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		k.fail(path, fmt.Sprintf("file %q %s", file, reason(err)), "name a file that this user may read")
	}
}

// network checks an address of the form scheme://host.
func (k *checker) network(path string, u URL, schemes ...string) (*url.URL, bool) {
	form := "write " + schemes[0] + "://host; schemes are " + strings.Join(schemes, " ")
	if u == "" {
		k.fail(path, "is missing", form)
		return nil, false
	}
	scheme, _, _ := strings.Cut(string(u), "://")
	if !slices.Contains(schemes, scheme) {
		k.fail(path, fmt.Sprintf("%q has no scheme that works here", u), form)
		return nil, false
	}
	parsed, ok := u.parse()
	if !ok || strings.Contains(parsed.Hostname(), ":") && parsed.Host[0] != '[' {
		// not even masked: where the parts of a URL are unclear, so is where its password ends
		k.fail(path, "is a URL that cannot be parsed", "check host and port, and write special characters as %XX, as in %40 for @")
		return nil, false
	}
	if port, err := strconv.Atoi(parsed.Port()); err == nil && port > 65535 {
		k.fail(path, fmt.Sprintf("%q has a port above 65535", u), form)
		return nil, false
	}
	if parsed.Host == "" && (scheme != "unix" || parsed.Path == "") {
		k.fail(path, fmt.Sprintf("%q has no host", u), form)
		return nil, false
	}
	return parsed, true
}

// plain warns about a secret that stands in the file itself.
func (k *checker) plain(path string, u URL, remedy string) {
	if u.secret() && k.source.literal(path) {
		k.warn(path, "holds user or password in plain text", remedy)
	}
}
