package migrate

import (
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// Secret is a value that the new configuration names and does not hold.
type Secret struct {
	Name  string // of the file or the variable
	Key   string // where the old file held it
	Value config.Secret
}

// secrets are kept as files in a directory, or as variables where there is none.
type secrets struct {
	dir string
	all []Secret
}

// put keeps a value under a name made of the words, unless it is kept already, and writes the key that refers to it.
func (s *secrets) put(p *page, indent int, key, from, value string, words ...string) {
	kept := slices.IndexFunc(s.all, func(o Secret) bool { return o.Key == from && o.Value.Reveal() == value })
	if kept < 0 {
		kept = len(s.all)
		s.all = append(s.all, Secret{Name: s.name(words), Key: from, Value: config.Secret(value)})
	}
	name := s.all[kept].Name
	if s.dir == "" {
		p.put(indent, key, "${"+name+"}")
	} else {
		p.set(indent, key+"_file", filepath.Join(s.dir, name))
	}
}

// name is one that no other secret has.
func (s *secrets) name(words []string) string {
	name, separator := strings.Join(words, "-"), "-"
	if s.dir == "" {
		name, separator = variable(name), "_"
	}
	return unused(name, separator, func(n string) bool {
		return slices.ContainsFunc(s.all, func(other Secret) bool {
			return strings.EqualFold(other.Name, n) // as some file systems take names for the same
		})
	})
}

// variable is a name as variables of the environment are written.
func variable(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// unused is name, with a number behind it where that is taken.
func unused(name, separator string, taken func(string) bool) string {
	next := name
	for n := 2; taken(next); n++ {
		next = name + separator + strconv.Itoa(n)
	}
	return next
}

// address is a URL whose user and password stand beside it.
type address struct {
	url            string
	user, password string
}

// splitUser takes user and password out of a URL, as FFmpeg does: up to the last @ before the path, with or without escapes.
func splitUser(text string) address {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return address{url: text}
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndexByte(rest[:end], '@')
	if at < 0 {
		return address{url: text}
	}
	user, password, _ := strings.Cut(rest[:at], ":")
	return address{url: scheme + "://" + rest[at+1:], user: unescaped(user), password: unescaped(password)}
}

func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// hidden reports whether a URL holds anything that is no one's business.
func hidden(text string) bool { return config.URL(text).String() != text }
