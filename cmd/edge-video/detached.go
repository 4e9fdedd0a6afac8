package main

import (
	"encoding/json"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// detached is a request that is answered by another goroutine than the one that the service called the handler from. The service looks, once
// that handler has returned, at what came of the request, which the request notes as it answers; so that one does not answer itself. The
// service's statistics hold its number and none of its errors.
type detached struct {
	micro.Request
	nc *nats.Conn
}

// Respond implements [micro.Request].
func (r detached) Respond(body []byte, options ...micro.RespondOpt) error {
	m := &nats.Msg{Subject: r.Reply(), Data: body}
	for _, option := range options {
		option(m)
	}
	return r.nc.PublishMsg(m)
}

// RespondJSON implements [micro.Request].
func (r detached) RespondJSON(response any, options ...micro.RespondOpt) error {
	body, err := json.Marshal(response)
	if err != nil {
		return err
	}
	return r.Respond(body, options...)
}

// Error implements [micro.Request].
func (r detached) Error(code, description string, body []byte, options ...micro.RespondOpt) error {
	fault := micro.Headers{micro.ErrorHeader: {description}, micro.ErrorCodeHeader: {code}}
	return r.Respond(body, append([]micro.RespondOpt{micro.WithHeaders(fault)}, options...)...)
}
