package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// scalar decodes a single value from the text in the file, so that numbers in places of text stay as they are written.
func (d *decoder) scalar(v reflect.Value, n ast.Node, path string) {
	text, quoted, ok := scalarText(n)
	if !ok {
		d.report.failAt(lineOf(n), path, "is "+describe(n)+" where a single value is expected", "write "+wanted(v))
		return
	}
	expanded, variable, ok := d.expand(text, path)
	if !ok {
		return
	}
	if m := d.report.source.given[path]; variable {
		d.report.source.given[path] = mark{line: m.line, variable: true}
	}
	plain := v.Kind() == reflect.Bool || v.Kind() == reflect.Int || v.Kind() == reflect.Float64
	if plain && quoted && !variable {
		d.report.fail(path, "is quoted text", "write "+wanted(v)+" without quotes")
		return
	}
	if remedy := set(v, expanded); remedy != "" {
		d.report.fail(path, fmt.Sprintf("%q is not %s", expanded, wanted(v)), remedy)
	}
}

// set stores text in v, or returns what to write instead.
func set(v reflect.Value, text string) (remedy string) {
	switch p := v.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		if err := p.UnmarshalText([]byte(text)); err != nil {
			return err.Error()
		}
		return ""
	case *time.Duration:
		return setDuration(p, text)
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return "write true or false"
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return "write digits alone"
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return "write a number such as 10 or 0.5"
		}
		v.SetFloat(f)
	}
	return ""
}

func setDuration(p *time.Duration, text string) (remedy string) {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return "add a unit, as in " + text + "s or " + text + "m"
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return "write a number with one of ms s m h, as in 500ms or 6h"
	}
	*p = parsed
	return ""
}

// formatDuration is d without the zero parts that time.Duration prints.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// wanted names what a value's type takes.
func wanted(v reflect.Value) string {
	switch v.Addr().Interface().(type) {
	case *time.Duration:
		return "a duration"
	case *Size:
		return "a size"
	case *Sync:
		return "a sync policy"
	case *TTL:
		return "a duration"
	}
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "text"
}

// scalarText is the text of a scalar as written, without its quotes.
func scalarText(n ast.Node) (text string, quoted, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType, true
	case *ast.LiteralNode:
		return n.Value.Value, true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}
