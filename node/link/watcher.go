package link

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema/journal"
)

const (
	// period is how often a link is looked at.
	period = time.Second
	// greetTimeout bounds one question to a hub, and greetPause is the time between two while it does not answer.
	greetTimeout = 3 * time.Second
	greetPause   = 15 * time.Second
	// stuck is how long the server may do nothing about a link that is down.
	stuck = time.Minute
	// longest is the longest pause between two tries of anything.
	longest = time.Hour
)

// Config is what a [Watcher] needs to know.
type Config struct {
	Site, Node string
	MaxPayload int64         // bytes of the largest message that the site's server takes
	Stuck      time.Duration // how long the server may do nothing about a link that is down; 0 is a minute
	Hold       time.Duration // how long a link that is refused is kept down at first; 0 is what its reason wants
}

// Server is the embedded server, as far as links go.
type Server interface {
	Links() []node.Link
	Greet(ctx context.Context, i int) (node.Greeting, error)
	HoldLink(i int, hold bool) error
	RenewLink(i int) error
	Restart(reason string)
}

// Status is how a link does.
type Status struct {
	Name       string        `json:"name"`
	Hub        string        `json:"hub"` // host and port
	Up         bool          `json:"up"`
	Since      time.Time     `json:"since"`
	RTT        time.Duration `json:"rtt"`
	Reconnects int           `json:"reconnects"`
	Error      string        `json:"error,omitempty"`   // why it is down
	Warning    string        `json:"warning,omitempty"` // what is wrong though it is up
	Mirrored   bool          `json:"mirrored"`          // an edge-video hub takes the site's frames
	Lag        uint64        `json:"lag"`               // frames that such a hub has not confirmed
	Behind     time.Duration `json:"behind"`            // age of the oldest of them
}

// Watcher watches the links of a site.
type Watcher struct {
	config  Config
	server  Server
	connect func(name string) (*nats.Conn, error)
	log     *slog.Logger
	metrics *metrics
	journal *journal.Journal
	js      jetstream.JetStream
	links   []*link
}

// New makes a watcher of the links that the server has. connect makes the connection to NATS that the watcher uses, and closes, alone.
func New(config Config, server Server, connect func(name string) (*nats.Conn, error), log *slog.Logger, reg prometheus.Registerer) *Watcher {
	if config.Stuck == 0 {
		config.Stuck = stuck
	}
	w := &Watcher{config: config, server: server, connect: connect, log: log, metrics: newMetrics(reg, config.Site)}
	for i, l := range server.Links() {
		name := Name(l.Host)
		w.links = append(w.links, &link{watcher: w, at: i, log: log.With("link", name), status: Status{Name: name, Hub: l.Host, Since: time.Now()}})
	}
	return w
}

// Name is a hub's address as the name of its link.
func Name(host string) string {
	return regexp.MustCompile(`[^A-Za-z0-9_-]`).ReplaceAllString(host, "-")
}

// Run watches until ctx ends. Its error is that of a connection that cannot be made.
func (w *Watcher) Run(ctx context.Context) error {
	nc, err := w.connect("links")
	if err != nil {
		return fmt.Errorf("links: %w", err)
	}
	defer nc.Close()
	if w.js, err = jetstream.New(nc); err != nil {
		return fmt.Errorf("links: reaching JetStream: %w", err)
	}
	w.journal = journal.New(w.js, w.config.Site, w.config.Node, w.log)
	return w.journal.Around(ctx, func() error {
		var watching errgroup.Group
		for _, l := range w.links {
			watching.Go(func() error {
				l.watch(ctx)
				return nil
			})
		}
		return watching.Wait()
	})
}

// Links reports on the links, in the order of the configuration.
func (w *Watcher) Links() []Status {
	all := make([]Status, len(w.links))
	for i, l := range w.links {
		all[i] = l.report()
	}
	return all
}
