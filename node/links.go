package node

import (
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Link is the link to one hub, as the embedded server sees it.
type Link struct {
	Host  string // the hub's, with port
	Up    bool
	Hub   string        // the server at the other end, "" while it is down
	RTT   time.Duration // as last measured, 0 before
	Error string        // what was last wrong with it, "" while it is up
	At    time.Time     // when that was
	Heard time.Time     // when the server last did something about it
	Held  bool          // it is kept down
}

// heard is what the server's log says of its links.
type heard struct {
	id      uint64 // the number of the last connection
	at      time.Time
	fault   string
	faultAt time.Time
}

// hear takes a line of the server's log about a leaf node connection of the given number, or about none that is there yet. Only the line
// with which a connection begins names the hub, as its configured address: it may be reached through a proxy.
func (s *Server) hear(level slog.Level, id uint64, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	begins := strings.HasPrefix(text, "Leafnode connection created")
	for i, r := range s.config.Leaf.Remotes {
		h := s.heard[i]
		if begins && strings.HasSuffix(text, "("+r.Host()+")") {
			h.id = id
		} else if begins && h.id == id {
			h.id = 0 // numbers begin anew when the server is restarted
		}
		if h.id == id && id != 0 || id == 0 && strings.Contains(text, strconv.Quote(r.Host())) {
			h.at = now
			// A connection that ends without a word before it has no other reason than that.
			if level >= slog.LevelError || strings.Contains(text, "connection closed") && now.Sub(h.faultAt) > leafTimeout {
				h.fault, h.faultAt = text, now
			}
		}
		s.heard[i] = h
	}
}

// Links reports on the links to the configured hubs, in their order.
func (s *Server) Links() []Link {
	s.mu.Lock()
	srv := s.srv
	all := make([]Link, len(s.config.Leaf.Remotes))
	for i, r := range s.config.Leaf.Remotes {
		all[i] = Link{Host: r.Host(), Error: s.heard[i].fault, At: s.heard[i].faultAt, Heard: s.heard[i].at, Held: s.held[i]}
	}
	s.mu.Unlock()
	if srv == nil || len(all) == 0 {
		return all
	}
	leafs, err := srv.Leafz(nil)
	if err != nil {
		s.log.Debug("looking at the links", "err", err)
		return all
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, leaf := range leafs.Leafs {
		for i := range all {
			if leaf.IsSpoke && s.heard[i].id == leaf.ID {
				all[i].Up, all[i].Hub, all[i].Error = true, leaf.Name, ""
				// Where it has not been measured, there is none.
				all[i].RTT, _ = time.ParseDuration(leaf.RTT)
			}
		}
	}
	return all
}

// HoldLink keeps the link to a hub down, or lets it come up again.
func (s *Server) HoldLink(i int, hold bool) error {
	s.mu.Lock()
	held := maps.Clone(s.held)
	if held == nil {
		held = map[int]bool{}
	}
	held[i] = hold
	s.held = held
	s.mu.Unlock()
	return s.reload()
}

// RenewLink has the server drop the link to a hub, if it has one, and set it up anew.
func (s *Server) RenewLink(i int) error {
	return errors.Join(s.HoldLink(i, true), s.HoldLink(i, false))
}

// Restart has the embedded server restarted in place, for the given reason. It returns at once.
func (s *Server) Restart(reason string) {
	select {
	case s.restarts <- reason:
	default: // one is waiting
	}
}

// hold marks the links that are to be kept down.
func (s *Server) hold(o *server.Options) {
	s.mu.Lock()
	held := s.held
	s.mu.Unlock()
	for i, r := range s.config.Leaf.Remotes {
		u, err := r.parse()
		for _, remote := range o.LeafNode.Remotes {
			remote.Disabled = remote.Disabled || held[i] && err == nil && remote.URLs[0].String() == u.String()
		}
	}
}
