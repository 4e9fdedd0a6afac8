package bridge

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"
)

// KeepBackfill does the first step of a hand-over alone.
func KeepBackfill(ctx context.Context, js jetstream.JetStream, c Config, first, last uint64) error {
	w := &Worker{config: c, js: js, back: newTrack(backfillName(c.Name), true)}
	return w.keep(ctx, spans{{first, last}})
}
