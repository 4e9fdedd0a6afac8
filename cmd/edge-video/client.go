package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/doctor"
	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
)

// clientTimeout bounds how long a command waits for a node to answer.
const clientTimeout = 5 * time.Second

// client is how commands reach a running node.
type client struct {
	Server string `placeholder:"URL" help:"NATS server of the node; else NATS_URL, else the configuration's."`
	Creds  string `placeholder:"FILE" help:"Credentials for it, where it asks for them."`
	Config string `placeholder:"FILE" help:"Configuration file of the node."`
}

// connect returns a connection, which the caller closes, and the node's site, "" where only the node knows it.
func (c *client) connect() (nc *nats.Conn, site string, err error) {
	var cfg *config.Config
	if c.Config != "" {
		if cfg, _, err = config.Load(c.Config, os.LookupEnv); err != nil {
			return nil, "", err
		}
		site = cfg.Site
	}
	address, options, ok := c.own(cfg)
	if !ok {
		if address, err = c.address(cfg); err != nil {
			return nil, "", err
		}
	}
	if nc, err = c.dial(address, append(options, nats.Name("edge-video"))...); err != nil {
		return nil, "", fmt.Errorf("reaching the node at %s: %w; is it running?", config.URL(address), err)
	}
	return nc, site, nil
}

// own is how the node lets in who may read its data directory, where the command names nothing else. cfg may be nil.
func (c *client) own(cfg *config.Config) (address string, options []nats.Option, ok bool) {
	if cfg == nil || c.Server != "" || c.Creds != "" || os.Getenv("NATS_URL") != "" {
		return "", nil, false
	}
	address, options, err := node.ReadContext(cfg.DataDir)
	return address, options, err == nil
}

// address is where the node's server is. cfg may be nil.
func (c *client) address(cfg *config.Config) (string, error) {
	address := cmp.Or(c.Server, os.Getenv("NATS_URL"))
	if address == "" && cfg != nil {
		address = reachable(cfg.NATS.Listen)
	}
	if address == "" {
		return "", errors.New("no server to reach; give --server URL, NATS_URL or --config FILE with nats.listen")
	}
	for part := range strings.SplitSeq(address, ",") {
		if part = strings.TrimSpace(part); !strings.Contains(part, "://") {
			part = "nats://" + part
		}
		if _, err := url.Parse(part); err != nil { // its text quotes what may be a password
			return "", usageError{"the server's URL cannot be parsed; write it as in nats://host:4222, and special characters as %XX, as in %40 for @"}
		}
	}
	return address, nil
}

// dial connects to a server.
func (c *client) dial(address string, options ...nats.Option) (*nats.Conn, error) {
	options = append(options, nats.Timeout(clientTimeout))
	if c.Creds != "" {
		options = append(options, nats.UserCredentials(c.Creds))
	}
	return nats.Connect(address, options...)
}

// partOf takes the site out of the name of a bridge's part at a hub, <site>.<bridge>.
func partOf(name string) (site, bridge string) {
	if site, bridge, ok := strings.Cut(name, "."); ok && schema.ValidSite(site) {
		return site, bridge
	}
	return "", name
}

// reach connects to the site of a bridge, whose name is checked. The caller closes the connection.
func (c *client) reach(ctx context.Context, name string) (nc *nats.Conn, site string, err error) {
	if !schema.ValidName(name) {
		return nil, "", fmt.Errorf("%q is no bridge's name; use 1 to 64 of A-Z a-z 0-9 _ -", name)
	}
	return c.meet(ctx)
}

// meet connects, and asks the node for its site where the configuration does not say it. The caller closes the connection.
func (c *client) meet(ctx context.Context) (nc *nats.Conn, site string, err error) {
	if nc, site, err = c.connect(); err != nil || site != "" {
		return nc, site, err
	}
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	if site, err = siteOf(ctx, nc); err != nil {
		nc.Close()
		return nil, "", err
	}
	return nc, site, nil
}

// reachable is where a listener is found on this machine, "" where there is none.
func reachable(listen string) string {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return ""
	}
	return "nats://" + doctor.Here(listen)
}

// siteOf asks the server, whose JetStream domain is the site, and where it has none whichever node answers first: over leaf node links
// without credentials that may be another site's.
func siteOf(ctx context.Context, nc *nats.Conn) (string, error) {
	if js, err := jetstream.New(nc); err == nil {
		if info, err := js.AccountInfo(ctx); err == nil && schema.ValidSite(info.Domain) {
			return info.Domain, nil
		}
	}
	subject, err := micro.ControlSubject(micro.InfoVerb, schema.NodeService, "")
	if err != nil {
		return "", fmt.Errorf("naming the node's service: %w", err)
	}
	m, err := nc.RequestWithContext(ctx, subject, nil)
	if err != nil {
		return "", fmt.Errorf("no edge-video node answers: %w", err)
	}
	var info micro.Info
	if err := json.Unmarshal(m.Data, &info); err != nil {
		return "", fmt.Errorf("reading the node's answer: %w", err)
	}
	return info.Metadata["site"], nil
}
