package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/schema"
)

// mirrorPeriod is how often a hub's bridges look for mirrors that have come or gone.
const mirrorPeriod = 3 * time.Second

// part is one site's share of a bridge: a durable consumer of that site's stream and a connection to the sink. At a site a bridge has one
// part, at a hub one for each site whose cameras it takes.
type part struct {
	site    string    // whose frames they are
	made    time.Time // when its stream at the hub was made, zero for the node's own streams
	cameras []string
}

// mirrored are the streams at a hub that are mirrors, by name, with the time of their making.
type mirrored map[string]time.Time

// partsOf divides a bridge among the sites. What other bridges' sinks have stored is one stream for all of them.
func partsOf(c *config.Config, b config.Bridge, mirrors mirrored) []part {
	if !c.Hub.Mirror || b.Source == config.SourceStored {
		return []part{{site: c.Site, cameras: b.Cameras}}
	}
	stream := schema.StreamFrames
	if b.Source == config.SourceEvents {
		stream = schema.StreamEvents
	}
	var all []part
	add := func(site string, made time.Time) {
		if cameras := b.CamerasOf(c.Site, site); len(cameras) > 0 {
			all = append(all, part{site, made, cameras})
		}
	}
	add(c.Site, time.Time{})
	for name, made := range mirrors {
		if site, ok := strings.CutPrefix(name, schema.MirrorStream(stream, "")); ok {
			add(site, made)
		}
	}
	slices.SortFunc(all, func(x, y part) int { return strings.Compare(x.site, y.site) })
	return all
}

// findMirrors lists what a hub holds of its sites.
func findMirrors(ctx context.Context, js jetstream.JetStream) (mirrored, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	found := mirrored{}
	streams := js.ListStreams(ctx)
	for info := range streams.Info() {
		kind, site, ok := strings.Cut(info.Config.Name, "_")
		if ok && (kind == schema.StreamFrames || kind == schema.StreamEvents) && schema.ValidSite(site) && info.Config.Metadata[schema.MetadataKey] != "" {
			found[info.Config.Name] = info.Created
		}
	}
	if err := streams.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, fmt.Errorf("looking for mirrors: %w", err)
	}
	return found, nil
}
