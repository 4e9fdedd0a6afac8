package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const syntaxRemedy = "check indentation and brackets, and quote text that begins with a special character"

// parseYAML returns the body of the only document, nil if it is empty; ok is false after a problem that leaves nothing to read.
func parseYAML(r *report, data []byte) (root ast.Node, ok bool) {
	if line := foreignText(data); line > 0 {
		r.failAt(line, "", "is not UTF-8 text", "save the file as UTF-8")
		return nil, false
	}
	tokens := lexer.Tokenize(string(data))
	if line := tooDeep(tokens); line > 0 {
		r.failAt(line, "", "is nested too deeply for a configuration", "check brackets and indentation")
		return nil, false
	}
	file, err := parseTokens(tokens)
	if err != nil {
		line, what := syntax(err)
		r.failAt(line, "", "YAML syntax: "+what, syntaxRemedy)
		return nil, false
	}
	for _, doc := range file.Docs {
		if directive, ok := doc.Body.(*ast.DirectiveNode); ok {
			r.failAt(lineOf(directive), "", "YAML directives are not read here", "remove the line that begins with %")
			return nil, false
		}
	}
	if len(file.Docs) > 1 {
		r.failAt(secondDocument(tokens), "", "holds more than one YAML document", "keep one, without further lines of ---")
		return nil, false
	}
	if len(file.Docs) == 0 {
		return nil, true
	}
	return file.Docs[0].Body, true
}

// foreignText is the first line that is not UTF-8, or 0.
func foreignText(data []byte) int {
	number := 0
	for line := range bytes.Lines(data) {
		if number++; !utf8.Valid(line) {
			return number
		}
	}
	return 0
}

// parseTokens turns a panic of the parser into an error: whatever the file holds, the caller gets an answer.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the parser gave up")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// syntax takes line and message out of a parser's error. Its full text would show source lines, and text that its message quotes
// may be a secret, so neither is passed on.
func syntax(err error) (line int, what string) {
	var yamlErr yaml.Error
	if !errors.As(err, &yamlErr) {
		return 0, err.Error()
	}
	what = yamlErr.GetMessage()
	if first, last := strings.IndexByte(what, '"'), strings.LastIndexByte(what, '"'); first < last {
		what = what[:first+1] + "..." + what[last:]
	}
	if t := yamlErr.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return line, what
}

// tooDeep returns the line at which nesting passes what the recursive parser should be trusted with, else 0.
func tooDeep(tokens token.Tokens) int {
	const maxFlow, maxColumn, maxPrefixes = 32, 500, 32
	flow, prefixes := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		}
		switch t.Type {
		case token.AnchorType, token.TagType, token.AliasType, token.MappingKeyType:
			prefixes++
		case token.MappingValueType, token.SequenceEntryType, token.CollectEntryType:
			prefixes = 0
		}
		structural := t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType || t.Type == token.MappingValueType
		if flow > maxFlow || prefixes > maxPrefixes || flow == 0 && structural && t.Position.Column > maxColumn {
			return t.Position.Line
		}
	}
	return 0
}

func secondDocument(tokens token.Tokens) int {
	content := false
	for _, t := range tokens {
		switch t.Type {
		case token.DocumentHeaderType, token.DocumentEndType:
			if content {
				return t.Position.Line
			}
			content = true
		case token.CommentType:
		default:
			content = true
		}
	}
	return 1
}

// describe names the kind of a node for people.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "empty"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	default:
		return fmt.Sprintf("a YAML %s", strings.ToLower(n.Type().String()))
	}
}

// lineOf is the line on which a node begins.
func lineOf(n ast.Node) int {
	switch m := n.(type) {
	case nil:
		return 0
	case *ast.MappingNode:
		if len(m.Values) > 0 && !m.IsFlowStyle {
			return lineOf(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return lineOf(m.Key)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}
