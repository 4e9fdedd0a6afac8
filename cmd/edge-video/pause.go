package main

import (
	"context"
	"fmt"

	"github.com/edge-video/edge-video/schema"
)

type pauseCommand struct{ cameraArg }

// Run has the camera left alone.
func (p *pauseCommand) Run(ctx context.Context, c console) error {
	var answer pausing
	if err := p.order(ctx, schema.PauseSubject, &answer); err != nil {
		return err
	}
	text := "is paused, also after a restart of the node, until edge-video resume"
	if answer.Was {
		text = "was paused already"
	}
	_, err := fmt.Fprintf(c.out, "camera %s %s\n", answer.Camera, text)
	return err
}

type resumeCommand struct{ cameraArg }

// Run has the camera read again.
func (r *resumeCommand) Run(ctx context.Context, c console) error {
	var answer pausing
	if err := r.order(ctx, schema.ResumeSubject, &answer); err != nil {
		return err
	}
	text := "is read again"
	if !answer.Was {
		text = fmt.Sprintf("was not paused: it is %s", answer.State)
	}
	_, err := fmt.Fprintf(c.out, "camera %s %s\n", answer.Camera, text)
	return err
}
