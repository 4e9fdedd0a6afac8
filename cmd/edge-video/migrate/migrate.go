// Package migrate turns a configuration of the predecessor, in any of its three generations, into one of this program. Nothing of the
// old file is lost without a word: what has no meaning any more is named in a comment, with the reason.
package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// Result is a new configuration.
type Result struct {
	Config  []byte   // YAML that loads once Secrets are in place
	Secrets []Secret // in the order in which Config names them
	Notes   []string // what its reader must know or decide; Config says the same in comments
}

// Convert reads the predecessor's configuration, TOML by the file's name or else YAML. secretsDir is the directory in which Config will
// look for secrets, best an absolute path; with "" it names variables of the environment. The error is a [*config.Error].
func Convert(file string, data []byte, secretsDir string) (*Result, error) {
	r, err := convert(file, data, "")
	if err != nil {
		return nil, err
	}
	if err := loads(file, r); err != nil {
		return nil, err
	}
	if secretsDir == "" {
		return r, nil
	}
	return convert(file, data, secretsDir)
}

// loads reports what the loader would have against a result.
func loads(file string, r *Result) error {
	env := func(name string) (string, bool) {
		i := slices.IndexFunc(r.Secrets, func(s Secret) bool { return s.Name == name })
		if i < 0 {
			return "", false
		}
		return r.Secrets[i].Value.Reveal(), true
	}
	_, _, err := config.Parse("", r.Config, env)
	var all *config.Error
	if !errors.As(err, &all) {
		return err
	}
	for i, p := range all.Problems {
		all.Problems[i] = config.Problem{File: file, Key: p.Key, What: "in the new configuration " + p.What, Remedy: "correct the old file: " + p.Remedy}
	}
	return all
}

// converter writes the new configuration.
type converter struct {
	old     *old
	page    page
	secrets secrets
	cameras []camera
	unused  map[string]string // sections that were switched off, and why
	notes   []string
}

func convert(file string, data []byte, secretsDir string) (*Result, error) {
	o, err := read(file, data)
	if err != nil {
		return nil, err
	}
	g, err := recognise(o)
	if err != nil {
		return nil, err
	}
	c := &converter{old: o, secrets: secrets{dir: secretsDir}, unused: map[string]string{}}
	c.page.comment(0, fmt.Sprintf("Written by edge-video migrate from a configuration of the old edge-video, %s.", g.name))
	c.page.comment(0, "deploy/edge-video.yaml describes every key and its default. edge-video check shows what this file comes to.")
	c.page.WriteString("\n")
	g.convert(c)
	c.forgotten(g.meaningless())
	if err := o.err(); err != nil {
		return nil, err
	}
	return &Result{Config: []byte(c.page.String()), Secrets: c.secrets.all, Notes: c.notes}, nil
}

// note tells the reader something here and now, and in the file.
func (c *converter) note(indent int, text string) {
	c.page.comment(indent, text)
	c.notes = append(c.notes, text)
}

// off gives the reason for all of a section that is not used.
func (c *converter) off(section, reason string) { c.unused[section] = reason }

const unknownKey = "The old program did not read it either"

// reason is why a key has no meaning any more. A value is shown only where it cannot be a secret.
func (c *converter) reason(v *value, reasons map[string]string) (reason, shown string) {
	if reason, ok := reasons[general(v.Key)]; ok {
		return reason, v.Text
	}
	for section, reason := range c.unused {
		if below(v.Key, section) {
			return reason, ""
		}
	}
	return unknownKey, ""
}

// forgotten lists what was not used, by reason.
func (c *converter) forgotten(reasons map[string]string) {
	var order []string
	lines := map[string][]string{}
	for _, v := range c.old.values {
		if v.used {
			continue
		}
		reason, shown := c.reason(v, reasons)
		if reason == unknownKey {
			c.notes = append(c.notes, printable(v.Key)+": unknown key, left out")
		}
		if len(lines[reason]) == 0 {
			order = append(order, reason)
		}
		line := "  " + printable(v.Key)
		if shown != "" {
			line += ": " + printable(shown)
		}
		lines[reason] = append(lines[reason], line)
	}
	if len(order) == 0 {
		return
	}
	c.page.WriteString("\n")
	c.page.comment(0, "What the old file held besides has no meaning any more.")
	for _, reason := range order {
		c.page.WriteString("#\n")
		c.page.comment(0, reason+":")
		for _, line := range lines[reason] {
			c.page.WriteString("# " + line + "\n")
		}
	}
}

// general is a key without the numbers of list entries.
func general(key string) string {
	var b strings.Builder
	inside := false
	for _, r := range key {
		if r == ']' {
			inside = false
		}
		if !inside {
			b.WriteRune(r)
		}
		if r == '[' {
			inside = true
		}
	}
	return b.String()
}
