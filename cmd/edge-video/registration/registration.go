// Package registration announces a node to an HTTP API that wants to know which cameras there are and where their frames go.
package registration

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// Announcement is what the API is told, as JSON. It holds no password and no user's name.
type Announcement struct {
	Cameras     []Camera `json:"cameras"`
	Namespace   string   `json:"namespace"`
	RabbitMQURL string   `json:"rabbitmq_url"`
	RoutingKey  string   `json:"routing_key"` // what all routing keys begin with
	Exchange    string   `json:"exchange"`
	VHost       string   `json:"vhost"`
}

// Camera is one that the node reads.
type Camera struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// Config is what to tell whom.
type Config struct {
	URL          config.URL    // of the API; "" is no one
	Token        config.Secret // sent as a bearer token, "" for none
	Retry        time.Duration // between tries
	Timeout      time.Duration // of one try
	TLS          bridge.TLS
	Announcement Announcement
}

// Registrar announces until it has been accepted, and again whenever there is something else to say.
type Registrar struct {
	log     *slog.Logger
	tell    func(accepted bool, message string)
	changed chan struct{} // holds one: more mean the same

	mu     sync.Mutex
	config Config
	err    error
}

// New makes a registrar. tell is called at acceptance and once for each kind of failure in a row; it does not block.
func New(c Config, log *slog.Logger, tell func(accepted bool, message string)) *Registrar {
	return &Registrar{config: c, log: log, tell: tell, changed: make(chan struct{}, 1)}
}

// Update replaces what to tell whom. The same again changes nothing.
func (r *Registrar) Update(c Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if reflect.DeepEqual(r.config, c) {
		return
	}
	r.config, r.err = c, nil
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Err is why the last try failed, nil if it did not.
func (r *Registrar) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Run announces until ctx ends. Its error is nil.
func (r *Registrar) Run(ctx context.Context) error {
	failure := "" // the kind of the last one
	for {
		r.mu.Lock()
		c := r.config
		r.mu.Unlock()
		var again <-chan time.Time
		if c.URL != "" {
			err := c.announce(ctx)
			if ctx.Err() != nil {
				return nil
			}
			if failure = r.tried(c, err, failure); err != nil {
				again = time.After(c.Retry)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
		case <-again:
		}
	}
}

// tried notes what came of a try, tells what is new about it, and returns the kind of failure.
func (r *Registrar) tried(c Config, err error, before string) string {
	r.mu.Lock()
	if reflect.DeepEqual(r.config, c) { // else it says nothing about what is to be told now
		r.err = err
	}
	r.mu.Unlock()
	if err == nil {
		message := fmt.Sprintf("%s has accepted the node with %d cameras", c.URL, len(c.Announcement.Cameras))
		r.log.Info("the node is registered", "url", c.URL, "cameras", len(c.Announcement.Cameras))
		r.tell(true, message)
		return ""
	}
	now := kind(err)
	if now != before {
		r.log.Warn("the node could not be registered; it is tried again", "url", c.URL, "err", err, "every", c.Retry)
		r.tell(false, err.Error())
	}
	return now
}
