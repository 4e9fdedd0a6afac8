package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/schema"
)

// replayOverlap is how far a replay that was stopped is to begin before its last frame: the stream's order is not that in which the frames of
// several cameras were captured.
const replayOverlap = 5 * time.Second

type replayCommand struct {
	Bridge string   `required:"" placeholder:"NAME" help:"Whose sink gets the frames; at a hub <site>.<bridge>."`
	From   moment   `required:"" placeholder:"TIME" help:"Frames captured from then on: RFC 3339, or how long ago as in -2h."`
	To     moment   `placeholder:"TIME" help:"And up to then; by default now."`
	Camera []string `placeholder:"ID" help:"Only this camera's, or <site>.<id>; may be given again. By default all that the bridge takes."`
	Rate   float64  `default:"100" placeholder:"N" help:"Frames a second at most; 0 is as fast as the sink takes them. By default ${default}."`
	client
}

// Validate implements kong's check of what was given.
func (r *replayCommand) Validate() error {
	switch {
	case r.Rate < 0:
		return errors.New("--rate is negative; give 0 for no limit")
	case r.From.After(time.Now()):
		return errors.New("--from is in the future; give a time that has passed")
	case !r.To.IsZero() && !r.To.After(r.From.Time):
		return errors.New("--to is not after --from")
	}
	return nil
}

// Run has a bridge deliver a span of the stream again, and stays until every frame is confirmed.
func (r *replayCommand) Run(ctx context.Context, c console) error {
	if r.To.IsZero() || r.To.After(time.Now()) {
		r.To.Time = time.Now()
	}
	of, name := partOf(r.Bridge)
	nc, site, err := r.reach(ctx, name)
	if err != nil {
		return err
	}
	defer nc.Close()
	show, end := newMeter(c.err, "replay to "+r.Bridge)
	began := time.Now()
	p, err := newRedeliver(nc, site, of, name, bridge.RedeliveryConfig{Cameras: r.Camera, From: r.From.Time, To: r.To.Time, Rate: r.Rate}).run(ctx, show)
	end()
	switch {
	case ctx.Err() != nil && p.Delivered == 0:
		return errors.New("stopped before a frame was confirmed")
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %s; go on with --from %s", describe(p), p.Captured.Add(-replayOverlap).UTC().Format(schema.CapturedLayout))
	case err != nil:
		return err
	}
	fmt.Fprintf(c.out, "bridge %s: %d frames confirmed again in %s\n", r.Bridge, p.Delivered, time.Since(began).Round(time.Second/10))
	if p.Refused > 0 {
		return fmt.Errorf("%d frames were refused by the sink", p.Refused)
	}
	return nil
}
