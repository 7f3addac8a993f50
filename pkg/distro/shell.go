package distro

import (
	"slices"
	"strings"
)

// A shellFile is a file of shell assignments: ifcfg-*, /etc/sysconfig/network, os-release. Only simple
// lines KEY=VALUE are understood, with quotes and a comment behind; the others are kept and reported by
// opaque, since a shell may do anything there.
type shellFile struct {
	lines  []string
	units  []shellUnit
	values []shellValue
}

// A shellValue is one assignment.
type shellValue struct {
	key, value string
	line       int    // index into lines
	quote      string // "", `"` or `'`
	rest       string // of the line, from behind the value on: blanks and a comment
	indent     string
}

// parseShell reads assignments.
func parseShell(b []byte) *shellFile {
	f := &shellFile{lines: splitLines(b)}
	f.units = shellUnits(f.lines)
	for _, u := range f.units {
		if v, ok := parseAssignment(body(u.text)); ok && u.end == u.start+1 && !u.open {
			v.line = u.start
			f.values = append(f.values, v)
		}
	}
	return f
}

// parseAssignment reads one line; ok is false for comments, blank lines and what is no plain assignment.
func parseAssignment(line string) (v shellValue, ok bool) {
	v.indent = indent(line)
	key, rest, found := strings.Cut(line[len(v.indent):], "=")
	if !found || !isName(key) {
		return v, false
	}
	v.key = key
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		v.quote = rest[:1]
		end := strings.Index(rest[1:], v.quote)
		if end < 0 {
			return v, false
		}
		v.value, v.rest = rest[1:1+end], rest[end+2:]
	} else {
		end := strings.IndexAny(rest, " \t;&|<>()")
		if end < 0 {
			end = len(rest)
		}
		v.value, v.rest = rest[:end], rest[end:]
	}
	comment := strings.TrimLeft(v.rest, " \t")
	if comment != "" && (comment == v.rest || comment[0] != '#') {
		return v, false // A=1 B=2, A="x"y, A=1;B=2
	}
	return v, !strings.ContainsAny(v.value, "`$\\") || v.quote == "'"
}

// isName reports whether s is a shell variable's name.
func isName(s string) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// opaque is why the keys cannot be read and edited here; nil if they can. cure is how a plain line looks
// to who reads the file. A quoted text of several lines that has a key in it is data to a shell and an
// assignment to those who read line by line, NetworkManager and wicked.
func (f *shellFile) opaque(nic, file, cure string, keys ...string) error {
	for _, u := range f.units {
		var why string
		switch {
		case u.open:
			return refuse(ErrUnreadable, nic, file, u.start+1, "close the quote, or take the backslash at the end away", "what begins here is not finished at the end of the file")
		case u.comment || slices.ContainsFunc(f.values, func(v shellValue) bool { return v.line == u.start }):
			continue
		case slices.ContainsFunc(keys, func(key string) bool { return mentions(u.text, key) }):
			why = "a line sets a key in a way that only a shell understands"
		case u.code:
			why, cure = "only a shell understands what is set here, or behind it", "write nothing but plain lines KEY=value"
		default:
			continue
		}
		return refuse(ErrUnreadable, nic, file, u.start+1, cure, "%s", why)
	}
	return nil
}

// last is the assignment of key that holds: the last.
func (f *shellFile) last(key string) *shellValue {
	for i := range slices.Backward(f.values) {
		if f.values[i].key == key {
			return &f.values[i]
		}
	}
	return nil
}

// get is the value of key.
func (f *shellFile) get(key string) (string, bool) {
	if v := f.last(key); v != nil {
		return v.value, true
	}
	return "", false
}

// set gives key a value: in the line that holds, in its quotes, else in a new line at the end, quoted
// only if it must be.
func (f *shellFile) set(key, value string) {
	v := f.last(key)
	switch {
	case v == nil:
		f.add(key, value)
		return
	case v.value == value:
		return
	}
	quote := v.quote
	if quote == "" && strings.ContainsAny(value, " \t") {
		quote = `"`
	}
	line := f.lines[v.line]
	f.lines[v.line] = v.indent + key + "=" + quote + value + quote + v.rest + line[len(body(line)):]
	v.value, v.quote = value, quote
}

// add appends an assignment, in the quotes that the file's other values have.
func (f *shellFile) add(key, value string) {
	quote := ""
	if strings.ContainsAny(value, " \t") {
		quote = `"`
	}
	if n := len(f.values); n > 0 && f.allQuoted() {
		quote = f.values[n-1].quote
	}
	f.lines = insertLines(f.lines, len(f.lines), key+"="+quote+value+quote)
	f.values = append(f.values, shellValue{key: key, value: value, quote: quote, line: len(f.lines) - 1})
}

// allQuoted reports whether every value of the file is quoted, in one way.
func (f *shellFile) allQuoted() bool {
	return !slices.ContainsFunc(f.values, func(v shellValue) bool { return v.quote == "" || v.quote != f.values[0].quote })
}

// bytes is the file.
func (f *shellFile) bytes() []byte { return joinLines(f.lines) }
