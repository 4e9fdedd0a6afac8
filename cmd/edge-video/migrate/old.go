package migrate

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// maxFile is what the loader of the new configuration takes too.
const maxFile = 1 << 20

// old is the predecessor's file: its values by key, in lower case, as the predecessor read them. What has been asked for is used; the
// rest has no place in the new configuration.
type old struct {
	file     string
	values   []*value
	byKey    map[string]*value
	inside   map[string]*value // the first value below a section
	problems []config.Problem
}

type value struct {
	config.Scalar
	used bool
}

// read parses the file, TOML by its name or YAML.
func read(file string, data []byte) (*old, error) {
	o := &old{file: file, byKey: map[string]*value{}, inside: map[string]*value{}}
	if len(data) > maxFile {
		return nil, o.refuse("is larger than 1MiB", "name the old program's configuration file")
	}
	var all []config.Scalar
	var err error
	if isTOML(file) {
		all, err = scalarsOfTOML(file, data)
	} else {
		all, err = config.Scalars(file, data)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		s.Key = strings.ToLower(s.Key)
		if first, ok := o.byKey[s.Key]; ok {
			o.problems = append(o.problems, config.Problem{File: file, Line: s.Line, Key: s.Key,
				What: fmt.Sprintf("is given twice, first on line %d", first.Line), Remedy: "remove one of them"})
			continue
		}
		if !utf8.ValidString(s.Text) {
			o.fail(s.Key, "is not UTF-8 text", "save the file as UTF-8")
		}
		v := &value{Scalar: s}
		o.values, o.byKey[s.Key] = append(o.values, v), v
		for at := parent(s.Key); at != ""; at = parent(at) {
			if o.inside[at] == nil {
				o.inside[at] = v
			}
		}
	}
	return o, nil
}

func isTOML(file string) bool { return strings.EqualFold(filepath.Ext(file), ".toml") }

// refuse is an error about the file as a whole.
func (o *old) refuse(what, remedy string) error {
	return &config.Error{Problems: []config.Problem{{File: o.file, What: what, Remedy: remedy}}}
}

// fail adds a problem of a key, at its line or that of the first key below or around it.
func (o *old) fail(key, what, remedy string) {
	p := config.Problem{File: o.file, Key: key, What: what, Remedy: remedy}
	for at := key; at != "" && p.Line == 0; at = parent(at) {
		if v := o.first(at); v != nil {
			p.Line = v.Line
		}
	}
	o.problems = append(o.problems, p)
}

// first is the first value at or below a key, nil if there is none.
func (o *old) first(key string) *value {
	if v := o.byKey[key]; v != nil {
		return v
	}
	return o.inside[key]
}

// parent cuts the last key or index off a path.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func below(key, section string) bool {
	rest, ok := strings.CutPrefix(key, section)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// err is all that was wrong, nil if nothing was.
func (o *old) err() error {
	if len(o.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(o.problems, func(a, b config.Problem) int { return a.Line - b.Line })
	return &config.Error{Problems: o.problems}
}

// text is the value of a key, "" if it is empty or not given.
func (o *old) text(key string) string {
	v := o.first(key)
	switch {
	case v == nil:
		return ""
	case v.Key != key:
		o.fail(key, "holds other values where a single one is expected", "write one value")
		o.use(key)
		return ""
	}
	v.used = true
	return v.Text
}

// use marks a key, and all below it, as used.
func (o *old) use(key string) {
	for _, v := range o.values {
		if v.Key == key || below(v.Key, key) {
			v.used = true
		}
	}
}

// number is the value of a key; ok says that there is one.
func (o *old) number(key string) (n float64, ok bool) {
	text := o.text(key)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || n != n || n > 1e15 || n < -1e15 {
		o.fail(key, "is not a number", "write a number, as in 10")
		return 0, false
	}
	return n, true
}

// truth is the value of a key that is true or false.
func (o *old) truth(key string) bool {
	switch strings.ToLower(o.text(key)) {
	case "true", "yes", "on", "1", "t", "y":
		return true
	case "false", "no", "off", "0", "f", "n", "":
		return false
	}
	o.fail(key, "is neither true nor false", "write one of the two")
	return false
}

// duration is the value of a key; ok says that there is one above 0. The predecessor took digits alone for nanoseconds.
func (o *old) duration(key string) (d time.Duration, ok bool) {
	text := o.text(key)
	if text == "" {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	if n, number := strconv.ParseInt(text, 10, 64); number == nil {
		d, err = time.Duration(n), nil
	}
	if err != nil {
		o.fail(key, "is not a duration", "write it as in 30s")
	}
	return d, err == nil && d > 0
}

// entries are the paths of a list's entries, in order.
func (o *old) entries(list string) (paths []string) {
	seen := map[string]bool{}
	for _, v := range o.values {
		rest, ok := strings.CutPrefix(v.Key, list+"[")
		if index, _, closed := strings.Cut(rest, "]"); ok && closed && !seen[index] {
			seen[index] = true
			paths = append(paths, list+"["+index+"]")
		}
	}
	if v := o.first(list); len(paths) == 0 && v != nil && (v.Key != list || v.Text != "") {
		o.fail(list, "is not a list", "write one entry for each camera, with id and url")
		o.use(list)
	} else if v != nil && v.Key == list {
		v.used = true // an empty list
	}
	return paths
}
