package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

// refuse keeps a message that no sink will take in DEAD, with the reason, and goes on without it.
func (s *session) refuse(m jetstream.Msg, reason error) error {
	w := s.worker
	site, camera, err := w.config.owner(m.Subject())
	if err != nil {
		site, camera = "unknown", "unknown"
	}
	dead := nats.NewMsg(schema.DeadSubject(w.config.Site, w.config.Name, site, camera))
	for name, values := range m.Headers() {
		if !strings.HasPrefix(name, "Nats-") { // several bridges may refuse the same frame, and other headers of NATS are conditions
			dead.Header[name] = values
		}
	}
	dead.Header.Set(schema.HeaderReject, schema.HeaderText(reason.Error()))
	dead.Data = m.Data()
	if err := s.bury(dead); err != nil {
		return fmt.Errorf("%w: keeping a refused frame: %w", errSource, err)
	}
	w.metrics.rejected.Inc()
	w.log.Warn("frame refused for good; it is kept in "+schema.StreamDead, "subject", m.Subject(), "err", reason)
	w.event(schema.Event{Kind: schema.KindDead, Reason: "rejected", Message: reason.Error(), Count: 1})
	return ack(m)
}

// bury writes to DEAD, and only the reason where the rest does not fit: a message that other programs wrote may be of any size.
func (s *session) bury(dead *nats.Msg) error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout) // a busy disk takes its time over a large one
	defer cancel()
	_, err := s.worker.js.PublishMsg(ctx, dead)
	if refused := (*jetstream.APIError)(nil); errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &refused) {
		bare := nats.NewMsg(dead.Subject)
		bare.Header.Set(schema.HeaderReject, dead.Header.Get(schema.HeaderReject))
		_, err = s.worker.js.PublishMsg(ctx, bare)
	}
	return err
}
