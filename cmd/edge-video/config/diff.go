package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Change is one difference between two configurations.
type Change struct {
	Key     string // its path; cameras and bridges are named by id and name, as in cameras[dock-1].fps
	What    string // "10 -> 5", "added", "removed", or "changed" for a secret
	Restart bool   // takes effect only with the next start of the node
}

// String is "key: what". It never holds a secret.
func (c Change) String() string {
	if c.Restart {
		return c.Key + ": " + c.What + " (needs a restart of the node)"
	}
	return c.Key + ": " + c.What
}

// Diff lists what is different in to, in the order of the reference file. The order of cameras and bridges is no difference, and keys
// without an effect are left out.
func Diff(from, to *Config) []Change {
	d := differ{from: from, to: to}
	for _, f := range fields(reflect.TypeFor[Config]()) {
		d.restart = !slices.Contains([]string{"capture", "cameras", "bridges", "registration"}, f.key)
		d.value(reflect.ValueOf(from).Elem().FieldByIndex(f.index), reflect.ValueOf(to).Elem().FieldByIndex(f.index), f.key)
	}
	return d.changes
}

type differ struct {
	from, to *Config
	restart  bool
	changes  []Change
}

func (d *differ) add(key, what string) {
	access := strings.HasPrefix(key, "http.users[") || strings.HasPrefix(key, "http.tokens[")
	d.changes = append(d.changes, Change{Key: key, What: what, Restart: d.restart && !access})
}

// lists have entries with names.
var lists = []reflect.Type{reflect.TypeFor[[]Camera](), reflect.TypeFor[[]Bridge](), reflect.TypeFor[[]User](), reflect.TypeFor[[]Token]()}

// value compares two values of one type.
func (d *differ) value(a, b reflect.Value, path string) {
	none := a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0
	if none || reflect.DeepEqual(a.Interface(), b.Interface()) {
		return
	}
	switch {
	case slices.Contains(lists, a.Type()):
		d.named(a, b, path)
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		d.value(a.Elem(), b.Elem(), path)
	case a.Kind() == reflect.Struct && a.Type() != reflect.TypeFor[Sync]():
		d.section(a, b, path)
	default:
		d.leaf(a, b, path)
	}
}

func (d *differ) section(a, b reflect.Value, path string) {
	hidden := append(d.from.unused(a), d.to.unused(b)...)
	for _, f := range fields(a.Type()) {
		if !slices.Contains(hidden, f.key) {
			d.value(a.FieldByIndex(f.index), b.FieldByIndex(f.index), join(path, f.key))
		}
	}
}

// leaf compares values as they are printed.
func (d *differ) leaf(a, b reflect.Value, path string) {
	was, is := d.from.text(a), d.to.text(b)
	switch {
	case was == is: // masked
		d.add(path, "changed")
	case was == "":
		d.add(path, "added")
	case is == "":
		d.add(path, "removed")
	default:
		d.add(path, was+" -> "+is)
	}
}

// text is a value on one line, secrets masked; "" where there is none.
func (c *Config) text(v reflect.Value) string {
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return ""
	}
	return fmt.Sprint(c.tree(v))
}

// named compares lists whose entries have names.
func (d *differ) named(a, b reflect.Value, path string) {
	was := map[string]reflect.Value{}
	for _, v := range a.Seq2() {
		was[name(v)] = v
	}
	for _, v := range b.Seq2() {
		at := fmt.Sprintf("%s[%s]", path, name(v))
		if old, ok := was[name(v)]; ok {
			d.value(old, v, at)
			delete(was, name(v))
		} else {
			d.add(at, "added")
		}
	}
	for _, v := range a.Seq2() {
		if _, gone := was[name(v)]; gone {
			d.add(fmt.Sprintf("%s[%s]", path, name(v)), "removed")
		}
	}
}

// name is the id of a camera, or the name of anything else.
func name(v reflect.Value) string {
	if c, ok := v.Interface().(Camera); ok {
		return c.ID
	}
	return v.FieldByName("Name").String()
}

// Adopt is next as far as it can be put in force while the node runs: with c's own values for what needs a restart.
func (c *Config) Adopt(next *Config) *Config {
	out := *c
	out.Capture, out.Cameras, out.Bridges, out.Registration, out.source = next.Capture, next.Cameras, next.Bridges, next.Registration, next.source
	out.HTTP.Users, out.HTTP.Tokens = next.HTTP.Users, next.HTTP.Tokens
	return &out
}
