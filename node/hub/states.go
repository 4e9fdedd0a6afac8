package hub

import (
	"context"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// bucket is the stream of the camera states, at a site as at the hub.
const bucket = "KV_" + schema.BucketCameras

// states are the subjects of the states of a site's cameras.
func states(site string) string { return "$KV." + schema.BucketCameras + "." + site + ".>" }

// statesOrigin is a site's bucket as the hub's reaches it. The site's consumer sends the states of its own cameras alone, where it is as the
// hub has made it. Whatever comes is kept under the site's name, so that none can write over what another says, or the hub.
func (h *Hub) statesOrigin(site string) *jetstream.StreamSource {
	origin := h.origin(bucket, site)
	origin.SubjectTransforms = []jetstream.SubjectTransformConfig{{Source: states("*"), Destination: states(site)}}
	return origin
}

// gatherStates has the hub's bucket of camera states take in those of every site.
func (h *Hub) gatherStates(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	stream, err := h.js.Stream(ctx, bucket)
	if err != nil {
		return fmt.Errorf("looking for bucket %s: %w", schema.BucketCameras, err)
	}
	config := stream.CachedInfo().Config
	changed := false
	for _, s := range h.known() {
		if !s.reached {
			continue
		}
		origin := h.statesOrigin(s.name)
		i := slices.IndexFunc(config.Sources, func(old *jetstream.StreamSource) bool {
			return old.External != nil && old.External.APIPrefix == origin.External.APIPrefix
		})
		switch {
		case i < 0:
			config.Sources = append(config.Sources, origin)
		case !slices.Equal(config.Sources[i].SubjectTransforms, origin.SubjectTransforms):
			config.Sources[i] = origin
		default:
			continue
		}
		changed = true
	}
	if !changed {
		return nil
	}
	if _, err := h.js.UpdateStream(ctx, config); err != nil {
		return fmt.Errorf("adding sites to bucket %s: %w", schema.BucketCameras, err)
	}
	return nil
}
