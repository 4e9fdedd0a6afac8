package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/node/archive"
	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

// control answers requests to the node itself, and writes down what came of them.
type control struct {
	app     *app
	nc      *nats.Conn
	journal *journal.Journal
	archive *archive.Archive
	attendant

	work   sync.WaitGroup // requests that are answered beside the connection's own goroutine
	places chan struct{}  // a token for each of them
}

// maxRequests is how many requests are answered beside one another; more are refused.
const maxRequests = 64

// runControl serves until ctx ends. ready is called when requests are answered.
func (a *app) runControl(ctx context.Context, ready func()) error {
	c := a.config.Load()
	nc, err := a.server.Connect("control")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("reaching JetStream: %w", err)
	}
	horizon := func() time.Duration { return a.fleet.Health().Horizon }
	a.control = &control{app: a, nc: nc, journal: journal.New(js, c.Site, c.Node, a.log), archive: archive.New(js, c.Site),
		attendant: attendant{node: c.Node, bridges: a.bridges, horizon: horizon, log: a.log}, places: make(chan struct{}, maxRequests)}
	defer a.control.work.Wait()
	service, err := a.control.offer(nc, "An edge-video node.", c.Site, a.control.endpoints(ctx)...)
	if err != nil {
		return err
	}
	ready()
	err = a.control.journal.Run(ctx)
	if stopped := service.Stop(); stopped != nil {
		a.log.Debug("ending the node's service", "err", stopped)
	}
	return err
}

// endpoints are what a node is asked for beside its bridges. A hub answers also for what it holds of its sites.
func (c *control) endpoints(ctx context.Context) []endpoint {
	config := c.app.config.Load()
	site, of := config.Site, config.Site
	if config.Hub.Mirror {
		of = "*"
	}
	return []endpoint{
		{name: "kick", subject: schema.KickSubject(site, "*"), handler: c.kick, response: kicked{}},
		{name: "pause", subject: schema.PauseSubject(site, "*"), handler: c.beside(ctx, c.pause), response: pausing{}},
		{name: "resume", subject: schema.ResumeSubject(site, "*"), handler: c.beside(ctx, c.resume), response: pausing{}},
		{name: "snapshot", subject: schema.SnapshotSubject(of, "*"), handler: c.beside(ctx, c.snapshot), request: snapshotRequest{},
			media: schema.ContentJPEG, any: true},
		{name: "list", subject: schema.ListSubject(of), handler: c.beside(ctx, c.list), response: []cameraLine{}, any: true},
		{name: "status", subject: schema.StatusSubject(site, config.Node), handler: c.status, response: nodeStatus{}},
		{name: "reload", subject: schema.ReloadSubject(site, config.Node), handler: func(r micro.Request) { c.reload(ctx, r) },
			media: "text/plain"},
	}
}

// beside has requests answered by goroutines of their own, at most maxRequests at once, so that one does not wait for another.
func (c *control) beside(ctx context.Context, answer func(context.Context, micro.Request)) micro.HandlerFunc {
	return func(r micro.Request) {
		select {
		case c.places <- struct{}{}:
			c.work.Go(func() {
				defer func() { <-c.places }()
				ctx, cancel := context.WithTimeout(ctx, answerTimeout)
				defer cancel()
				answer(ctx, detached{r, c.nc})
			})
		default:
			c.refuse(r, "503", errors.New("too many requests at once; try again in a moment"))
		}
	}
}

// answerTimeout bounds the work on one request; nobody waits longer.
const answerTimeout = 15 * time.Second

// kicked is the answer to a kick.
type kicked struct {
	Camera string             `json:"camera"`
	Waited bool               `json:"waited"` // it waited for its next start, which is now
	State  schema.CameraState `json:"state"`  // before
}

// kick has a camera tried again now. Of several nodes of a site only the one that reads the camera answers.
func (c *control) kick(r micro.Request) {
	id := lastToken(r.Subject())
	state := c.app.fleet.Cameras()[id].State
	waited, err := c.app.fleet.Kick(id)
	if err != nil {
		c.unknown(r, err)
		return
	}
	c.answer(r, kicked{Camera: id, Waited: waited, State: state})
}

// unknown refuses what this node cannot do; of a cluster another one does it.
func (c *control) unknown(r micro.Request, err error) {
	switch {
	case !errors.Is(err, node.ErrNoCamera):
		c.refuse(r, "503", err)
	case !c.app.config.Load().Clustered():
		c.refuse(r, "404", err)
	}
}

// pausing is the answer to a pause and a resume.
type pausing struct {
	Camera string             `json:"camera"`
	Paused bool               `json:"paused"`
	Was    bool               `json:"was"`   // paused, before
	State  schema.CameraState `json:"state"` // before
}

func (c *control) pause(ctx context.Context, r micro.Request)  { c.setPaused(ctx, r, true) }
func (c *control) resume(ctx context.Context, r micro.Request) { c.setPaused(ctx, r, false) }

// setPaused has a camera left alone, or read again. Of several nodes of a site only the one that has the camera answers.
func (c *control) setPaused(ctx context.Context, r micro.Request, paused bool) {
	id := lastToken(r.Subject())
	before := c.app.fleet.Cameras()[id]
	do := c.app.fleet.Resume
	if paused {
		do = c.app.fleet.Pause
	}
	if err := do(ctx, id); err != nil {
		c.unknown(r, err)
		return
	}
	c.answer(r, pausing{Camera: id, Paused: paused, Was: before.Paused, State: before.State})
}

// list answers with the states of a site's cameras, as the bucket has them.
func (c *control) list(ctx context.Context, r micro.Request) {
	site := lastToken(r.Subject())
	all, err := listCameras(ctx, c.nc, c.app.config.Load().Site)
	if err != nil {
		c.refuse(r, "503", err)
		return
	}
	lines := []cameraLine{}
	for _, l := range all {
		if l.Site == site {
			lines = append(lines, l)
		}
	}
	c.answer(r, lines)
}

// nodeStatus is how a node is.
type nodeStatus struct {
	Site     string   `json:"site"`
	Node     string   `json:"node"`
	Version  string   `json:"version"`
	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons"`  // why it is not ready
	Degraded []string `json:"degraded"` // what is wrong beside
	Cameras  int      `json:"cameras"`  // that this node reads
	Up       int      `json:"up"`
	Paused   int      `json:"paused"`
	Horizon  float64  `json:"horizon_seconds"`
}

func (c *control) status(r micro.Request) {
	config, health, ready := c.app.config.Load(), c.app.fleet.Health(), c.app.readiness()
	c.answer(r, nodeStatus{Site: config.Site, Node: config.Node, Version: programVersion(), Ready: ready.Ready, Reasons: ready.Reasons,
		Degraded: ready.Degraded, Cameras: health.Cameras, Up: health.Up, Paused: health.Paused, Horizon: health.Horizon.Seconds()})
}

// lastToken is the camera or bridge that a request is about.
func lastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

// reload puts the configuration file in force.
func (c *control) reload(ctx context.Context, r micro.Request) {
	changes, err := c.app.reload(ctx)
	if err != nil {
		c.refuse(r, "400", err)
		return
	}
	body := "nothing changed"
	if len(changes) > 0 {
		body = text(changes)
	}
	c.sent(r.Respond([]byte(body)))
}
