package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

const (
	// storedEarly is how much earlier than it is said to be captured a frame may have come into the stream: sources that are paced by
	// their own clock run ahead a little, and clocks are set.
	storedEarly = 5 * time.Second
	// storedLate is how much later than it was captured a frame may have come into the stream and is still found: what queues and
	// retries take while the stream cannot be written.
	storedLate = 30 * time.Second
	// passageIdle is how long an abandoned consumer of a redelivery lives on.
	passageIdle = time.Minute
	// passageQuiet is how long nothing comes until it is asked whether anything is left: frames may leave the stream meanwhile.
	passageQuiet = time.Second
)

// passage is one connection of a redelivery's sink: the frames behind its position, in order, until the last or a fault.
type passage struct {
	redelivery *Redelivery
	js         jetstream.JetStream
	stream     jetstream.Stream
	proved     func()
	end        context.CancelCauseFunc

	handing sync.Mutex // held while a message is handed over
	over    bool       // nothing is handed over any more

	delivery atomic.Uint64 // messages that have come
	last     atomic.Int64  // when the last of them came, in Unix milliseconds
	first    chan struct{} // closed when the first frame is answered for
	inFlight atomic.Int64
	answered atomic.Uint64
}

// errAllSent ends a passage whose frames have all been handed over.
var errAllSent = errors.New("all frames are sent")

// run returns nil when every frame has been answered for.
func (p *passage) run(ctx context.Context) error {
	w, sink := p.redelivery.worker, p.redelivery.sink
	connecting, cancel := context.WithTimeout(ctx, w.config.Timeout)
	err := sink.Connect(connecting)
	cancel()
	if err != nil {
		return err
	}
	defer func() {
		if err := sink.Close(); err != nil {
			w.log.Debug("closing the redelivery's sink", "err", err)
		}
	}()
	live, end := context.WithCancelCause(ctx)
	defer end(nil)
	p.end = end
	if err := p.feed(live); !errors.Is(err, errAllSent) {
		return err
	}
	return p.settle(live)
}

// feed hands over frames until there are no more, which errAllSent says, or live ends.
func (p *passage) feed(live context.Context) error {
	w := p.redelivery.worker
	consumer, left, err := p.open(live)
	if err != nil {
		return fmt.Errorf("%w: reading what to deliver again: %w", errSource, err)
	}
	defer p.remove(consumer)
	if left == 0 {
		return errAllSent
	}
	p.last.Store(time.Now().UnixMilli())
	sending, sent := context.WithCancelCause(live)
	defer sent(nil)
	most := max(pullBytes, w.config.MaxFrame+headerRoom, int(p.js.Conn().MaxPayload())+headerRoom)
	pull, err := consumer.Consume(func(m jetstream.Msg) { p.take(live, m, sent) },
		jetstream.PullMaxMessagesWithBytesLimit(pullFrames, most), jetstream.PullExpiry(pullExpiry),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { p.end(fmt.Errorf("%w: pulling: %w", errSource, err)) }))
	if err != nil {
		return fmt.Errorf("%w: pulling: %w", errSource, err)
	}
	p.attend(sending, consumer, sent)
	pull.Stop()
	p.handing.Lock()
	p.over = true
	p.handing.Unlock()
	return context.Cause(sending)
}

// attend waits for the end of sending. It ends the passage when the sink confirms nothing for the bridge's timeout, and sending when what
// was still to come has gone from the stream.
func (p *passage) attend(sending context.Context, consumer jetstream.Consumer, sent context.CancelCauseFunc) {
	tick := time.NewTicker(watchPeriod)
	defer tick.Stop()
	answered, since := uint64(0), time.Now()
	for {
		select {
		case <-sending.Done():
			return
		case now := <-tick.C:
			answered, since = p.hung(answered, since, now)
			if p.redelivery.worker.hold.left() > 0 {
				p.end(errHeld)
			}
			if now.UnixMilli()-p.last.Load() < passageQuiet.Milliseconds() {
				continue
			}
			looking, cancel := context.WithTimeout(sending, apiTimeout)
			info, err := consumer.Info(looking)
			cancel()
			if err != nil {
				p.end(fmt.Errorf("%w: looking for what is left: %w", errSource, err))
			} else if info.NumPending == 0 && info.Delivered.Consumer == p.delivery.Load() {
				sent(errAllSent)
			}
		}
	}
}

// hung ends the passage when frames are in flight and none has been answered since the bridge's timeout.
func (p *passage) hung(answered uint64, since, now time.Time) (uint64, time.Time) {
	if n := p.answered.Load(); n != answered || p.inFlight.Load() == 0 {
		return n, now
	}
	if timeout := p.redelivery.worker.config.Timeout; now.Sub(since) > timeout {
		p.end(fmt.Errorf("%w: nothing confirmed for %s", errHung, timeout))
	}
	return answered, since
}

// settle waits until every frame has been answered for.
func (p *passage) settle(live context.Context) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	answered, since := p.answered.Load(), time.Now()
	for p.inFlight.Load() > 0 {
		select {
		case <-live.Done():
			return context.Cause(live)
		case now := <-poll.C:
			answered, since = p.hung(answered, since, now)
		}
	}
	if live.Err() != nil { // the last of them failed
		return context.Cause(live)
	}
	return nil
}

// take hands over one message, unless the passage is over. sent is called behind the last.
func (p *passage) take(live context.Context, m jetstream.Msg, sent context.CancelCauseFunc) {
	p.handing.Lock()
	defer p.handing.Unlock()
	if p.over || live.Err() != nil {
		return
	}
	last, err := p.hand(live, m)
	if err != nil {
		p.end(err)
	} else if last {
		p.over = true
		sent(errAllSent)
	}
}

// hand gives one message to the sink where it is asked for. last says that nothing follows that is.
func (p *passage) hand(live context.Context, m jetstream.Msg) (last bool, err error) {
	r := p.redelivery
	meta, err := m.Metadata()
	if err != nil {
		return false, fmt.Errorf("%w: a message without metadata: %w", errSource, err)
	}
	p.last.Store(time.Now().UnixMilli())
	if n := p.delivery.Add(1); meta.Sequence.Consumer != n {
		return false, fmt.Errorf("%w: delivery %d came where %d was next", errSource, meta.Sequence.Consumer, n)
	}
	if until := r.until(); !until.IsZero() && meta.Timestamp.After(until) {
		return true, nil
	}
	last = meta.NumPending == 0
	seq := meta.Sequence.Stream
	f := p.wanted(m)
	if f == nil {
		r.pass(seq)
		return last, nil
	}
	if err := r.limit.Wait(live); err != nil {
		return false, context.Cause(live)
	}
	p.inFlight.Add(1)
	r.sink.Send(live, f, func(err error) { p.done(f, seq, err) })
	select {
	case <-p.first:
	case <-live.Done():
	}
	return last, nil
}

// wanted is the frame of a message, nil where it is not asked for or no frame.
func (p *passage) wanted(m jetstream.Msg) *schema.Frame {
	c := &p.redelivery.config
	decode := p.redelivery.worker.config.decode
	if c.Dead {
		decode = p.redelivery.worker.config.decodeDead
		if !strings.HasPrefix(m.Headers().Get(schema.HeaderReject), c.Reason) {
			return nil
		}
	}
	f, err := decode(m)
	if err != nil || f.Captured.Before(c.From) || !c.To.IsZero() && f.Captured.After(c.To) {
		return nil
	}
	f.Replayed = !c.Dead
	return f
}

// done takes the sink's answer to one frame. Answers come in order.
func (p *passage) done(f *schema.Frame, seq uint64, err error) {
	defer p.inFlight.Add(-1)
	rejected := errors.Is(err, ErrRejected)
	if err == nil && p.redelivery.config.Dead {
		err = p.unbury(seq)
	}
	if err != nil && !rejected {
		p.end(err)
		return
	}
	p.redelivery.count(seq, f.Captured, rejected)
	if !rejected {
		p.redelivery.worker.metrics.redelivered.Inc()
	}
	if p.answered.Add(1) == 1 {
		p.proved()
		close(p.first)
	}
}

// unbury removes a frame from DEAD. One that is gone already, or that the server will not remove, is left at that: delivered again, it
// has the same identity.
func (p *passage) unbury(seq uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	err := p.stream.DeleteMsg(ctx, seq)
	if refused := (*jetstream.APIError)(nil); errors.As(err, &refused) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		p.redelivery.worker.log.Warn("a frame that the sink has now confirmed stays in "+schema.StreamDead, "stream_seq", seq, "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: removing a frame from %s: %w", errSource, schema.StreamDead, err)
	}
	return nil
}
