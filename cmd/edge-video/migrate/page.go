package migrate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// page is YAML in the making.
type page struct{ strings.Builder }

// maxColumn is where comments break.
const maxColumn = 110

// comment writes text as one or more lines of comment.
func (p *page) comment(indent int, text string) {
	begin := strings.Repeat(" ", indent) + "#"
	line := begin
	for word := range strings.FieldsSeq(printable(text)) {
		if len(line)+1+len(word) > maxColumn && line != begin {
			p.WriteString(line + "\n")
			line = begin
		}
		line += " " + word
	}
	p.WriteString(line + "\n")
}

// section writes a key whose values follow.
func (p *page) section(indent int, key string) {
	fmt.Fprintf(p, "%s%s:\n", strings.Repeat(" ", indent), key)
}

// set writes a key with its value, text that is quoted where YAML asks for it. A remark may follow.
func (p *page) set(indent int, key, value string, remark ...string) {
	p.put(indent, key, quote(value), remark...)
}

// put writes a key with a value that is YAML as it stands.
func (p *page) put(indent int, key, value string, remark ...string) {
	fmt.Fprintf(p, "%s%s: %s", strings.Repeat(" ", indent), key, value)
	for _, r := range remark {
		p.WriteString("  # " + printable(r))
	}
	p.WriteString("\n")
}

// plain matches text that YAML takes for text, and for the same text, without quotes.
func plain(text string) bool {
	return regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./:@?=&-]*[A-Za-z0-9_/]$|^[A-Za-z]$`).MatchString(text) && !word(text)
}

// word reports whether YAML, of any version, takes text for something else than text.
func word(text string) bool {
	switch strings.ToLower(text) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return true
	}
	return false
}

// quote is text as a YAML value. What looks like a variable is kept from being one.
func quote(text string) string {
	text = strings.ReplaceAll(text, "${", "$${")
	switch {
	case plain(text):
		return text
	case printable(text) == text && !strings.ContainsAny(text, `\'`):
		return "'" + text + "'"
	}
	return doubleQuoted(text)
}

// doubleQuoted writes every character that is not plain ASCII, or that YAML would read otherwise, as an escape.
func doubleQuoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// duration is d without the zero parts that Go prints.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// printable replaces what cannot stand in a line of text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
