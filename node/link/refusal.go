package link

import (
	"fmt"
	"strings"
	"time"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
)

// refusal is why a link is kept down.
type refusal struct {
	reason         string // one word
	text           string // names both sides and the remedy
	pause, longest time.Duration
}

// refusal judges by what the server and the hub say; nil is that nothing speaks against the link.
func (l *link) refusal(seen node.Link) *refusal {
	if r := l.clash(); r != nil {
		return r
	}
	if r := l.twin(); r != nil {
		return r
	}
	if seen.Up || !seen.At.After(l.freed) {
		return nil
	}
	c := l.watcher.config
	switch {
	case strings.Contains(seen.Error, "Authentication Timeout"): // a slow line, which says nothing about credentials
		return nil
	case strings.Contains(seen.Error, "Authorization Violation"), strings.Contains(seen.Error, "Authentication"):
		return &refusal{reason: "credentials", pause: 5 * time.Second, longest: time.Minute,
			text: fmt.Sprintf("the hub at %s does not take the credentials of site %s; make some there with edge-video site add %s --replace, and name the file in nats.leaf.remotes",
				seen.Host, c.Site, c.Site)}
	case strings.Contains(seen.Error, "Duplicate Remote LeafNode"):
		return &refusal{reason: "name", pause: time.Minute, longest: 10 * time.Minute,
			text: fmt.Sprintf("the hub at %s has a connection of another node %s of a site %s, and this one is the same by name; give each site, and each node of a site, its own",
				seen.Host, c.Node, c.Site)}
	case strings.Contains(strings.ToLower(seen.Error), "maximum payload"):
		return &refusal{reason: "max_payload", pause: time.Minute, longest: 10 * time.Minute, text: l.payload()}
	}
	return nil
}

// clash finds two servers of one name: their JetStreams would answer for each other.
func (l *link) clash() *refusal {
	c, g := l.watcher.config, l.greeting
	switch {
	case g.Domain == c.Site:
		return &refusal{reason: "domain", pause: time.Minute, longest: 10 * time.Minute,
			text: fmt.Sprintf("the hub %s at %s has the JetStream domain %s, and so has this site %s; give the site another name", g.Server, l.report().Hub, g.Domain, c.Site)}
	case g.Server == c.Site+"-"+c.Node:
		return &refusal{reason: "name", pause: time.Minute, longest: 10 * time.Minute,
			text: fmt.Sprintf("the hub at %s is called %s, and so is this node; give one of them another name", l.report().Hub, g.Server)}
	}
	return nil
}

func (l *link) payload() string {
	return fmt.Sprintf("the hub %s at %s takes messages of %d bytes, and this site has such of up to %d; raise max_payload at the hub (capture.max_frame, where it is an edge-video), or lower capture.max_frame here",
		l.greeting.Server, l.report().Hub, l.greeting.MaxPayload, l.watcher.config.MaxPayload)
}

// warn says what will be wrong with the link though it is up.
func (l *link) warn() {
	text := l.note.warning(l.watcher.config.Site, l.report().Hub)
	if most := l.greeting.MaxPayload; most > 0 && most < l.watcher.config.MaxPayload {
		text = l.payload() + "; a larger frame would keep the link down"
	}
	before := l.report().Warning
	l.change(func(s *Status) { s.Warning = text })
	if text == "" || text == before {
		return
	}
	l.log.Warn("the link to the hub", "warning", text)
	l.watcher.journal.Event(schema.Event{Class: schema.ClassLink, Name: l.report().Name, Kind: schema.KindControl, State: "warned", Reason: "hub", Message: text})
}
