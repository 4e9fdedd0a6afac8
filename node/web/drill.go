package web

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/edge-video/edge-video/schema"
)

const (
	// drillMost bounds a drill, drillLease each hold of which it consists: should the node die, the bridge goes on that soon.
	drillMost  = 24 * time.Hour
	drillLease = 3 * time.Second
	drillPace  = time.Second
)

// hold asks whoever runs a bridge to hold its breaker open.
type hold struct {
	For     time.Duration `json:"for"`
	Release bool          `json:"release"`
}

// drills are those that were begun here.
type drills struct {
	crew *crew
	nc   *nats.Conn
	site string
	log  *slog.Logger

	mu  sync.Mutex
	all map[string]*drillRun // by bridge
}

// drillRun is one at work.
type drillRun struct{ stop context.CancelFunc }

func newDrills(c *crew, nc *nats.Conn, site string, log *slog.Logger) *drills {
	return &drills{crew: c, nc: nc, site: site, log: log, all: map[string]*drillRun{}}
}

// begin holds a bridge for a while, in place of a drill of it that is at work.
func (d *drills) begin(bridge string, length time.Duration) {
	ctx, stop := context.WithTimeout(d.crew.ctx, length)
	run := &drillRun{stop}
	d.mu.Lock()
	if old := d.all[bridge]; old != nil {
		old.stop()
	}
	d.all[bridge] = run
	d.mu.Unlock()
	began := d.crew.begin(func(context.Context) {
		defer stop()
		tick := time.NewTicker(drillPace)
		defer tick.Stop()
		for {
			d.tell(bridge, hold{For: drillLease})
			select {
			case <-ctx.Done():
				d.end(bridge, run)
				return
			case <-tick.C:
			}
		}
	})
	if !began {
		stop()
	}
}

// end lets the bridge go on, unless another drill holds it.
func (d *drills) end(bridge string, run *drillRun) {
	d.mu.Lock()
	last := d.all[bridge] == run
	if last {
		delete(d.all, bridge)
	}
	d.mu.Unlock()
	if last {
		d.tell(bridge, hold{Release: true})
	}
}

// release ends a drill. It reports false where none was begun here.
func (d *drills) release(bridge string) bool {
	d.mu.Lock()
	run := d.all[bridge]
	d.mu.Unlock()
	if run != nil {
		run.stop()
	}
	return run != nil
}

// tell asks every process that has the bridge. What is lost on the way is said again, or ends with its lease.
func (d *drills) tell(bridge string, h hold) {
	body, err := json.Marshal(h)
	if err == nil {
		err = d.nc.Publish(schema.HoldSubject(d.site, bridge), body)
	}
	if err != nil {
		d.log.Debug("holding a bridge", "bridge", bridge, "err", err)
	}
}

// drill holds a bridge's breaker open, as if its sink were down.
func (s *Server) drill(w http.ResponseWriter, r *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	name, err := bridgeNamed(r)
	if err != nil {
		return err
	}
	length, anyway, err := readDrill(r)
	if err != nil {
		return err
	}
	if err := f.meet(r.Context(), s.config.Site, name); err != nil {
		return err
	}
	if left := s.parts.Horizon(); !s.config.Hub && left < length && !anyway {
		return refusef(http.StatusConflict,
			`the stream holds frames for %s more at this rate: a drill of %s would lose some; make it shorter, or send "anyway": true`,
			left.Round(time.Second), length)
	}
	f.drills.begin(name, length)
	s.log.Info("drill begun over HTTP", "bridge", name, "for", length, "by", r.caller.name)
	return answerWith(w, http.StatusAccepted, struct {
		Bridge string    `json:"bridge"`
		Until  time.Time `json:"until"`
	}{name, time.Now().Add(length).UTC().Truncate(time.Millisecond)})
}

// release ends a drill before its time.
func (s *Server) release(w http.ResponseWriter, r *request) error {
	f, err := s.ground()
	if err != nil {
		return err
	}
	name, err := bridgeNamed(r)
	if err != nil {
		return err
	}
	if err := f.meet(r.Context(), s.config.Site, name); err != nil {
		return err
	}
	if !f.drills.release(name) {
		f.drills.tell(name, hold{Release: true}) // it may have been begun elsewhere
	}
	s.log.Info("drill ended over HTTP", "bridge", name, "by", r.caller.name)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func bridgeNamed(r *request) (string, error) {
	name := r.PathValue("name")
	if !schema.ValidName(name) {
		return "", noBridge(name)
	}
	return name, nil
}

func noBridge(name string) error {
	return refusef(http.StatusNotFound, "nobody here has a bridge %.120q; GET /api/v1/bridges lists them", name)
}

// meet finds out whether anybody has the bridge.
func (f *floor) meet(ctx context.Context, site, bridge string) error {
	_, err := f.ask(ctx, schema.HoldSubject(site, bridge), []byte("{}"))
	if absent(err) {
		return noBridge(bridge)
	}
	return err
}

// readDrill reads {"for": "2m", "anyway": false}.
func readDrill(r *request) (length time.Duration, anyway bool, err error) {
	var q struct {
		For    string `json:"for"`
		Anyway bool   `json:"anyway"`
	}
	const form = `send JSON as in {"for": "2m"}`
	dec := json.NewDecoder(io.LimitReader(r.Body, bodyMost))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return 0, false, refusef(http.StatusBadRequest, "reading the body: %v; %s", err, form)
	}
	if length, err = time.ParseDuration(q.For); err != nil || length <= 0 || length > drillMost {
		return 0, false, refusef(http.StatusBadRequest, "for is %.60q, not a time above 0 and at most %s; %s", q.For, drillMost, form)
	}
	return length, q.Anyway, nil
}
