package distro

import (
	"strconv"
	"strings"
)

// yamlFlow reads what stands in one line: scalars, {a: b} and [a, b].
type yamlFlow struct {
	p    *yamlParser
	text string
	at   int
	line int
}

// blanks skips blanks.
func (f *yamlFlow) blanks() {
	for f.at < len(f.text) && (f.text[f.at] == ' ' || f.text[f.at] == '\t') {
		f.at++
	}
}

// peek is the next byte; 0 at the end.
func (f *yamlFlow) peek() byte {
	if f.at < len(f.text) {
		return f.text[f.at]
	}
	return 0
}

// value reads one value; inside says that it stands in a flow collection.
func (f *yamlFlow) value(depth int, inside bool) *yamlNode {
	f.blanks()
	n := &yamlNode{line: f.line, kind: yamlScalar}
	switch c := f.peek(); {
	case depth > maxDepth:
		f.p.fail(f.line, "nest it less deeply", "nested too deeply")
	case c == '{':
		f.collection(n, depth, '}', yamlMap)
	case c == '[':
		f.collection(n, depth, ']', yamlList)
	case c == '"' || c == '\'':
		n.scalar = f.quoted(c)
	case c == '&' || c == '*' || c == '|' || c == '>' || c == '@' || c == '`' || c == '!':
		f.p.fail(f.line, "write the value itself, without anchors, aliases and tags, and texts in one line", "%q: anchors, tags and block texts are not read here", f.text[f.at:])
	default:
		n.scalar = f.plain(inside)
		if n.scalar == "" || n.scalar == "~" || n.scalar == "null" {
			n.kind = yamlNull
		}
	}
	return n
}

// collection reads {…} or […].
func (f *yamlFlow) collection(n *yamlNode, depth int, end byte, kind yamlKind) {
	n.kind = kind
	f.at++
	for {
		f.blanks()
		if f.peek() == end {
			f.at++
			return
		}
		if f.peek() == 0 {
			f.p.fail(f.line, "close the bracket", "a bracket is not closed")
		}
		if kind == yamlMap {
			n.keys = append(n.keys, f.value(depth+1, true).scalar)
			f.blanks()
			if f.peek() == ':' {
				f.at++
			}
		}
		n.values = append(n.values, f.value(depth+1, true))
		f.blanks()
		switch f.peek() {
		case ',':
			f.at++
		case end:
		default:
			f.p.fail(f.line, "write it in lines of their own, as `netplan get` prints it", "%q is not understood", f.text[f.at:])
		}
	}
}

// quoted reads a quoted scalar.
func (f *yamlFlow) quoted(quote byte) string {
	var out strings.Builder
	for f.at++; f.at < len(f.text); f.at++ {
		c := f.text[f.at]
		switch {
		case c == quote && quote == '\'' && f.at+1 < len(f.text) && f.text[f.at+1] == quote:
			out.WriteByte(quote)
			f.at++
		case c == quote:
			f.at++
			return out.String()
		case c == '\\' && quote == '"':
			// The escapes of a double-quoted name that matter here are those of Go as well.
			value, _, rest, err := strconv.UnquoteChar(f.text[f.at:], '"')
			if err != nil {
				f.p.fail(f.line, "write the character itself", "an escape that is not understood")
			}
			out.WriteRune(value)
			f.at = len(f.text) - len(rest) - 1
		default:
			out.WriteByte(c)
		}
	}
	f.p.fail(f.line, "close the quote", "a quote is not closed")
	return ""
}

// plain reads a scalar without quotes.
func (f *yamlFlow) plain(inside bool) string {
	start := f.at
	for ; f.at < len(f.text); f.at++ {
		c := f.text[f.at]
		if inside && strings.IndexByte(",{}[]", c) >= 0 {
			break
		}
		if c == ':' && inside && (f.at+1 == len(f.text) || strings.IndexByte(" ,{}[]", f.text[f.at+1]) >= 0) {
			break
		}
		if c == ':' && !inside && f.at+1 < len(f.text) && f.text[f.at+1] == ' ' {
			f.p.fail(f.line, "put the value in quotes, or the mapping in lines of its own", "a mapping where a value is expected")
		}
	}
	return strings.TrimSpace(f.text[start:f.at])
}
