package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
	"github.com/edge-video/edge-video/cmd/edge-video/migrate"
)

type migrateCommand struct {
	Old     string `arg:"" placeholder:"OLD" help:"The old configuration, TOML or YAML."`
	Output  string `placeholder:"FILE" help:"Write there, and secrets into FILE.secrets; by default to standard output, with secrets as variables."`
	Secrets string `placeholder:"DIR" help:"Write secrets into files in this directory."`
	Force   bool   `help:"Overwrite what is there."`
}

// Run writes the new configuration. The files that it makes are its user's alone.
func (m *migrateCommand) Run(c console) error {
	data, err := os.ReadFile(m.Old)
	if err != nil {
		return fmt.Errorf("reading the old configuration: %w", err)
	}
	dir := m.Secrets
	if dir == "" && m.Output != "" {
		dir = m.Output + ".secrets"
	}
	if dir != "" {
		if dir, err = filepath.Abs(dir); err != nil {
			return fmt.Errorf("finding the directory for secrets: %w", err)
		}
	}
	r, err := migrate.Convert(m.Old, data, dir)
	if err != nil {
		return err
	}
	if err := m.write(c, r, dir); err != nil {
		return err
	}
	return m.report(c, r, dir)
}

// write makes the files, or none if one is in the way.
func (m *migrateCommand) write(c console, r *migrate.Result, dir string) error {
	files := map[string][]byte{}
	for _, s := range r.Secrets {
		if dir != "" {
			files[filepath.Join(dir, s.Name)] = []byte(s.Value.Reveal() + "\n")
		}
	}
	if m.Output != "" {
		files[m.Output] = r.Config
	}
	for path := range files {
		if _, err := os.Lstat(path); err == nil && !m.Force {
			return fmt.Errorf("%s exists; choose another --output or --secrets, or --force to overwrite it", path)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("looking at %s: %w", path, err)
		}
	}
	if len(r.Secrets) > 0 && dir != "" {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making the directory for secrets: %w", err)
		}
	}
	for path, data := range files {
		if err := replaceFile(path, data); err != nil {
			return err
		}
	}
	if m.Output != "" {
		return nil
	}
	_, err := c.out.Write(r.Config)
	return err
}

// replaceFile writes a file that only its user may read, whole or not at all.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".edge-video-*") // of mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// report says what people have to do, without a secret.
func (m *migrateCommand) report(c console, r *migrate.Result, dir string) error {
	for _, n := range r.Notes {
		fmt.Fprintf(c.err, "note: %s\n", n)
	}
	for _, s := range r.Secrets {
		if dir == "" {
			fmt.Fprintf(c.err, "set %s to the secret of %s\n", s.Name, s.Key)
		} else {
			fmt.Fprintf(c.err, "%s holds the secret of %s\n", filepath.Join(dir, s.Name), s.Key)
		}
	}
	if m.Output == "" {
		return nil
	}
	if _, _, err := config.Load(m.Output, os.LookupEnv); err != nil {
		return fmt.Errorf("the new configuration does not load: %w", err)
	}
	fmt.Fprintf(c.err, "%s is written and loads; edge-video check --config %s shows what it comes to\n", m.Output, m.Output)
	return nil
}
