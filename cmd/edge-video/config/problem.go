package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one fault of a configuration.
type Problem struct {
	File   string // as the caller named it
	Line   int    // 0 where no line can be blamed
	Key    string // path of the key, "" for the file as a whole
	What   string
	Remedy string
}

// String is "file:line: key: what; remedy". It never holds a secret.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// Warning is something that a configuration may say but hardly means.
type Warning Problem

// String has the form of [Problem.String].
func (w Warning) String() string { return Problem(w).String() }

// Error holds all problems of a configuration, sorted by line; there is at least one.
type Error struct {
	Problems []Problem
}

// Error is all problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Problem is an [*Error] about the key at path, such as "stream.max_bytes" or "cameras[0].url", for checks of a configuration
// against the world. It names the line of the key, or of the section that leaves it at its default.
func (c *Config) Problem(path, what, remedy string) error {
	return &Error{Problems: []Problem{c.source.problem(path, what, remedy)}}
}

// source remembers where the keys of a configuration were given.
type source struct {
	file  string
	given map[string]mark // by path
}

// mark is one key or list entry in the file.
type mark struct {
	line     int
	variable bool // its value came from ${VAR}
}

func (s source) problem(path, what, remedy string) Problem {
	p := Problem{File: s.file, Key: path, What: what, Remedy: remedy}
	if !s.isGiven(path) && s.isGiven(path+fileSuffix) {
		p.Key = path + fileSuffix
	}
	for at := p.Key; at != "" && p.Line == 0; at = parent(at) {
		p.Line = s.given[at].line
	}
	return p
}

func (s source) isGiven(path string) bool {
	_, ok := s.given[path]
	return ok
}

// literal reports whether the file itself holds the value of the key.
func (s source) literal(path string) bool {
	m, ok := s.given[path]
	return ok && !m.variable
}

// parent cuts the last key or index off a path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// report collects problems and warnings of one file.
type report struct {
	source   source
	problems []Problem
	warnings []Problem
	faulty   map[string]bool // paths with a problem
}

// fail adds a problem, unless the key or a section around it already has one: the first names the cause, more would be its
// consequences.
func (r *report) fail(path, what, remedy string) {
	for at := path; at != ""; at = parent(at) {
		if r.faulty[at] {
			return
		}
	}
	r.faulty[path] = true
	r.problems = append(r.problems, r.source.problem(path, what, remedy))
}

// failAt adds a problem at a line of its own.
func (r *report) failAt(line int, path, what, remedy string) {
	r.faulty[path] = true
	r.problems = append(r.problems, Problem{File: r.source.file, Line: line, Key: path, What: what, Remedy: remedy})
}

func (r *report) warn(path, what, remedy string) {
	if r.faulty[path] {
		return
	}
	r.warnings = append(r.warnings, r.source.problem(path, what, remedy))
}

// result is what the report amounts to.
func (r *report) result() ([]Warning, error) {
	byLine := func(a, b Problem) int { return a.Line - b.Line }
	slices.SortStableFunc(r.problems, byLine)
	slices.SortStableFunc(r.warnings, byLine)
	warnings := make([]Warning, len(r.warnings))
	for i, w := range r.warnings {
		warnings[i] = Warning(w)
	}
	if len(r.problems) > 0 {
		return warnings, &Error{Problems: r.problems}
	}
	return warnings, nil
}
