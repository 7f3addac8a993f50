package distro

import (
	"slices"
	"strings"
)

// An iniFile is a file of sections and keys as systemd and GLib (NetworkManager) read them: whole-line
// comments, [section], key=value. Sections may come again; of a key that comes again the last holds.
type iniFile struct {
	lines    []string
	sections []iniSection
	broken   int // number of the first line, from 1, that is neither; 0 if there is none
}

// An iniSection is one [section].
type iniSection struct {
	name  string
	start int // index of its own line
	end   int // index behind its last key, or behind its own line
	keys  []iniKey
}

// An iniKey is one key.
type iniKey struct {
	key, value string
	line, end  int // indices of its first line and behind its last
}

// parseINI reads a file. continued says that a trailing backslash joins lines, as systemd does.
func parseINI(b []byte, continued bool) *iniFile {
	f := &iniFile{lines: splitLines(b)}
	for i := 0; i < len(f.lines); {
		i = f.parseLine(i, continued)
	}
	return f
}

// parseLine reads what begins at line i, and says where the next begins.
func (f *iniFile) parseLine(i int, continued bool) int {
	text := strings.TrimSpace(f.lines[i])
	if text == "" || text[0] == '#' || text[0] == ';' {
		return i + 1
	}
	if text[0] == '[' && strings.HasSuffix(text, "]") {
		f.sections = append(f.sections, iniSection{name: text[1 : len(text)-1], start: i, end: i + 1})
		return i + 1
	}
	end := i + 1
	for continued && strings.HasSuffix(text, "\\") && end < len(f.lines) {
		next := strings.TrimSpace(f.lines[end])
		end++
		if next != "" && (next[0] == '#' || next[0] == ';') {
			continue // systemd skips comments inside a continued line
		}
		text = strings.TrimSuffix(text, "\\") + " " + next
	}
	key, value, ok := strings.Cut(text, "=")
	if !ok || len(f.sections) == 0 {
		if f.broken == 0 {
			f.broken = i + 1
		}
		return end
	}
	s := &f.sections[len(f.sections)-1]
	s.keys = append(s.keys, iniKey{key: strings.TrimSpace(key), value: strings.TrimSpace(value), line: i, end: end})
	s.end = end
	return end
}

// all is the values that key has in the sections of that name, in order.
func (f *iniFile) all(section, key string) (values []string) {
	for _, s := range f.sections {
		for _, k := range s.keys {
			if s.name == section && k.key == key {
				values = append(values, k.value)
			}
		}
	}
	return values
}

// get is the value of key that holds: the last.
func (f *iniFile) get(section, key string) (string, bool) {
	values := f.all(section, key)
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// line is the number, from 1, of the line where key gets the value that holds; 0 if it has none.
func (f *iniFile) line(section, key string) int {
	n := 0
	for _, s := range f.sections {
		for _, k := range s.keys {
			if s.name == section && k.key == key {
				n = k.line + 1
			}
		}
	}
	return n
}

// sectionLine is the number, from 1, of the line of the first section of that name; 0 if there is none.
func (f *iniFile) sectionLine(name string) int {
	for _, s := range f.sections {
		if s.name == name {
			return s.start + 1
		}
	}
	return 0
}

// has reports whether there is a section of that name.
func (f *iniFile) has(section string) bool {
	return slices.ContainsFunc(f.sections, func(s iniSection) bool { return s.name == section })
}

// set gives key a value: in the line that holds, else behind the last key of the last section of that
// name, else in a new section at the end.
func (f *iniFile) set(section, key, value string) {
	if old, ok := f.get(section, key); ok {
		if old == value {
			return
		}
		f.replace(section, key, value)
	} else {
		f.add(section, key, value)
	}
	*f = *parseINI(joinLines(f.lines), false)
}

// replace rewrites the line of key that holds; the blanks around "=" stay.
func (f *iniFile) replace(section, key, value string) {
	i := f.line(section, key) - 1
	line := f.lines[i]
	text := body(line)
	eq := strings.IndexByte(text, '=')
	after := indent(text[eq+1:])
	if after == text[eq+1:] { // "key=   ": there was no value
		after = ""
	}
	f.lines[i] = text[:eq+1] + after + value + line[len(text):]
}

// add puts a new key in.
func (f *iniFile) add(section, key, value string) {
	line := key + "=" + value
	for i := range slices.Backward(f.sections) {
		if s := f.sections[i]; s.name == section {
			f.lines = insertLines(f.lines, s.end, line)
			return
		}
	}
	head := []string{"[" + section + "]", line}
	if n := len(f.lines); n > 0 && strings.TrimSpace(f.lines[n-1]) != "" {
		head = append([]string{""}, head...)
	}
	f.lines = insertLines(f.lines, len(f.lines), head...)
}

// unset takes every assignment of key away, and a section that is empty then.
func (f *iniFile) unset(section, key string) {
	for n := f.line(section, key); n > 0; n = f.line(section, key) {
		*f = *parseINI(joinLines(slices.Delete(f.lines, n-1, n)), false)
	}
	for i := range slices.Backward(f.sections) {
		if s := f.sections[i]; s.name == section && len(s.keys) == 0 {
			*f = *parseINI(joinLines(slices.Delete(f.lines, s.start, s.start+1)), false)
		}
	}
}

// bytes is the file.
func (f *iniFile) bytes() []byte { return joinLines(f.lines) }

// isTrue reads a truth value as systemd and NetworkManager do.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "1", "y", "yes", "t", "true", "on":
		return true
	}
	return false
}
