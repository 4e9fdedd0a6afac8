// Package doctor looks at what a node needs from the world around it, and says of each thing whether it is as it should be and, where it
// is not, what to do. What it finds is a [Report], whose JSON is an interface: fields are added, none changes its meaning.
//
// Nothing that is looked at is changed. Brokers are asked in ways that store and deliver nothing, a file that is written to measure the
// disk has no name and is gone at the end, and a camera that a running node reads is not connected to again unless that is asked for.
package doctor

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// Status is how well something is.
type Status string

// Statuses.
const (
	OK   Status = "ok"
	Warn Status = "warn" // works, or may work, and wants a look
	Fail Status = "fail" // does not work
)

// Finding is what is said of one thing.
type Finding struct {
	Area    string         `json:"area"`         // config, ffmpeg, hwaccel, camera, clock, disk, port, node, payload, bridge or link
	Of      string         `json:"of,omitempty"` // which camera, bridge, listener or hub
	Status  Status         `json:"status"`
	What    string         `json:"what"`             // for people
	Remedy  string         `json:"remedy,omitempty"` // what to do; "" with ok
	Figures map[string]any `json:"figures,omitempty"`
}

// Report is everything that was found. Figures have units in their names: bytes, bytes_per_second, seconds, fps; width and height are in
// pixels.
type Report struct {
	Status   Status    `json:"status"` // the worst of all
	Site     string    `json:"site"`
	Node     string    `json:"node"`
	Running  bool      `json:"running"` // a node holds the data directory
	Findings []Finding `json:"findings"`
}

// Check looks at one thing. It ends with its context.
type Check func(ctx context.Context) []Finding

// Examine makes the checks, atOnce at a time, and returns what they find in their order.
func Examine(ctx context.Context, atOnce int, checks ...Check) []Finding {
	found := make([][]Finding, len(checks))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, check := range checks {
		g.Go(func() error {
			found[i] = check(ctx)
			return nil
		})
	}
	_ = g.Wait() // none has an error
	var all []Finding
	for _, f := range found {
		all = append(all, f...)
	}
	return all
}

// Sum sets the report's status to the worst of its findings.
func (r *Report) Sum() {
	r.Status = OK
	for _, f := range r.Findings {
		if f.Status == Fail || f.Status == Warn && r.Status == OK {
			r.Status = f.Status
		}
	}
}

// Write writes the report for people, a line for each finding and one more for its remedy.
func (r *Report) Write(w io.Writer) error {
	count := map[Status]int{}
	for _, f := range r.Findings {
		count[f.Status]++
		name := f.Area
		if f.Of != "" {
			name += " " + f.Of
		}
		if _, err := fmt.Fprintf(w, "%-5s%s: %s\n", f.Status, name, f.What); err != nil {
			return err
		}
		if f.Remedy != "" {
			if _, err := fmt.Fprintf(w, "     -> %s\n", f.Remedy); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "\n%d ok, %d to look at, %d failed\n", count[OK], count[Warn], count[Fail])
	return err
}
