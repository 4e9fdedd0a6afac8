package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/schema"
	"github.com/edge-video/edge-video/schema/journal"
)

// serviceName is what `nats service ls` shows.
const serviceName = "edge-video"

// control answers requests to the node itself, and writes down what came of them.
type control struct {
	app     *app
	journal *journal.Journal
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
	a.control = &control{app: a, journal: journal.New(js, c.Site, c.Node, a.log)}
	service, err := micro.AddService(nc, micro.Config{Name: serviceName, Version: "1.0.0", Description: "An edge-video node.",
		Metadata: map[string]string{"site": c.Site, "node": c.Node, "version": programVersion()}, QueueGroupDisabled: true})
	if err != nil {
		return fmt.Errorf("offering the node's service: %w", err)
	}
	kick := func(r micro.Request) { a.control.kick(r) }
	reload := func(r micro.Request) { a.control.reload(ctx, r) }
	redeliver := func(r micro.Request) { a.control.redeliver(r) }
	hold := func(r micro.Request) { a.control.hold(r) }
	for _, e := range []struct {
		name, subject string
		handler       micro.HandlerFunc
	}{{"kick", schema.KickSubject(c.Site, "*"), kick}, {"reload", schema.ReloadSubject(c.Site, c.Node), reload},
		{"redeliver", schema.RedeliverSubject(c.Site, "*"), redeliver}, {"hold", schema.HoldSubject(c.Site, "*"), hold}} {
		if err := service.AddEndpoint(e.name, e.handler, micro.WithEndpointSubject(e.subject)); err != nil {
			return fmt.Errorf("offering %s: %w", e.subject, err)
		}
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
	case c.app.config.Load().NATS.Cluster.Listen == "":
		c.refuse(r, "404", err)
	}
}

// redeliver has a bridge bring frames to its sink again. Only who has the bridge, and is the one asked, answers.
func (c *control) redeliver(r micro.Request) {
	b := c.app.bridges.named(lastToken(r.Subject()))
	if b == nil {
		return
	}
	var request errandRequest
	if err := json.Unmarshal(r.Data(), &request); err != nil {
		c.refuse(r, "400", fmt.Errorf("reading the request: %w", err))
		return
	}
	if request.Worker != "" && request.Worker != b.errands.id {
		return
	}
	answer, err := b.errands.ask(&request)
	switch {
	case errors.Is(err, errBusy):
		c.refuse(r, "409", err)
	case err != nil:
		c.refuse(r, "400", err)
	default:
		c.answer(r, answer)
	}
}

// hold holds a bridge's breaker open, or lets it go.
func (c *control) hold(r micro.Request) {
	b := c.app.bridges.named(lastToken(r.Subject()))
	if b == nil {
		return
	}
	var request holdRequest
	if err := json.Unmarshal(r.Data(), &request); err != nil {
		c.refuse(r, "400", fmt.Errorf("reading the request: %w", err))
		return
	}
	answer := b.hold(&request)
	answer.Node, answer.Horizon, answer.HasLimit = c.app.config.Load().Node, c.app.fleet.Health().Horizon, answer.Stream == schema.StreamFrames
	c.answer(r, answer)
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

func (c *control) answer(r micro.Request, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		c.refuse(r, "500", err)
		return
	}
	c.sent(r.Respond(body))
}

// refuse answers with the error in the service protocol's headers, and in the body for people.
func (c *control) refuse(r micro.Request, code string, err error) {
	c.sent(r.Error(code, schema.HeaderText(err.Error()), []byte(err.Error())))
}

// sent takes the error of an answer. Whoever asked waits in vain, and can ask again.
func (c *control) sent(err error) {
	if err != nil {
		c.app.log.Debug("answering a request", "err", err)
	}
}
