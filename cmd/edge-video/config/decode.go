package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills structs from YAML nodes. It is written by hand because the library's strict decoding stops at the first fault.
type decoder struct {
	report  *report
	env     func(string) (string, bool)
	config  *Config
	anchors map[string]ast.Node
	merged  map[ast.Node][]entry
}

func newDecoder(r *report, env func(string) (string, bool), c *Config) *decoder {
	return &decoder{report: r, env: env, config: c, anchors: map[string]ast.Node{}, merged: map[ast.Node][]entry{}}
}

// value decodes a node over the default that v holds. A null leaves the default.
func (d *decoder) value(v reflect.Value, n ast.Node, path string) {
	n, ok := d.resolve(n, path)
	if !ok || n == nil || n.Type() == ast.NullType {
		return
	}
	_, text := v.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case text:
		d.scalar(v, n, path)
	case v.Kind() == reflect.Pointer:
		fresh := d.fresh(v.Type().Elem())
		d.value(fresh, n, path)
		v.Set(fresh.Addr())
	case v.Kind() == reflect.Struct:
		d.mapping(v, n, path)
	case v.Kind() == reflect.Slice:
		d.list(v, n, path)
	default:
		d.scalar(v, n, path)
	}
}

// fresh is a new value with the defaults that a list entry or a sink begins with. Cameras inherit from the capture section, which
// comes before them in Config and so is decoded by then.
func (d *decoder) fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch p := v.Addr().Interface().(type) {
	case *Camera:
		p.Reading = d.config.Capture.Reading
	case *Bridge:
		*p = DefaultBridge()
	case *RabbitMQ:
		*p = DefaultRabbitMQ()
	case *Redis:
		*p = DefaultRedis()
	case *MQTT:
		*p = DefaultMQTT()
	}
	return v
}

func (d *decoder) mapping(v reflect.Value, n ast.Node, path string) {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		d.report.failAt(lineOf(n), path, "is "+describe(n)+" where a mapping is expected", "write keys with values: "+keyNames(v.Type()))
		return
	}
	entries := d.entries(n, path)
	d.unknown(v.Type(), entries, path)
	for _, f := range fields(v.Type()) {
		for _, e := range entries {
			if e.key == f.key {
				at := join(path, f.key)
				d.report.source.given[at] = mark{line: e.line}
				d.value(v.FieldByIndex(f.index), e.value, at)
			}
		}
	}
	d.secretFiles(v, path)
}

func (d *decoder) unknown(t reflect.Type, entries []entry, path string) {
	var known []string
	for _, f := range fields(t) {
		known = append(known, f.key)
	}
	for _, e := range entries {
		if near, ok := nearest(e.key, known); ok && near != e.key {
			d.report.failAt(e.line, join(path, printable(e.key)), "unknown key", "did you mean "+near+"?")
		} else if !ok {
			d.report.failAt(e.line, join(path, printable(e.key)), "unknown key", "known here: "+strings.Join(known, " "))
		}
	}
}

func (d *decoder) list(v reflect.Value, n ast.Node, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.report.failAt(lineOf(n), path, "is "+describe(n)+" where a list is expected", "write one entry a line after \"- \", or [a, b]")
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, len(seq.Values))
	for i, e := range seq.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		element := d.fresh(v.Type().Elem())
		if n, ok := d.resolve(e, at); ok {
			d.report.source.given[at] = mark{line: lineOf(n)}
			if describe(n) == "empty" {
				d.report.failAt(lineOf(e), at, "is an empty list entry", "fill it in or remove the dash")
			}
			d.value(element, n, at)
		}
		out = reflect.Append(out, element)
	}
	v.Set(out)
}

// field is one YAML key of a struct.
type field struct {
	key       string
	index     []int
	omitEmpty bool
}

// fields lists the keys of a struct in order, those of inlined structs in their place.
func fields(t reflect.Type) []field {
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				all = append(all, inner)
			}
		case f.IsExported():
			all = append(all, field{key: key, index: []int{i}, omitEmpty: option == "omitempty"})
		}
	}
	return all
}

func keyNames(t reflect.Type) string {
	var names []string
	for _, f := range fields(t) {
		names = append(names, f.key)
	}
	return strings.Join(names, " ")
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// printable quotes a key that would not stand on one line of a message as one word.
func printable(key string) string {
	if quoted := strconv.Quote(key); quoted != `"`+key+`"` || strings.ContainsAny(key, " :") || key == "" {
		return quoted
	}
	return key
}
