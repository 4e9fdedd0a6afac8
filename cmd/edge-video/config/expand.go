package config

import (
	"fmt"
	"reflect"
	"strings"
)

// fileSuffix makes the key of a file that holds a secret out of the secret's own.
const fileSuffix = "_file"

// expand replaces ${NAME} by the variable's value and $${ by ${. It runs on scalars after parsing, so that no value can change
// the structure. variable says that something was replaced; ok is false after a problem.
func (d *decoder) expand(text, path string) (expanded string, variable, ok bool) {
	var b strings.Builder
	ok = true
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			b.WriteString(text)
			return b.String(), variable, ok
		}
		if at > 0 && text[at-1] == '$' {
			b.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		b.WriteString(text[:at])
		name, rest, closed := strings.Cut(text[at+2:], "}")
		if !closed || !validVariable(name) {
			d.report.fail(path, "holds ${ without a variable name and }", "write ${NAME}, or $${ for the characters themselves")
			return "", false, false
		}
		value, set := d.env(name)
		if !set {
			ok = false
			d.unset(name, path)
		}
		b.WriteString(value)
		text, variable = rest, true
	}
}

func (d *decoder) unset(name, path string) {
	p := d.report.source.problem(path, "variable ${"+name+"} is not set", "set it in the node's environment, or write the value")
	d.report.failAt(p.Line, path, p.What, p.Remedy)
}

func validVariable(name string) bool {
	for i, r := range name {
		letter := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// secretFiles fills every key of the struct that has a _file form given.
func (d *decoder) secretFiles(v reflect.Value, path string) {
	values := map[string]reflect.Value{}
	for _, f := range fields(v.Type()) {
		values[f.key] = v.FieldByIndex(f.index)
	}
	for key, secret := range values {
		name, ok := values[key+fileSuffix]
		if !ok || name.String() == "" {
			continue
		}
		at := join(path, key+fileSuffix)
		if secret.String() != "" {
			d.report.fail(at, "is given beside "+key, "keep one of the two")
			continue
		}
		text, ok := d.secretFile(name.String(), at)
		secret.SetString(text)
		if !ok {
			d.report.faulty[join(path, key)] = true // it is missing for this reason alone
		}
	}
}

func (d *decoder) secretFile(name, path string) (string, bool) {
	const limit = 64 << 10
	data, err := readFile(name, limit)
	if err != nil {
		d.report.fail(path, fmt.Sprintf("file %q %s", name, reason(err)), "name a file that this user may read")
		return "", false
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	if text == "" {
		d.report.fail(path, fmt.Sprintf("file %q is empty", name), "write the value into it")
		return "", false
	}
	return text, true
}
