package main

import (
	"context"
	"os"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

type runCommand struct {
	Config string `required:"" placeholder:"FILE" help:"Configuration file."`
	FFmpeg string `name:"ffmpeg" default:"ffmpeg" placeholder:"PATH" help:"The ffmpeg to use; by default the one on PATH."`
}

// Run runs a node until the program is asked to stop. SIGHUP has it read its configuration again.
func (r *runCommand) Run(ctx context.Context, c console, hangup hangups) error {
	cfg, warnings, err := config.Load(r.Config, os.LookupEnv)
	if err != nil {
		return err
	}
	log := newLog(c.err, cfg.Log)
	for _, w := range warnings {
		log.Warn(w.String())
	}
	a, err := newApp(ctx, cfg, r.FFmpeg, log)
	if err != nil {
		return err
	}
	log.Info("edge-video", "version", programVersion(), "site", cfg.Site, "node", cfg.Node, "cameras", len(cfg.Cameras), "bridges", len(cfg.Bridges),
		"http", address(a.http))
	a.file = r.Config
	if err := a.run(ctx, hangup); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}
