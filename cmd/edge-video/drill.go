package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/schema"
)

type drillCommand struct {
	Bridge string        `arg:"" help:"Name of the bridge."`
	For    time.Duration `arg:"" help:"How long its breaker is held open, as in 2m."`
	Anyway bool          `help:"Also where the stream may not hold all frames for so long."`
	client
}

const (
	drillPoll = 250 * time.Millisecond
	// drillLease is how long a hold lasts that is not asked for again.
	drillLease = 3 * time.Second
	// drillLine is how often a line is printed.
	drillLine = 5 * time.Second
)

// Validate implements kong's check of what was given.
func (d *drillCommand) Validate() error {
	if d.For <= 0 || d.For > 24*time.Hour {
		return fmt.Errorf("%s is not above 0 and at most 24h", d.For)
	}
	return nil
}

// Run holds the bridge's breaker open for a while and reports what an outage of its sink would come to.
func (d *drillCommand) Run(ctx context.Context, c console) error {
	if of, name := partOf(d.Bridge); of != "" {
		return fmt.Errorf("a drill holds a bridge for all sites at once, as an outage of its sink does; give its name alone: %s", name)
	}
	nc, site, err := d.reach(ctx, d.Bridge)
	if err != nil {
		return err
	}
	defer nc.Close()
	r, err := newDrill(nc, site, d.Bridge)
	if err != nil {
		return err
	}
	if err := r.meet(ctx); err != nil {
		return err
	}
	if r.limited && r.horizon < d.For && !d.Anyway {
		return fmt.Errorf("the stream holds frames for %s more at this rate: a drill of %s would lose some; make it shorter, or give --anyway",
			r.horizon.Round(time.Second), d.For)
	}
	held := time.Now()
	err = r.hold(ctx, d.For, c.err)
	buffered, last := r.pending, maps.Clone(r.last)
	released := time.Now()
	r.release()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped after %s: the hold is released; %d frames were buffered", time.Since(held).Round(time.Second/10), buffered)
	}
	if err := r.drain(ctx, last, c.err); err != nil {
		return err
	}
	missed, skipped, refused := r.since()
	fmt.Fprintf(c.out, "bridge %s was held for %s: %d frames buffered, %d lost, %d refused by the sink\n", d.Bridge,
		released.Sub(held).Round(time.Second/10), buffered, missed, refused)
	if skipped > 0 {
		fmt.Fprintf(c.out, "%d were skipped, too old by the bridge's max_age or with a picture that has expired\n", skipped)
	}
	fmt.Fprintf(c.out, "drained in %s", time.Since(released).Round(time.Second/10))
	if r.limited {
		fmt.Fprintf(c.out, "; horizon %s, at its shortest %s", r.horizon.Round(time.Second), r.shortest.Round(time.Second))
	}
	fmt.Fprintln(c.out)
	if missed > 0 {
		return fmt.Errorf("%d frames left the stream before the sink had them; stream.max_age and stream.max_bytes say how long it holds them", missed)
	}
	return nil
}

// drill is one at work. Several processes may have the bridge: all are held, and count together.
type drill struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	bridge  string
	subject string
	replies *nats.Subscription
	inbox   string

	first, now map[string]*holdAnswer // by worker
	last       map[string]uint64      // stream sequence of the newest frame of each stream where what it delivers is
	heard      time.Time
	horizon    time.Duration // valid where limited is set
	shortest   time.Duration
	limited    bool
	pending    uint64 // frames in the stream that the sink has not confirmed
}

func newDrill(nc *nats.Conn, site, name string) (*drill, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("reaching JetStream: %w", err)
	}
	d := &drill{nc: nc, js: js, bridge: name, subject: schema.HoldSubject(site, name), inbox: nc.NewRespInbox(),
		first: map[string]*holdAnswer{}, now: map[string]*holdAnswer{}, last: map[string]uint64{}}
	if d.replies, err = nc.SubscribeSync(d.inbox); err != nil {
		return nil, fmt.Errorf("waiting for answers: %w", err)
	}
	return d, nil
}

// ask sends a request to every process that has the bridge, and takes the answers that come within a poll.
func (d *drill) ask(q holdRequest) error {
	body, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	if err := d.nc.PublishRequest(d.subject, d.inbox, body); err != nil {
		return fmt.Errorf("asking the node: %w", err)
	}
	for end := time.Now().Add(drillPoll); ; {
		m, err := d.replies.NextMsg(time.Until(end))
		if err != nil {
			return nil // the poll is over
		}
		a := &holdAnswer{}
		if json.Unmarshal(m.Data, a) != nil || a.Worker == "" {
			continue // nobody listens there
		}
		d.take(a)
	}
}

func (d *drill) take(a *holdAnswer) {
	d.heard = time.Now()
	if d.first[a.Worker] == nil {
		d.first[a.Worker] = a
	}
	d.now[a.Worker] = a
	d.last[a.Stream] += 0 // there may be nothing yet
	if a.HasLimit {
		if d.horizon = a.Horizon; !d.limited || a.Horizon < d.shortest {
			d.shortest = a.Horizon
		}
		d.limited = true
	}
}

// meet finds out who has the bridge.
func (d *drill) meet(ctx context.Context) error {
	for began := time.Now(); d.heard.IsZero(); {
		if err := d.ask(holdRequest{}); err != nil {
			return err
		}
		if ctx.Err() != nil || time.Since(began) > clientTimeout {
			return errNobody
		}
	}
	return nil
}

// hold keeps the breaker open until its time is over or ctx ends.
func (d *drill) hold(ctx context.Context, length time.Duration, w io.Writer) error {
	began, line := time.Now(), time.Now()
	for ctx.Err() == nil {
		if time.Since(began) >= length {
			return nil
		}
		if err := d.ask(holdRequest{For: drillLease}); err != nil {
			return err
		}
		if time.Since(d.heard) > drillLease {
			return errors.New("nobody answers for the bridge any more, so that it may not be held; the drill has ended")
		}
		if err := d.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if time.Since(line) >= drillLine {
			line = time.Now()
			fmt.Fprintf(w, "held for %s of %s: %d frames buffered\n", time.Since(began).Round(time.Second), length, d.pending)
		}
	}
	return nil
}

// release lets the bridge go on, whatever has become of the command.
func (d *drill) release() {
	if d.ask(holdRequest{Release: true}) == nil {
		// Without it the hold ends by itself within its lease.
		_ = d.nc.FlushTimeout(time.Second)
	}
}

// drain waits until the sink has confirmed everything up to the frame that was the newest when the hold ended.
func (d *drill) drain(ctx context.Context, last map[string]uint64, w io.Writer) error {
	for line := time.Now(); ; {
		done, err := d.confirmed(ctx, last)
		if err == nil && done {
			return d.ask(holdRequest{})
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped while the bridge drains: %d frames are left", d.pending)
		}
		if err := d.ask(holdRequest{}); err != nil {
			return err
		}
		if time.Since(line) >= drillLine {
			line = time.Now()
			fmt.Fprintf(w, "released: %d frames left\n", d.pending)
		}
	}
}

// look reads how much waits.
func (d *drill) look(ctx context.Context) error {
	_, err := d.confirmed(ctx, nil)
	return err
}

// confirmed reports whether nothing up to a sequence of each stream waits any more, and notes how much does.
func (d *drill) confirmed(ctx context.Context, upTo map[string]uint64) (bool, error) {
	d.pending = 0
	all := true
	for name := range d.last {
		done, err := d.confirmedIn(ctx, name, upTo[name])
		if err != nil {
			return false, err
		}
		all = all && done
	}
	return all, nil
}

// confirmedIn looks at the bridge's consumer of one stream and the one that catches up beside it.
func (d *drill) confirmedIn(ctx context.Context, name string, seq uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	stream, err := d.js.Stream(ctx, name)
	if err != nil {
		return false, fmt.Errorf("reading the stream's state: %w", err)
	}
	d.last[name] = stream.CachedInfo().State.LastSeq
	all := true
	for _, name := range []string{d.bridge, d.bridge + "-backfill"} {
		consumer, err := stream.Consumer(ctx, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("reading what waits: %w", err)
		}
		info := consumer.CachedInfo()
		waiting := info.NumPending + uint64(info.NumAckPending)
		d.pending += waiting
		all = all && (waiting == 0 || info.AckFloor.Stream >= seq)
	}
	return all, nil
}

// since is what has been missed, skipped and refused since the drill began.
func (d *drill) since() (missed, skipped, refused uint64) {
	for worker, a := range d.now {
		first := d.first[worker]
		missed += a.Missed - min(a.Missed, first.Missed)
		skipped += a.Skipped - min(a.Skipped, first.Skipped)
		refused += a.Refused - min(a.Refused, first.Refused)
	}
	return missed, skipped, refused
}
