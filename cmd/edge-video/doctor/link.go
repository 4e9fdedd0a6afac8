package doctor

import (
	"context"
	"strings"
	"time"

	"github.com/edge-video/edge-video/node"
)

// linkTime bounds the setting up of a link.
const linkTime = 12 * time.Second

// Link sets up a link to a hub of its own, and ends it.
func Link(r node.LeafRemote, site string) Check {
	return func(ctx context.Context) []Finding {
		ctx, cancel := context.WithTimeout(ctx, linkTime)
		defer cancel()
		f := Finding{Area: "link", Of: r.Host(), Status: OK, What: "comes about, and the hub accepts the credentials"}
		if r.Credentials == "" {
			f.What = "comes about"
		}
		if err := node.TryLink(ctx, r, site); err != nil {
			f.Status, f.What, f.Remedy = Fail, err.Error(), remedyOf(err.Error())
		}
		return []Finding{f}
	}
}

// remedyOf goes by what the server says: its errors have no classes.
func remedyOf(text string) string {
	for _, known := range []struct{ word, remedy string }{
		{"uthorization", "have the hub give this site credentials with edge-video site add, and name them as credentials"},
		{"uthentication", "have the hub give this site credentials with edge-video site add, and name them as credentials"},
		{"x509", "see tls.ca and tls.server_name of the remote, and the hub's certificate"},
		{"TLS", "see that the url says tls:// where the hub wants it, and the remote's tls"},
		{"refused", "see that the hub runs, that nats.leaf.listen is set there, and the url's host and port"},
		{"no such host", "see the url's host, and this machine's DNS"},
		{"Proxy", "see the proxy's url, user and password"},
		{"credentials", "see that the file can be read by the user that runs the node"},
	} {
		if strings.Contains(text, known.word) {
			return known.remedy
		}
	}
	return "see that the hub runs, the url, and what firewalls are between"
}
