package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// Scalar is one value of a file of any keys. A list or mapping that is empty is a scalar without text.
type Scalar struct {
	Key  string // its path, as in cameras[0].url
	Line int
	Text string // as written, without quotes
}

// Bounds on a file of which nothing is known: its aliases could make it any size.
const (
	maxScalars = 20_000
	maxLevels  = 32
)

// Scalars lists the values of a YAML file of any keys in order, for readers of what other programs wrote. Aliases and merge keys are
// followed. The error is an [*Error], as for [Parse].
func Scalars(file string, data []byte) ([]Scalar, error) {
	r := &report{source: source{file: file, given: map[string]mark{}}, faulty: map[string]bool{}}
	root, ok := parseYAML(r, data)
	l := &scalars{decoder: newDecoder(r, nil, nil)}
	if ok {
		l.anchor(root)
		l.add(root, "", 0, 0)
	}
	if _, err := r.result(); err != nil {
		return nil, err
	}
	return l.all, nil
}

// scalars collects scalars.
type scalars struct {
	*decoder
	all  []Scalar
	full bool
}

// add lists what is at and below a node whose key is on a line.
func (l *scalars) add(n ast.Node, path string, line, level int) {
	if l.full {
		return
	}
	if level > maxLevels || len(l.all) >= maxScalars {
		l.full = true
		l.report.failAt(line, path, "is nested too deeply, or the file holds too many values, for a configuration", "check brackets and aliases")
		return
	}
	n, ok := l.resolve(n, path)
	if !ok {
		return
	}
	before := len(l.all)
	text, _, _ := scalarText(n)
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		for _, e := range l.entries(n, path) {
			l.add(e.value, join(path, printable(e.key)), e.line, level+1)
		}
	case *ast.SequenceNode:
		for i, v := range n.Values {
			l.add(v, fmt.Sprintf("%s[%d]", path, i), lineOf(v), level+1)
		}
	}
	if len(l.all) == before && path != "" {
		l.all = append(l.all, Scalar{Key: path, Line: line, Text: text})
	}
}
