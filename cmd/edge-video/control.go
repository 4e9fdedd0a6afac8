package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

// control answers requests to the node itself, and writes down what came of them.
type control struct {
	app     *app
	journal *journal.Journal
	attendant
}

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
	a.control = &control{app: a, journal: journal.New(js, c.Site, c.Node, a.log), attendant: attendant{node: c.Node, bridges: a.bridges, horizon: horizon, log: a.log}}
	kick := func(r micro.Request) { a.control.kick(r) }
	reload := func(r micro.Request) { a.control.reload(ctx, r) }
	service, err := a.control.offer(nc, "An edge-video node.", c.Site,
		endpoint{"kick", schema.KickSubject(c.Site, "*"), kick}, endpoint{"reload", schema.ReloadSubject(c.Site, c.Node), reload})
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
	switch {
	case err == nil:
		c.answer(r, kicked{Camera: id, Waited: waited, State: state})
	case !c.app.config.Load().Clustered():
		c.refuse(r, "404", err)
	}
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
