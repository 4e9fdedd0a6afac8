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

type kickCommand struct {
	Camera string `arg:"" help:"Id of the camera, or <site>.<id>."`
	client
}

// Run asks the node that reads the camera to try it now.
func (k *kickCommand) Run(ctx context.Context, c console) error {
	nc, site, err := k.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	id := k.Camera
	if s, rest, ok := strings.Cut(k.Camera, "."); ok {
		site, id = s, rest
	}
	if !schema.ValidName(id) {
		return fmt.Errorf("%q is no camera's id; use 1 to 64 of A-Z a-z 0-9 _ -, or <site>.<id>", k.Camera)
	}
	if site == "" {
		if site, err = siteOf(ctx, nc); err != nil {
			return err
		}
	}
	m, err := nc.RequestWithContext(ctx, schema.KickSubject(site, id), nil)
	switch {
	case errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no node of site %s that runs now reads camera %s; nats kv ls cameras lists them", site, id)
	case err != nil:
		return fmt.Errorf("asking the node: %w", err)
	case m.Header.Get(micro.ErrorCodeHeader) != "":
		return fmt.Errorf("%s; nats kv ls cameras lists them", m.Data)
	}
	var answer kicked
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("reading the node's answer: %w", err)
	}
	text := "is tried now"
	if !answer.Waited {
		text = fmt.Sprintf("is %s: nothing to hasten", answer.State)
	}
	_, err = fmt.Fprintf(c.out, "camera %s %s\n", id, text)
	return err
}
