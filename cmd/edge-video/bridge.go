package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/schema"
)

type bridgeCommand struct {
	Only []string `placeholder:"NAME" help:"Only this bridge; may be given again."`
	Node string   `placeholder:"NAME" help:"What this process is called in states and events; by default the host's name and the process's id."`
	HTTP string   `name:"http" placeholder:"ADDRESS" help:"Where metrics and health are served, as in 127.0.0.1:8081; by default nowhere."`
	client
}

// Run runs the configuration's bridges, without a server and cameras of its own, until the program is asked to stop. SIGHUP has it read
// its configuration again.
func (b *bridgeCommand) Run(ctx context.Context, c console, hangup hangups) error {
	if b.Config == "" {
		return usageError{"bridge needs --config FILE, which says what bridges there are"}
	}
	cfg, warnings, err := config.Load(b.Config, os.LookupEnv)
	if err != nil {
		return err
	}
	if cfg, err = b.adapt(cfg); err != nil {
		return err
	}
	if err := b.check(cfg); err != nil {
		return err
	}
	server, err := b.address(cfg)
	if err != nil {
		return err
	}
	log := newLog(c.err, cfg.Log)
	for _, w := range warnings {
		log.Warn(w.String())
	}
	o, err := newOutpost(b, cfg, server, log)
	if err != nil {
		return err
	}
	log.Info("edge-video bridge", "version", programVersion(), "site", cfg.Site, "node", cfg.Node, "bridges", strings.Join(b.names(cfg), " "),
		"server", config.URL(server), "http", address(o.http))
	if err := o.run(ctx, hangup); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// adapt is the configuration with what is this process's own in place of the node's.
func (b *bridgeCommand) adapt(cfg *config.Config) (*config.Config, error) {
	cfg, err := cfg.HTTPAt(b.HTTP)
	if err != nil {
		return nil, err
	}
	if cfg.Node = b.Node; cfg.Node == "" {
		if cfg.Node, err = processName(); err != nil {
			return nil, err
		}
	}
	if !schema.ValidSite(cfg.Node) {
		return nil, usageError{fmt.Sprintf("--node %q is not a valid name; use 1 to 32 of a-z 0-9 _ -", b.Node)}
	}
	return cfg, nil
}

// processName is the host's name, as far as there is room, with the process's id.
func processName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("asking for the host's name: %w; give --node NAME", err)
	}
	id := "-" + strconv.Itoa(os.Getpid())
	name := schema.SiteName(host)
	return name[:min(len(name), 32-len(id))] + id, nil
}

// runs reports whether a bridge is one for this process.
func (b *bridgeCommand) runs(wanted config.Bridge) bool {
	return wanted.Apart() && (len(b.Only) == 0 || slices.Contains(b.Only, wanted.Name))
}

// names are those of the bridges for this process.
func (b *bridgeCommand) names(cfg *config.Config) (names []string) {
	for _, wanted := range cfg.Bridges {
		if b.runs(wanted) {
			names = append(names, wanted.Name)
		}
	}
	return names
}

// check refuses to begin where there is nothing to do.
func (b *bridgeCommand) check(cfg *config.Config) error {
	const remedy = "write in_node: false, or workers: standby or shared, and have the node read it again"
	for _, name := range b.Only {
		i := slices.IndexFunc(cfg.Bridges, func(w config.Bridge) bool { return w.Name == name })
		if i < 0 {
			return usageError{fmt.Sprintf("--only %s: %s has no bridge of that name", name, b.Config)}
		}
		if !cfg.Bridges[i].Apart() {
			return cfg.Problem(fmt.Sprintf("bridges[%d]", i), fmt.Sprintf("bridge %s runs in the node, which is its one worker", name), remedy)
		}
	}
	if len(b.names(cfg)) == 0 {
		return cfg.Problem("bridges", "none is for other processes than the node", remedy)
	}
	return nil
}

// usageError is wrong usage that the command line's own rules cannot tell.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// wrongUsage reports whether an error is one of usage or configuration.
func wrongUsage(err error) bool {
	return errors.As(err, new(usageError))
}
