package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/node"
	"github.com/edge-video/edge-video/schema"
)

type siteCommand struct {
	Add    siteAddCommand    `cmd:"" help:"Give a site credentials to join this hub; a running hub takes them up at once."`
	Remove siteRemoveCommand `cmd:"" help:"End a site's credentials. What the hub holds of it stays."`
	Ls     siteLsCommand     `cmd:"" help:"List the sites that have credentials."`
}

// atHub finds the hub's data directory.
type atHub struct {
	Config string `required:"" placeholder:"FILE" help:"The hub's configuration file."`
}

func (h *atHub) dataDir() (string, error) {
	c, _, err := config.Load(h.Config, os.LookupEnv)
	if err != nil {
		return "", err
	}
	if !c.Hub.Mirror {
		return "", c.Problem("hub.mirror", "this node is no hub", "set hub.mirror: true and nats.leaf.listen, and restart it")
	}
	return c.DataDir, nil
}

type siteAddCommand struct {
	Name    string `arg:"" help:"The site's name, which is site in its own configuration."`
	Output  string `placeholder:"FILE" help:"Write the credentials there instead of to standard output."`
	Replace bool   `help:"Give new credentials to a site that has some; the old ones end."`
	atHub
}

// Run makes the credentials.
func (s *siteAddCommand) Run(c console) error {
	if !schema.ValidSite(s.Name) {
		return fmt.Errorf("%q cannot name a site; use 1 to 32 of a-z 0-9 _ -", s.Name)
	}
	if s.Name == schema.LocalSite {
		return fmt.Errorf("a site named %q may not join a hub, as all would have the same name; choose another", s.Name)
	}
	dir, err := s.dataDir()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(s.Output); s.Output != "" && err == nil && !s.Replace {
		return fmt.Errorf("%s exists; choose another --output, or --replace to give the site new credentials", s.Output)
	}
	// What cannot be written counts at no hub, and leaves the old ones.
	_, err = node.AddSite(dir, s.Name, s.Replace, func(credentials []byte) error {
		if s.Output == "" {
			_, err := c.out.Write(credentials)
			return err
		}
		return replaceFile(s.Output, credentials)
	})
	if errors.Is(err, node.ErrSiteExists) {
		return fmt.Errorf("%w; give it new ones with --replace, which ends the old ones", err)
	}
	if err != nil || s.Output == "" {
		return err
	}
	fmt.Fprintf(c.err, "%s holds the credentials of site %s; bring it there and name it in nats.leaf.remotes as credentials\n", s.Output, s.Name)
	return nil
}

type siteRemoveCommand struct {
	Name string `arg:"" help:"The site's name."`
	atHub
}

// Run ends the credentials.
func (s *siteRemoveCommand) Run(c console) error {
	dir, err := s.dataDir()
	if err != nil {
		return err
	}
	had, err := node.RemoveSite(dir, s.Name)
	if err != nil {
		return err
	}
	if !had {
		return fmt.Errorf("site %s has no credentials; edge-video site ls names those that do", s.Name)
	}
	fmt.Fprintf(c.err, "site %s has no credentials any more; what is mirrored of it stays until it ages out, or nats stream rm %s\n", s.Name,
		schema.MirrorStream(schema.StreamFrames, s.Name))
	return nil
}

type siteLsCommand struct {
	atHub
}

// Run lists the sites.
func (s *siteLsCommand) Run(c console) error {
	dir, err := s.dataDir()
	if err != nil {
		return err
	}
	sites, err := node.ReadSites(dir)
	if err != nil {
		return err
	}
	for _, site := range sites {
		fmt.Fprintln(c.out, site.Name)
	}
	return nil
}
