package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

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
	w.refused.add(m.Subject(), reason)
	return ack(m)
}

// refusalPause is the least time between two events of refused frames. One setting that is wrong can have every frame refused, and as many
// events would drive all others out of their stream.
const refusalPause = 10 * time.Second

// refusals tells of refused frames: of the first at once, and of those that follow together.
type refusals struct {
	worker *Worker

	mu      sync.Mutex
	told    time.Time
	count   uint64 // not told yet
	subject string // of the last one
	reason  error
}

func (r *refusals) add(subject string, reason error) {
	r.mu.Lock()
	r.count++
	r.subject, r.reason = subject, reason
	r.mu.Unlock()
	r.tell(refusalPause)
}

// tell writes what there is to tell where the last event is older than pause.
func (r *refusals) tell(pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == 0 || time.Since(r.told) < pause {
		return
	}
	w := r.worker
	w.log.Warn("frames refused for good; they are kept in "+schema.StreamDead, "count", r.count, "last", r.subject, "err", r.reason)
	w.event(schema.Event{Kind: schema.KindDead, Reason: "rejected", Message: r.reason.Error(), Count: r.count})
	r.told, r.count = time.Now(), 0
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
