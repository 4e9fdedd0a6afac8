package migrate

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/edge-video/edge-video/cmd/edge-video/config"
)

// tomlReader lists the values of a TOML file with their lines, which the library's decoder does not give; its parser does.
type tomlReader struct {
	parser unstable.Parser
	all    []config.Scalar
	tables map[string]int // arrays of tables by path, with how many there are so far
}

// scalarsOfTOML lists the values of a file as [config.Scalars] does for YAML.
func scalarsOfTOML(file string, data []byte) ([]config.Scalar, error) {
	problem := func(line int, what string) error {
		return &config.Error{Problems: []config.Problem{{File: file, Line: line, What: "TOML syntax: " + what, Remedy: "correct it there"}}}
	}
	var any map[string]any
	if err := toml.Unmarshal(data, &any); err != nil { // the parser alone would not see a key given twice
		var at *toml.DecodeError
		if !errors.As(err, &at) {
			return nil, problem(0, err.Error())
		}
		line, _ := at.Position()
		return nil, problem(line, strings.TrimPrefix(at.Error(), "toml: "))
	}
	r := &tomlReader{tables: map[string]int{}}
	r.parser.Reset(data)
	table := ""
	for r.parser.NextExpression() {
		switch e := r.parser.Expression(); e.Kind {
		case unstable.Table:
			table, _ = r.path("", e, false)
		case unstable.ArrayTable:
			table, _ = r.path("", e, true)
		case unstable.KeyValue:
			at, line := r.path(table, e, false)
			r.add(at, line, e.Value(), 0)
		}
		if len(r.all) > maxScalars {
			return nil, problem(r.all[maxScalars].Line, "more values than any configuration has")
		}
	}
	if err := r.parser.Error(); err != nil {
		return nil, problem(0, err.Error())
	}
	return r.all, nil
}

const (
	maxScalars = 20_000
	maxLevels  = 32
)

// path is where an expression stands, and its line. A part that names an array of tables means its last one, or with another, the next.
func (r *tomlReader) path(at string, e *unstable.Node, another bool) (path string, line int) {
	for key := e.Key(); key.Next(); {
		at = joined(at, string(key.Node().Data))
		line = r.parser.Shape(key.Node().Raw).Start.Line
		if last := key.IsLast(); last && another {
			r.tables[at]++
		}
		if n := r.tables[at]; n > 0 {
			at = fmt.Sprintf("%s[%d]", at, n-1)
		}
	}
	return at, line
}

// add lists what is at and below a value.
func (r *tomlReader) add(at string, line int, v *unstable.Node, level int) {
	before := len(r.all)
	if level > maxLevels {
		return
	}
	i := 0
	for children := v.Children(); children.Next() && len(r.all) <= maxScalars; i++ {
		child := children.Node()
		if v.Kind == unstable.Array {
			r.add(fmt.Sprintf("%s[%d]", at, i), line, child, level+1)
			continue
		}
		inner, own := r.path(at, child, false)
		r.add(inner, own, child.Value(), level+1)
	}
	if len(r.all) == before {
		r.all = append(r.all, config.Scalar{Key: at, Line: line, Text: string(v.Data)})
	}
}

// joined appends a key to a path, quoted where it would not read as one word.
func joined(path, key string) string {
	if quoted := strconv.Quote(key); quoted != `"`+key+`"` || strings.ContainsAny(key, " :.[]") || key == "" {
		key = quoted
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
