package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// anchor collects the named nodes under n. Sections are decoded in the order of their structs, so an alias may be read before its
// anchor.
func (d *decoder) anchor(n ast.Node) {
	switch n := n.(type) {
	case *ast.MappingNode:
		for _, v := range n.Values {
			d.anchor(v)
		}
	case *ast.MappingValueNode:
		d.anchor(n.Value)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			d.anchor(v)
		}
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		if _, ok := d.anchors[name]; ok {
			d.report.failAt(lineOf(n), "", "this YAML anchor name is given twice", "give every anchor its own name, or quote text that begins with &")
		}
		d.anchors[name] = n.Value
		d.anchor(n.Value)
	}
}

// resolve follows anchors and aliases to the node that holds the value; ok is false after a problem. Messages leave names of
// anchors and tags out: they may be a password that wants quotes.
func (d *decoder) resolve(n ast.Node, path string) (resolved ast.Node, ok bool) {
	for range 32 {
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.AliasNode:
			target, ok := d.anchors[node.Value.GetToken().Value]
			if !ok {
				d.report.failAt(lineOf(node), path, "this YAML alias has no anchor", "quote text that begins with *")
				return nil, false
			}
			n = target
		case *ast.TagNode:
			d.report.failAt(lineOf(node), path, "YAML tags are not read here", "quote text that begins with !")
			return nil, false
		default:
			return n, true
		}
	}
	d.report.failAt(lineOf(n), path, "this YAML alias leads back to itself", "write the value out")
	return nil, false
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	line  int
	value ast.Node
}

// entries lists a mapping's own keys, then those it takes over by merge keys and does not have itself. Each mapping is read once,
// which reports a duplicate once and keeps merges of merges from multiplying.
func (d *decoder) entries(n ast.Node, path string) []entry {
	if known, ok := d.merged[n]; ok {
		return known
	}
	d.merged[n] = nil // a mapping that merges itself finds this
	var own, taken []entry
	seen := map[string]int{}
	for _, v := range pairs(n) {
		key, line := v.Key.GetToken().Value, lineOf(v.Key)
		if v.Key.IsMergeKey() {
			taken = append(taken, d.mergedEntries(v.Value, path)...)
			continue
		}
		if first, ok := seen[key]; ok {
			d.report.failAt(line, join(path, printable(key)), fmt.Sprintf("is given twice, first on line %d", first), "remove one of them")
			continue
		}
		seen[key] = line
		own = append(own, entry{key: key, line: line, value: v.Value})
	}
	for _, e := range taken {
		if _, ok := seen[e.key]; !ok {
			seen[e.key] = e.line
			own = append(own, e)
		}
	}
	d.merged[n] = own
	return own
}

// mergedEntries lists what a merge key brings in: one mapping or a list of them.
func (d *decoder) mergedEntries(n ast.Node, path string) []entry {
	source, ok := d.resolve(n, path)
	if !ok {
		return nil
	}
	switch source := source.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return d.entries(source, path)
	case *ast.SequenceNode:
		var all []entry
		for _, v := range source.Values {
			if m, ok := d.resolve(v, path); ok && len(pairs(m)) > 0 {
				all = append(all, d.entries(m, path)...)
			}
		}
		return all
	}
	d.report.failAt(lineOf(n), path, "a merge key << takes a mapping, and this is "+describe(source), "name the anchor of a mapping")
	return nil
}

// pairs lists the keys and values of a mapping.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}
