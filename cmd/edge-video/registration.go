package main

import (
	"strings"

	"github.com/edge-video/edge-video/bridge"
	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/registration"
	"github.com/edge-video/edge-video/schema"
)

// newRegistrar makes what announces the node. It may run once the node's control does.
func (a *app) newRegistrar(c *config.Config) *registration.Registrar {
	return registration.New(registrationConfig(c), a.log, func(accepted bool, message string) {
		state := "accepted"
		if !accepted {
			state = "failed"
		}
		a.control.journal.Event(schema.Event{Class: schema.ClassNode, Name: c.Node, Kind: schema.KindControl, Reason: "registration",
			State: state, Message: message})
	})
}

// registrationConfig is what a configuration has the node say, and to whom.
func registrationConfig(c *config.Config) registration.Config {
	r := c.Registration
	said := registration.Announcement{Cameras: []registration.Camera{}, Namespace: r.Namespace}
	for _, cam := range c.Cameras {
		said.Cameras = append(said.Cameras, registration.Camera{ID: cam.ID, URL: cam.URL.Public()})
	}
	if sink := r.RabbitMQ(c); sink != nil {
		said.RabbitMQURL, said.Exchange = sink.URL.Public(), sink.Exchange
		constants := sink.Constants()
		said.VHost = constants["vhost"]
		said.RoutingKey = beginning(sink.RoutingKey, constants)
		if said.Namespace == "" {
			said.Namespace = said.VHost
		}
	}
	return registration.Config{URL: r.URL, Token: r.Token, Retry: r.Retry, Timeout: r.Timeout, TLS: bridge.TLS(r.TLS), Announcement: said}
}

// fill is a template with the fields that are the same for all frames filled in.
func fill(template string, constants map[string]string) string {
	for name, value := range constants {
		template = strings.ReplaceAll(template, "{"+name+"}", value)
	}
	return template
}

// beginning is what a template makes the same for all frames, up to the first field that is not.
func beginning(template string, constants map[string]string) string {
	text, _, _ := strings.Cut(fill(template, constants), "{")
	return text
}
