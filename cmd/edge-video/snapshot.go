package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/edge-video/edge-video/schema"
)

type snapshotCommand struct {
	cameraArg
	At    moment `placeholder:"TIME" help:"The picture of then: RFC 3339, or how long ago as in -2h; by default the newest."`
	Width int    `placeholder:"N" help:"Make it smaller, to that many pixels."`
	Out   string `name:"out" short:"o" default:"-" placeholder:"FILE" help:"Where to write the JPEG; by default standard output."`
}

// Run writes a picture of the camera.
func (s *snapshotCommand) Run(ctx context.Context, c console) error {
	if s.Out == "-" && terminal(c.out) {
		return usageError{"a picture is nothing for a terminal; give --out FILE, or redirect the output"}
	}
	request, err := json.Marshal(snapshotRequest{At: s.At.Time, Width: s.Width})
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	m, err := s.ask(ctx, schema.SnapshotSubject, request)
	if err != nil {
		return err
	}
	if s.Out != "-" {
		if err := os.WriteFile(s.Out, m.Data, 0o644); err != nil {
			return fmt.Errorf("writing the picture: %w", err)
		}
		_, err = fmt.Fprintf(c.err, "%s: %d bytes, captured %s\n", s.Out, len(m.Data), m.Header.Get(schema.HeaderCaptured))
		return err
	}
	if _, err := c.out.Write(m.Data); err != nil {
		return fmt.Errorf("writing the picture: %w", err)
	}
	return nil
}
