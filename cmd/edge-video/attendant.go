package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/schema"
)

// attendant answers requests about the bridges that a process has.
type attendant struct {
	node    string
	bridges *bridges
	horizon func() time.Duration // nil where it is not known
	log     *slog.Logger
}

// endpoint is one thing that can be asked for.
type endpoint struct {
	name, subject     string
	handler           micro.HandlerFunc
	request, response any    // of what JSON describes; nil where there is none
	media             string // of a response that is not JSON
	any               bool   // of several nodes of a site any one answers; else all do that have something to say
}

// anyNode is the queue group of the nodes of which any one answers.
const anyNode = "edge-video"

func (e *endpoint) options() []micro.EndpointOpt {
	about := map[string]string{}
	for key, value := range map[string]string{"request_schema": jsonSchema(e.request), "response_schema": jsonSchema(e.response), "response_type": e.media} {
		if value != "" {
			about[key] = value
		}
	}
	if e.media == "" {
		about["response_type"] = "application/json"
	}
	options := []micro.EndpointOpt{micro.WithEndpointSubject(e.subject), micro.WithEndpointMetadata(about)}
	if e.any {
		options = append(options, micro.WithEndpointQueueGroup(anyNode))
	}
	return options
}

// offer begins to answer requests about bridges, and at more endpoints. The caller stops the service.
func (a *attendant) offer(nc *nats.Conn, description, site string, more ...endpoint) (micro.Service, error) {
	service, err := micro.AddService(nc, micro.Config{Name: schema.NodeService, Version: "1.0.0", Description: description,
		Metadata: map[string]string{"site": site, "node": a.node, "version": programVersion()}, QueueGroupDisabled: true})
	if err != nil {
		return nil, fmt.Errorf("offering the service %s: %w", schema.NodeService, err)
	}
	for _, e := range append(more,
		endpoint{name: "redeliver", subject: schema.RedeliverSubject(site, "*"), handler: a.redeliver, request: errandRequest{}, response: errandAnswer{}},
		endpoint{name: "hold", subject: schema.HoldSubject(site, "*"), handler: a.hold, request: holdRequest{}, response: holdAnswer{}}) {
		if err := service.AddEndpoint(e.name, e.handler, e.options()...); err != nil {
			return nil, fmt.Errorf("offering %s: %w", e.subject, err)
		}
	}
	return service, nil
}

// redeliver has a bridge bring frames to its sink again. Only who has the bridge, and is the one asked, answers.
func (a *attendant) redeliver(r micro.Request) {
	parts := a.bridges.named(lastToken(r.Subject()))
	if len(parts) == 0 {
		return
	}
	var request errandRequest
	if err := json.Unmarshal(r.Data(), &request); err != nil {
		a.refuse(r, "400", fmt.Errorf("reading the request: %w", err))
		return
	}
	b, err := request.choose(parts)
	if err != nil {
		a.refuse(r, "400", err)
		return
	}
	if b == nil {
		return
	}
	answer, err := b.errands.ask(&request)
	switch {
	case errors.Is(err, errBusy):
		a.refuse(r, "409", err)
	case err != nil:
		a.refuse(r, "400", err)
	default:
		a.answer(r, answer)
	}
}

// hold holds a bridge's breaker open, or lets it go. There is an answer for each of its parts.
func (a *attendant) hold(r micro.Request) {
	parts := a.bridges.named(lastToken(r.Subject()))
	if len(parts) == 0 {
		return
	}
	var request holdRequest
	if err := json.Unmarshal(r.Data(), &request); err != nil {
		a.refuse(r, "400", fmt.Errorf("reading the request: %w", err))
		return
	}
	for _, b := range parts {
		answer := b.hold(&request)
		answer.Node = a.node
		if a.horizon != nil {
			answer.Horizon, answer.HasLimit = a.horizon(), answer.Stream == schema.StreamFrames
		}
		a.answer(r, answer)
	}
}

func (a *attendant) answer(r micro.Request, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		a.refuse(r, "500", err)
		return
	}
	a.sent(r.Respond(body))
}

// refuse answers with the error in the service protocol's headers, and in the body for people.
func (a *attendant) refuse(r micro.Request, code string, err error) {
	a.sent(r.Error(code, schema.HeaderText(err.Error()), []byte(err.Error())))
}

// sent takes the error of an answer. Whoever asked waits in vain, and can ask again.
func (a *attendant) sent(err error) {
	if err != nil {
		a.log.Debug("answering a request", "err", err)
	}
}
