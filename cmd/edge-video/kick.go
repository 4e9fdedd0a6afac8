package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/edge-video/edge-video/schema"
)

// cameraArg is a camera on the command line, with the node that is asked about it.
type cameraArg struct {
	Camera string `arg:"" help:"Id of the camera, or <site>.<id>."`
	client
}

// ask puts a request about the camera to a node.
func (a *cameraArg) ask(ctx context.Context, subject func(site, camera string) string, body []byte) (*nats.Msg, error) {
	nc, site, err := a.connect()
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	id := a.Camera
	if s, rest, ok := strings.Cut(a.Camera, "."); ok {
		site, id = s, rest
	}
	if !schema.ValidName(id) || site != "" && !schema.ValidSite(site) {
		return nil, fmt.Errorf("%q is no camera's id; use 1 to 64 of A-Z a-z 0-9 _ -, or <site>.<id>", a.Camera)
	}
	if site == "" {
		if site, err = siteOf(ctx, nc); err != nil {
			return nil, err
		}
	}
	m, err := nc.RequestWithContext(ctx, subject(site, id), body)
	switch {
	case errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no node of site %s answers for camera %s; nats kv ls cameras lists them, and a hub reaches a site only while its link is up",
			site, id)
	case err != nil:
		return nil, fmt.Errorf("asking the node: %w", err)
	case m.Header.Get(micro.ErrorCodeHeader) == "404":
		return nil, fmt.Errorf("%s; nats kv ls cameras lists them", m.Data)
	case m.Header.Get(micro.ErrorCodeHeader) != "":
		return nil, errors.New(string(m.Data))
	}
	return m, nil
}

// order asks a node to do something about the camera, and reads what it answers.
func (a *cameraArg) order(ctx context.Context, subject func(site, camera string) string, answer any) error {
	m, err := a.ask(ctx, subject, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		return fmt.Errorf("reading the node's answer: %w", err)
	}
	return nil
}

type kickCommand struct{ cameraArg }

// Run asks the node that reads the camera to try it now.
func (k *kickCommand) Run(ctx context.Context, c console) error {
	var answer kicked
	if err := k.order(ctx, schema.KickSubject, &answer); err != nil {
		return err
	}
	text := "is tried now"
	if !answer.Waited {
		text = fmt.Sprintf("is %s: nothing to hasten", answer.State)
	}
	_, err := fmt.Fprintf(c.out, "camera %s %s\n", answer.Camera, text)
	return err
}
