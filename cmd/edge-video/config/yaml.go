package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// YAML is the effective configuration: every key that has an effect, in the order of the reference file, secrets masked. Apart
// from masked secrets, loading it gives the same configuration.
func (c *Config) YAML() ([]byte, error) {
	out, err := yaml.MarshalWithOptions(c.tree(reflect.ValueOf(c).Elem()), yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("writing the configuration as YAML: %w", err)
	}
	return out, nil
}

// tree makes what the YAML encoder writes as it stands.
func (c *Config) tree(v reflect.Value) any {
	switch p := v.Interface().(type) {
	case time.Duration:
		return formatDuration(p)
	case URL:
		return escape(p.String())
	case encoding.TextMarshaler:
		text, _ := p.MarshalText() // of this package's types, which have no way to fail
		return string(text)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return c.tree(v.Elem())
	case reflect.Struct:
		return c.section(v)
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = c.tree(v.Index(i))
		}
		return list
	case reflect.String:
		return escape(v.String())
	case reflect.Float64: // the encoder would write 10 as 10.0
		if whole := int64(v.Float()); float64(whole) == v.Float() {
			return whole
		}
	}
	return v.Interface()
}

// section lists the keys of a struct, without those that are empty, come from a file, or have no effect.
func (c *Config) section(v reflect.Value) yaml.MapSlice {
	hidden := c.unused(v)
	all := fields(v.Type())
	for _, f := range all {
		if secret, ok := strings.CutSuffix(f.key, fileSuffix); ok && !v.FieldByIndex(f.index).IsZero() {
			hidden = append(hidden, secret)
		}
	}
	out := yaml.MapSlice{}
	for _, f := range all {
		value := v.FieldByIndex(f.index)
		absent := value.IsZero() && (f.omitEmpty || value.Kind() == reflect.Pointer)
		if !absent && !slices.Contains(hidden, f.key) {
			out = append(out, yaml.MapItem{Key: f.key, Value: c.tree(value)})
		}
	}
	return out
}

// unused lists the keys of a section that have no effect.
func (c *Config) unused(section reflect.Value) []string {
	switch s := section.Interface().(type) {
	case Camera:
		hidden := unused(s.Mode)
		if !strings.HasPrefix(string(s.URL), "rtsp:") {
			hidden = append(hidden, "rtsp_transport")
		}
		return hidden
	case Capture:
		return c.captureUnused()
	}
	return nil
}

// escape keeps text that looks like a variable from being expanded when it is read again.
func escape(s string) string { return strings.ReplaceAll(s, "${", "$${") }
