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
	stream := streamOf(b)
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

// streamOf is the stream at a site that a bridge reads, at a hub by its mirrors.
func streamOf(b config.Bridge) string {
	if b.Source == config.SourceEvents {
		return schema.StreamEvents
	}
	return schema.StreamFrames
}

// lack is a site that a bridge at a hub names and of which the hub has no mirror.
type lack struct{ bridge, site, mirror string }

// lacksOf are a bridge's, as far as is known what mirrors there are.
func lacksOf(c *config.Config, b config.Bridge, mirrors mirrored) (all []lack) {
	if mirrors == nil || b.Source == config.SourceStored {
		return nil
	}
	for _, site := range b.Sites(c.Site) {
		mirror := schema.MirrorStream(streamOf(b), site)
		if _, ok := mirrors[mirror]; !ok && site != c.Site {
			all = append(all, lack{b.Name, site, mirror})
		}
	}
	return all
}

func (l lack) String() string {
	return fmt.Sprintf("bridge %s names site %s, and there is no %s: %s", l.bridge, l.site, l.mirror, l.remedy())
}

func (l lack) remedy() string {
	return fmt.Sprintf("give the site credentials (edge-video site add %s) and have it connect, or mend the name in the bridge's cameras", l.site)
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
