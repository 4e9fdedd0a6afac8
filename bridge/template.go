package bridge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/edge-video/edge-video/schema"
)

// Template is a routing key or Redis key with fields in braces that each frame fills in.
//
//	{site} {camera}  names
//	{epoch} {seq}    the frame's identity; {seq:05d} pads with zeros to the width
//	{unixnano}       Frame-Captured as Unix nanoseconds
//	{uuid}           eight hexadecimal digits made from the frame's identity, so that a redelivery makes the same
//	{vhost} {prefix} constants that the sink's configuration gives, where it has them
type Template struct {
	text  string
	parts []part
	names []string
}

// part appends its piece of the result for one frame.
type part func(b []byte, f *schema.Frame) []byte

// ParseTemplate reads a template. constants are further fields with one value for all frames. The error names the field at fault
// and lists those that are known.
func ParseTemplate(text string, constants map[string]string) (*Template, error) {
	t := &Template{text: text}
	rest := text
	for rest != "" {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			t.parts = append(t.parts, literal(rest))
			break
		}
		if open > 0 {
			t.parts = append(t.parts, literal(rest[:open]))
		}
		end := strings.IndexByte(rest, '}')
		if rest[open] == '}' || end < 0 {
			return nil, fmt.Errorf("template %q: a brace has no partner", text)
		}
		name, format, _ := strings.Cut(rest[open+1:end], ":")
		p, err := field(name, format, constants)
		if err != nil {
			return nil, fmt.Errorf("template %q: %w", text, err)
		}
		t.parts = append(t.parts, p)
		t.names = append(t.names, name)
		rest = rest[end+1:]
	}
	return t, nil
}

// Has reports whether the template uses any of the named fields.
func (t *Template) Has(names ...string) bool {
	return slices.ContainsFunc(t.names, func(n string) bool { return slices.Contains(names, n) })
}

// Expand fills the template in for one frame.
func (t *Template) Expand(f *schema.Frame) string {
	b := make([]byte, 0, 128)
	for _, p := range t.parts {
		b = p(b, f)
	}
	return string(b)
}

// String is the text the template was parsed from.
func (t *Template) String() string { return t.text }

func literal(s string) part {
	return func(b []byte, _ *schema.Frame) []byte { return append(b, s...) }
}

func field(name, format string, constants map[string]string) (part, error) {
	if name == "seq" {
		return seqField(format)
	}
	if format != "" {
		return nil, fmt.Errorf("field {%s:%s}: only seq takes a format, as in {seq:05d}", name, format)
	}
	if value, ok := constants[name]; ok {
		return literal(value), nil
	}
	switch name {
	case "site":
		return func(b []byte, f *schema.Frame) []byte { return append(b, f.Site...) }, nil
	case "camera":
		return func(b []byte, f *schema.Frame) []byte { return append(b, f.Camera...) }, nil
	case "epoch":
		return func(b []byte, f *schema.Frame) []byte { return strconv.AppendInt(b, f.Epoch, 10) }, nil
	case "unixnano":
		return func(b []byte, f *schema.Frame) []byte { return strconv.AppendInt(b, f.Captured.UnixNano(), 10) }, nil
	case "uuid":
		return func(b []byte, f *schema.Frame) []byte {
			sum := sha256.Sum256([]byte(f.ID()))
			return hex.AppendEncode(b, sum[:4])
		}, nil
	}
	known := []string{"site", "camera", "epoch", "seq", "seq:05d", "unixnano", "uuid"}
	for c := range constants {
		known = append(known, c)
	}
	slices.Sort(known)
	return nil, fmt.Errorf("unknown field {%s}; known are {%s}", name, strings.Join(known, "} {"))
}

// seqField accepts "" and "0Nd" with N from 1 to 20, the forms of a printf verb that make sense for a number in a key.
func seqField(format string) (part, error) {
	width := 0
	if format != "" {
		digits, ok := strings.CutSuffix(format, "d")
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || digits[0] != '0' || n < 1 || n > 20 {
			return nil, fmt.Errorf("field {seq:%s}: the format is like 05d, with a width from 1 to 20", format)
		}
		width = n
	}
	return func(b []byte, f *schema.Frame) []byte {
		s := strconv.FormatUint(f.Seq, 10)
		for range width - len(s) {
			b = append(b, '0')
		}
		return append(b, s...)
	}, nil
}
