package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

type requeueCommand struct {
	Bridge string   `arg:"" help:"Name of the bridge whose frames are in DEAD; at a hub <site>.<bridge> for one site's."`
	Camera []string `placeholder:"ID" help:"Only this camera's, or <site>.<id>; may be given again."`
	Reason string   `placeholder:"PREFIX" help:"Only what was refused for a reason that begins so."`
	Rate   float64  `default:"100" placeholder:"N" help:"Frames a second at most; 0 is as fast as the sink takes them. By default ${default}."`
	Yes    bool     `required:"" xor:"mode" help:"Do it."`
	DryRun bool     `required:"" xor:"mode" help:"Only show what there is."`
	client
}

// Run has a bridge deliver what it keeps in DEAD, and stays until that is done. What the sink confirms leaves DEAD.
func (r *requeueCommand) Run(ctx context.Context, c console) error {
	of, name := partOf(r.Bridge)
	nc, site, err := r.reach(ctx, name)
	if err != nil {
		return err
	}
	defer nc.Close()
	if r.DryRun {
		return r.list(ctx, nc, site, of, name, c.out)
	}
	show, end := newMeter(c.err, "requeue to "+r.Bridge)
	p, err := newRedeliver(nc, site, of, name, bridge.RedeliveryConfig{Dead: true, Cameras: r.Camera, Reason: r.Reason, Rate: r.Rate}).run(ctx, show)
	end()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %s; the others stay in %s", describe(p), schema.StreamDead)
	case err != nil:
		return err
	}
	fmt.Fprintf(c.out, "bridge %s: %d frames confirmed, which have left %s; %d messages were not asked for or are no frames\n",
		r.Bridge, p.Delivered, schema.StreamDead, p.Passed)
	if p.Refused > 0 {
		return fmt.Errorf("%d frames were refused again and stay in %s", p.Refused, schema.StreamDead)
	}
	return nil
}

// heap is what lies in DEAD for one camera and reason.
type heap struct{ camera, reason string }

// list shows what would be requeued.
func (r *requeueCommand) list(ctx context.Context, nc *nats.Conn, site, of, name string, w io.Writer) error {
	heaps, err := r.count(ctx, nc, site, of, name)
	if err != nil {
		return fmt.Errorf("reading %s: %w", schema.StreamDead, err)
	}
	if len(heaps) == 0 {
		fmt.Fprintf(w, "nothing of bridge %s is in %s\n", r.Bridge, schema.StreamDead)
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FRAMES\tCAMERA\tREASON")
	for _, h := range slices.SortedFunc(maps.Keys(heaps), func(a, b heap) int { return strings.Compare(a.camera+a.reason, b.camera+b.reason) }) {
		fmt.Fprintf(t, "%d\t%s\t%s\n", heaps[h], h.camera, h.reason)
	}
	return t.Flush()
}

// count reads the headers of what is asked for.
func (r *requeueCommand) count(ctx context.Context, nc *nats.Conn, site, part, name string) (map[heap]int, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	var filters []string
	for _, camera := range r.Camera {
		of, id, ok := strings.Cut(camera, ".")
		if !ok {
			of, id = cmp.Or(part, site), camera
		}
		filters = append(filters, schema.DeadSubject(site, name, of, id))
	}
	if len(filters) == 0 {
		filters = []string{schema.DeadSubject(site, name, cmp.Or(part, "*"), "*")}
	}
	consumer, err := js.CreateConsumer(ctx, schema.StreamDead, jetstream.ConsumerConfig{FilterSubjects: filters, HeadersOnly: true,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: clientTimeout})
	if err != nil {
		return nil, err
	}
	heaps := map[heap]int{}
	for left := consumer.CachedInfo().NumPending; left > 0; {
		batch, err := consumer.Fetch(int(min(left, 500)), jetstream.FetchMaxWait(clientTimeout))
		if err != nil {
			return nil, err
		}
		n := uint64(0)
		for m := range batch.Messages() {
			n++
			reason := m.Headers().Get(schema.HeaderReject)
			of, id, err := schema.ParseDeadSubject(m.Subject())
			if err == nil && strings.HasPrefix(reason, r.Reason) {
				heaps[heap{strings.TrimPrefix(of+"."+id, site+"."), reason}]++
			}
		}
		if batch.Error() != nil || n == 0 {
			return heaps, batch.Error()
		}
		left -= min(left, n)
	}
	return heaps, nil
}
