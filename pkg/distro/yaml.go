package distro

import (
	"fmt"
	"strings"
)

// maxDepth bounds how deep collections may be nested.
const maxDepth = 50

// A yamlNode is a value of a netplan file: a mapping, a sequence or a scalar.
type yamlNode struct {
	line   int // from 1
	scalar string
	keys   []string // of a mapping, in order
	values []*yamlNode
	kind   yamlKind
}

// A yamlKind is what a node is.
type yamlKind int

// The kinds.
const (
	yamlNull yamlKind = iota
	yamlScalar
	yamlMap
	yamlList
)

// child is the value of a key; of a key that comes again the last. It is nil if there is none, also of
// a nil node.
func (n *yamlNode) child(key string) *yamlNode {
	if n == nil {
		return nil
	}
	for i := len(n.keys) - 1; i >= 0; i-- {
		if n.keys[i] == key {
			return n.values[i]
		}
	}
	return nil
}

// text is a scalar's value; empty for others and for nil.
func (n *yamlNode) text() string {
	if n == nil || n.kind != yamlScalar {
		return ""
	}
	return n.scalar
}

// A yamlError says where a file leaves the part of YAML that is read here.
type yamlError struct {
	line       int
	text, cure string
}

// Error is the text with its line.
func (e *yamlError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

// yamlParser reads the part of YAML that network configurations are written in: block and flow
// collections, plain and quoted scalars, comments. Anchors, tags, block scalars and second documents
// are errors: what is not understood must not be guessed.
type yamlParser struct {
	lines []yamlLine
	at    int
}

// A yamlLine is a line with something in it.
type yamlLine struct {
	number int
	indent int
	text   string // without indentation, comment and trailing blanks
}

// parseYAML reads one document. An empty file is a null node.
func parseYAML(b []byte) (node *yamlNode, err error) {
	p := &yamlParser{}
	defer func() { // the parser's own errors come as panics, anything else is a fault of the program
		switch e := recover().(type) {
		case nil:
		case *yamlError:
			node, err = nil, e
		default:
			panic(e)
		}
	}()
	p.scan(b)
	if len(p.lines) == 0 {
		return &yamlNode{line: 1}, nil
	}
	node = p.block(p.lines[0].indent, 0)
	if p.at < len(p.lines) {
		p.fail(p.lines[p.at].number, "indent the line as its neighbours are", "wrong indentation")
	}
	return node, nil
}

// fail ends the parsing.
func (p *yamlParser) fail(line int, cure, format string, args ...any) {
	panic(&yamlError{line: line, cure: cure, text: fmt.Sprintf(format, args...)})
}

// scan cuts the file into lines that say something, and joins those of one flow collection.
func (p *yamlParser) scan(b []byte) {
	open := 0
	for i, raw := range splitLines(b) {
		line := body(raw)
		text := strings.TrimLeft(line, " ")
		if strings.HasPrefix(text, "\t") {
			p.fail(i+1, "indent with blanks: YAML forbids tabs", "a tab in the indentation")
		}
		if i == 0 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "---" && len(p.lines) == 0 || strings.HasPrefix(text, "%YAML") {
			continue
		}
		if text == "---" || text == "..." {
			p.fail(i+1, "keep one document in the file", "a second document")
		}
		text, depth := p.uncomment(text, i+1)
		if text == "" {
			continue
		}
		if open > 0 {
			p.lines[len(p.lines)-1].text += " " + text
		} else {
			p.lines = append(p.lines, yamlLine{number: i + 1, indent: len(line) - len(strings.TrimLeft(line, " ")), text: text})
		}
		if open += depth; open < 0 || open > maxDepth {
			p.fail(i+1, "close each bracket once", "brackets do not match")
		}
	}
	if open != 0 {
		p.fail(p.lines[len(p.lines)-1].number, "close the bracket", "a bracket is not closed")
	}
}

// uncomment takes a comment away and counts how many brackets stay open.
func (p *yamlParser) uncomment(text string, line int) (string, int) {
	depth := 0
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && startsToken(text[:i]):
			quote = c
		case c == '#' && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t'):
			return strings.TrimRight(text[:i], " \t"), depth
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	if quote != 0 {
		p.fail(line, "write the quoted text in one line", "a quoted text of several lines")
	}
	return strings.TrimRight(text, " \t"), depth
}

// startsToken reports whether a quote behind this text opens a quoted scalar.
func startsToken(before string) bool {
	before = strings.TrimRight(before, " ")
	return before == "" || strings.HasSuffix(before, ":") || strings.ContainsRune("-,[{", rune(before[len(before)-1]))
}

// block reads the collection or scalar that begins at the present line.
func (p *yamlParser) block(indent, depth int) *yamlNode {
	line := p.lines[p.at]
	if depth > maxDepth {
		p.fail(line.number, "nest it less deeply", "nested too deeply")
	}
	switch {
	case line.text == "-" || strings.HasPrefix(line.text, "- "):
		return p.list(indent, depth)
	case cutKey(line.text) > 0:
		return p.mapping(indent, depth)
	}
	p.at++
	return p.inline(line.text, line.number)
}

// list reads "- item" lines.
func (p *yamlParser) list(indent, depth int) *yamlNode {
	n := &yamlNode{kind: yamlList, line: p.lines[p.at].number}
	for p.at < len(p.lines) {
		line := &p.lines[p.at]
		if line.indent != indent || line.text != "-" && !strings.HasPrefix(line.text, "- ") {
			break
		}
		rest := strings.TrimLeft(line.text[1:], " ")
		if rest == "" {
			p.at++
			n.values = append(n.values, p.below(indent, line.number, depth, false))
			continue
		}
		// The item's own lines are indented as its first word is.
		line.indent += len(line.text) - len(rest)
		line.text = rest
		n.values = append(n.values, p.block(line.indent, depth+1))
	}
	return n
}

// mapping reads "key: value" lines.
func (p *yamlParser) mapping(indent, depth int) *yamlNode {
	n := &yamlNode{kind: yamlMap, line: p.lines[p.at].number}
	for p.at < len(p.lines) && p.lines[p.at].indent == indent {
		line := p.lines[p.at]
		end := cutKey(line.text)
		if end <= 0 {
			break
		}
		n.keys = append(n.keys, p.inline(strings.TrimSpace(line.text[:end]), line.number).scalar)
		p.at++
		rest := strings.TrimSpace(line.text[end+1:])
		if rest != "" {
			n.values = append(n.values, p.inline(rest, line.number))
		} else {
			n.values = append(n.values, p.below(indent, line.number, depth, true))
		}
	}
	return n
}

// below reads what stands indented under a line; a list under a key need not be.
func (p *yamlParser) below(indent, line, depth int, key bool) *yamlNode {
	if p.at < len(p.lines) {
		next := p.lines[p.at]
		if next.indent > indent || key && next.indent == indent && (next.text == "-" || strings.HasPrefix(next.text, "- ")) {
			return p.block(next.indent, depth+1)
		}
	}
	return &yamlNode{line: line}
}

// cutKey is where the colon behind a block mapping's key stands; -1 if the text is no such line.
func cutKey(text string) int {
	if text[0] == '{' || text[0] == '[' {
		return -1
	}
	at := 0
	if text[0] == '"' || text[0] == '\'' {
		end := strings.IndexByte(text[1:], text[0])
		if end < 0 {
			return -1
		}
		at = end + 2
	}
	for i := at; i < len(text); i++ {
		if text[i] == ':' && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t') {
			return i
		}
	}
	return -1
}

// inline reads a scalar or a flow collection.
func (p *yamlParser) inline(text string, line int) *yamlNode {
	f := &yamlFlow{p: p, text: text, line: line}
	n := f.value(0, false)
	f.blanks()
	if f.at < len(f.text) {
		p.fail(line, "write it in lines of their own, as `netplan get` prints it", "%q is not understood", f.text[f.at:])
	}
	return n
}
