package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// pull begins to take messages.
func (l *lane) pull(live context.Context) (jetstream.ConsumeContext, error) {
	w := l.session.worker
	// A pull that the next message does not fit in would never end, whoever wrote that message.
	most := max(pullBytes, w.config.MaxFrame+headerRoom, int(w.js.Conn().MaxPayload())+headerRoom)
	keep, consumer := func(context.Context) {}, l.track.consumer
	options := []jetstream.PullConsumeOpt{jetstream.PullExpiry(pullExpiry), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		if err = fmt.Errorf("%w: pulling: %w", errSource, err); errors.Is(err, jetstream.ErrPinIDMismatch) {
			l.lose(err)
		}
		l.session.end(err)
	})}
	switch w.config.workers() {
	case WorkersShared:
		keep = l.keepHeld
	case WorkersStandby:
		keep = l.keepPin
		options = append(options, jetstream.PullPriorityGroup(pinGroup))
		looking, cancel := context.WithTimeout(live, apiTimeout)
		defer cancel()
		var err error
		if consumer, err = w.js.Consumer(looking, w.config.stream(), l.track.durable); err != nil { // one that was pinned before would be refused
			return nil, fmt.Errorf("%w: pulling: %w", errSource, err)
		}
	}
	frames := w.pace.pullFrames(w.config.ackWait())
	if w.config.shared() {
		frames = min(frames, sharedPull)
	}
	options = append(options, jetstream.PullMaxMessagesWithBytesLimit(frames, most))
	// Not Messages, whose buffer has room for the frames alone and drops what the server says of a pull's end.
	pull, err := consumer.Consume(func(m jetstream.Msg) { l.take(live, m) }, options...)
	if err != nil {
		return nil, fmt.Errorf("%w: pulling: %w", errSource, err)
	}
	keeping, stop := context.WithCancel(live)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		keep(keeping)
	}()
	l.keep = func() {
		stop()
		<-kept
	}
	return pull, nil
}

// discard ends a pull and returns when nothing is handed over any more and no frame can be on its way to it. The next session rewinds
// the consumer, and would miss a frame that is delivered to this one after that.
func (l *lane) discard(pull jetstream.ConsumeContext) {
	if l.session.worker.js.Conn().IsConnected() {
		pull.Drain()
		select {
		case <-pull.Closed():
		case <-time.After(drainTimeout):
		}
	} else {
		pull.Stop() // the server has forgotten the pull with the connection
	}
	l.session.handing.Lock()
	l.over = true
	l.session.handing.Unlock()
	l.keep()
}
