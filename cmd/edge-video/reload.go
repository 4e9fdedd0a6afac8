package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/schema"
)

// reloadOn reads the configuration again at each signal, until ctx ends. What came of it is in the log.
func (a *app) reloadOn(ctx context.Context, hangup <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			_, _ = a.reload(ctx)
		}
	}
}

// reload puts the configuration file as it is now in force, and returns what is different. Only changed cameras and bridges are touched;
// what needs a restart stays as it was. A file with a fault is refused whole: then nothing has changed.
func (a *app) reload(ctx context.Context) ([]config.Change, error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	changes, err := a.apply(ctx)
	event := schema.Event{Class: schema.ClassNode, Name: a.config.Load().Node, Kind: schema.KindControl, Reason: "reload", Message: text(changes)}
	if err != nil {
		event.State, event.Message = "refused", err.Error()
		a.log.Error("the configuration is refused; the old one runs on", "err", err)
	}
	a.control.journal.Event(event)
	for _, c := range changes {
		a.log.Info("configuration changed", "key", c.Key, "change", c.What, "needs_restart", c.Restart)
	}
	if err == nil && len(changes) == 0 {
		a.log.Info("the configuration is the same")
	}
	return changes, err
}

// apply is reload without the telling.
func (a *app) apply(ctx context.Context) ([]config.Change, error) {
	now := a.config.Load()
	next, warnings, err := config.Load(a.file, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		a.log.Warn(w.String())
	}
	changes := config.Diff(now, next)
	next = now.Adopt(next)
	if most := maxFrame(now); maxFrame(next) > most {
		return nil, next.Problem("capture.max_frame", fmt.Sprintf("a camera's %s is above %s, the largest picture the running server takes",
			config.Size(maxFrame(next)), config.Size(most)), "restart the node for that")
	}
	if err := checkDisk(next); err != nil {
		return nil, err
	}
	if err := a.findFFmpeg(ctx, next); err != nil {
		return nil, err
	}
	if _, err := next.HTTPAt(next.HTTP.Listen); err != nil {
		return nil, err // the listener stays where it is, and its users may have gone
	}
	works, err := a.bridges.prepare(next)
	if err != nil {
		return nil, err
	}
	if err := a.web.Update(accessOf(next)); err != nil {
		return nil, err
	}
	if err := a.fleet.Update(ctx, fleetConfig(next), a.ffmpeg); err != nil {
		return nil, err
	}
	a.bridges.update(ctx, works)
	a.registrar.Update(registrationConfig(next))
	a.config.Store(next)
	return changes, nil
}

// text is one change a line.
func text(changes []config.Change) string {
	lines := make([]string, len(changes))
	for i, c := range changes {
		lines[i] = c.String()
	}
	return strings.Join(lines, "\n")
}
