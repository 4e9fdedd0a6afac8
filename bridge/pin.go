package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// pinGroup is the name of the one group of clients that a pinned durable has.
	pinGroup = "edge-video"
	// pinHeader is where a message says which client JetStream has pinned.
	pinHeader = "Nats-Pin-Id"
	// pinTTL is how long JetStream waits for a sign of life of the pinned client before it pins another.
	pinTTL = 5 * time.Second
	// pinPeriod is how often there is one.
	pinPeriod = time.Second
	// pinLost is the status of an answer to a client that is not the pinned one.
	pinLost = "423"
)

// pinOf is the client that a durable has pinned, "" where there is none.
func pinOf(i *jetstream.ConsumerInfo) string {
	for _, g := range i.PriorityGroups {
		if g.Group == pinGroup {
			return g.PinnedClientID
		}
	}
	return ""
}

// notePin takes the client's id from a message, which only the pinned client gets.
func (l *lane) notePin(m jetstream.Msg) {
	pin := m.Headers().Get(pinHeader)
	if pin == "" {
		return
	}
	if l.pin.CompareAndSwap(nil, &pin) {
		if !l.track.backfill {
			l.session.worker.pin.Store(&pin)
		}
		return
	}
	if now := l.pin.Load(); now != nil && *now != pin {
		l.lose(errors.New("another client was pinned meanwhile"))
	}
}

// heed learns what other clients have dealt with since this one set the consumer back and waited for its turn: that is not gone.
func (l *lane) heed(live context.Context) error {
	ctx, cancel := context.WithTimeout(live, apiTimeout)
	defer cancel()
	c, err := l.session.worker.js.Consumer(ctx, l.session.worker.config.stream(), l.track.durable)
	if err != nil {
		return fmt.Errorf("%w: looking for what others have delivered: %w", errSource, err)
	}
	l.seen = max(l.seen, c.CachedInfo().AckFloor.Stream)
	return nil
}

// lose ends the session because the pin is lost.
func (l *lane) lose(err error) {
	l.pin.Store(nil)
	l.session.worker.robbed.Store(true)
	l.session.end(fmt.Errorf("%w: %w", errSource, err))
}

// keepPin keeps the lane's client pinned until live ends. The session ends when that is lost, or when another is pinned.
func (l *lane) keepPin(live context.Context) {
	tick := time.NewTicker(pinPeriod)
	defer tick.Stop()
	other := "" // pinned when it was looked last
	for {
		select {
		case <-live.Done():
			return
		case <-tick.C:
		}
		if pin := l.pin.Load(); pin != nil {
			l.touch(live, *pin)
			continue
		}
		if l.track.backfill {
			continue
		}
		looking, cancel := context.WithTimeout(live, apiTimeout)
		c, err := l.session.worker.js.Consumer(looking, l.session.worker.config.stream(), l.track.durable)
		cancel()
		if err != nil {
			continue // whoever pulls sees it too
		}
		pinned := pinOf(c.CachedInfo())
		if pinned != "" && pinned == other && l.pin.Load() == nil { // and not the one whose first message is on its way here
			l.session.end(fmt.Errorf("%w, of node %s", errElsewhere, c.CachedInfo().Config.Metadata[schema.MetadataKey]))
			return
		}
		other = pinned
	}
}

// touch is a sign of life: a pull that no frame fits in. However long the sink takes over the frames at hand, they are not another's.
func (l *lane) touch(live context.Context, pin string) {
	body, err := json.Marshal(struct {
		Batch    int           `json:"batch"`
		MaxBytes int           `json:"max_bytes"`
		Expires  time.Duration `json:"expires"`
		Group    string        `json:"group"`
		ID       string        `json:"id"`
	}{1, 1, pinPeriod / 2, pinGroup, pin})
	if err != nil {
		l.session.end(fmt.Errorf("encoding a pull: %w", err))
		return
	}
	ctx, cancel := context.WithTimeout(live, 2*pinPeriod)
	defer cancel()
	subject := jetstream.DefaultAPIPrefix + "CONSUMER.MSG.NEXT." + l.session.worker.config.stream() + "." + l.track.durable
	m, err := l.session.worker.js.Conn().RequestWithContext(ctx, subject, body)
	if err == nil && m.Header.Get("Status") == pinLost {
		l.lose(errors.New("another client was pinned"))
	}
}

// release lets another client be pinned at once, at the end of a session. Where JetStream was at fault, nobody knows who is pinned now.
func (l *lane) release(why error) {
	if l.pin.Load() == nil || errors.Is(why, errSource) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), pinPeriod)
	defer cancel()
	l.session.worker.unpin(ctx, l.track.durable)
}

func (w *Worker) unpin(ctx context.Context, durable string) {
	if err := w.stream.UnpinConsumer(ctx, durable, pinGroup); err != nil {
		w.log.Debug("unpinning", "err", err)
	}
}

// pinned is the client by which this process was pinned last, "" where it never was.
func (w *Worker) pinned() string {
	if pin := w.pin.Load(); pin != nil {
		return *pin
	}
	return ""
}
