package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/edge-video/edge-video/cmd/edge-video/telling"
)

type describeCommand struct {
	Files []string `arg:"" placeholder:"FILE" help:"Files that hold the body of a message, or a message as nats --json writes it; - is standard input."`
}

// Run prints a line for each file. It fails only where one cannot be read: for whatever the nats CLI's --translate pipes in there is a line
// and exit code 0, since a filter that fails has the CLI print the picture's bytes instead.
func (d *describeCommand) Run(ctx context.Context, c console) error {
	var failed error
	for _, name := range d.Files {
		body, err := readBody(ctx, name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		line := telling.Line(body)
		if len(d.Files) > 1 {
			line = name + ": " + line
		}
		if _, err := fmt.Fprintln(c.out, line); err != nil {
			return fmt.Errorf("writing the description: %w", err)
		}
	}
	return failed
}

// readBody reads a file as far as it is described.
func readBody(ctx context.Context, name string) ([]byte, error) {
	var in io.Reader = os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening what to describe: %w", err)
		}
		defer f.Close()
		in = f
	}
	type reading struct {
		body []byte
		err  error
	}
	done := make(chan reading, 1) // a terminal or pipe may have nothing for ever, and a signal still has to end the program
	go func() {
		body, err := io.ReadAll(io.LimitReader(in, telling.MaxBytes+1))
		done <- reading{body, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-done:
		if r.err != nil {
			return nil, fmt.Errorf("reading what to describe: %w", r.err)
		}
		return r.body, nil
	}
}
