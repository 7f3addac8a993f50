package responder

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/ini.v1"
)

// strict takes the library's liberties away: values are taken as they stand in the line.
var strict = ini.LoadOptions{
	KeyValueDelimiters: "=", ChildSectionDelimiter: "\x00", IgnoreInlineComment: true,
	IgnoreContinuation: true, PreserveSurroundedQuote: true, AllowNonUniqueSections: true,
}

// A value is what a key was given, and "file:line" of it.
type value struct{ text, where string }

// A section is one of a file, with the keys in it.
type section struct {
	title, name string // "network", "guests"
	where       string
	keys        map[string]value
	order       []string
}

// sections reads a file's text. A comment is what follows ; or # at the beginning of a line or after a
// blank; values stand without quotes. Errors are joined, one for each bad line; each begins with
// file and line.
func sections(name string, text []byte) ([]section, error) {
	clean, lines, err := tidy(name, text)
	if err != nil {
		return nil, err
	}
	f, err := ini.LoadSources(strict, clean)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.BlockMode = false
	var out []section
	for _, sec := range f.Sections() {
		if sec.Name() == ini.DefaultSection {
			continue // tidy refuses keys before the first section
		}
		s := section{where: lines.at(sec.Name(), ""), keys: map[string]value{}}
		s.title, s.name, _ = strings.Cut(sec.Name(), " ")
		for _, k := range sec.Keys() {
			s.keys[k.Name()] = value{k.Value(), lines.at(sec.Name(), k.Name())} // Value: String would expand %(name)s
			s.order = append(s.order, k.Name())
		}
		out = append(out, s)
	}
	return out, nil
}

// lines knows where each section (with an empty key) and key stands, which the library forgets.
type lines struct {
	file string
	line map[[2]string]int
}

func (l *lines) at(section, key string) string {
	return fmt.Sprintf("%s:%d", l.file, l.line[[2]string{section, key}])
}

// note keeps the line of something new; what stood before is an error.
func (l *lines) note(section, key, what string, n int) error {
	id := [2]string{section, key}
	if first, ok := l.line[id]; ok {
		return fmt.Errorf("%s stands twice; first in line %d", what, first)
	}
	l.line[id] = n
	return nil
}

// tidy reads the text line by line and leaves what the library cannot misunderstand.
func tidy(name string, text []byte) ([]byte, *lines, error) {
	at := &lines{file: name, line: map[[2]string]int{}}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var (
		errs    []error
		out     bytes.Buffer
		current string
	)
	for i, line := range strings.Split(string(text), "\n") {
		line, err := withoutComment(line)
		switch {
		case err != nil || line == "":
		case line[0] == '[':
			line, err = sectionName(line)
			current = line
			if err == nil {
				err = at.note(current, "", fmt.Sprintf("section [%s]", current), i+1)
			}
			line = "[" + current + "]"
		case current == "":
			err = errors.New("a key before the first section; begin with [server]")
		default:
			line, err = at.key(current, line, i+1)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, i+1, err))
			continue
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), at, errors.Join(errs...)
}

// withoutComment cuts a comment, and blanks at both ends.
func withoutComment(line string) (string, error) {
	for i, r := range line {
		switch {
		case (r == ';' || r == '#') && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return strings.TrimSpace(line[:i]), nil
		case r == 0xfffd || r < ' ' && r != '\t' && (r != '\r' || i != len(line)-1) || r == 0x7f:
			return "", errors.New("the line holds control characters or is not UTF-8")
		}
	}
	return strings.TrimSpace(line), nil
}

// sectionName returns what stands between the brackets, with single blanks. With an error it still
// names something, so that the keys below are not said to have no section.
func sectionName(line string) (string, error) {
	// The library's own name for keys without a section is no section of ours.
	if !strings.HasSuffix(line, "]") || line == "[DEFAULT]" || strings.Count(line, "[") != 1 || strings.Count(line, "]") != 1 {
		return "-", fmt.Errorf("%.80q is no section; write [server] or [network NAME]", line)
	}
	name := strings.Join(strings.Fields(line[1:len(line)-1]), " ")
	if name == "" {
		return "-", errors.New("a section without a name; write [server] or [network NAME]")
	}
	return name, nil
}

// key notes a key and returns the line as the library is to see it.
func (l *lines) key(section, line string, n int) (string, error) {
	key, text, ok := strings.Cut(line, "=")
	key, text = strings.TrimSpace(key), strings.TrimSpace(text)
	switch {
	case !ok || key == "":
		return "", fmt.Errorf("%.80q is neither a section nor key = value", line)
	case strings.ContainsAny(key, "\"'`#; \t") || key == "-":
		return "", fmt.Errorf("%.80q is no name of a key", key)
	case strings.ContainsAny(text, "\"'`"):
		return "", fmt.Errorf("%s: values stand without quotes", key)
	}
	return key + " = " + text, l.note(section, key, fmt.Sprintf("%q", key), n)
}
