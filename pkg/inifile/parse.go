// Package inifile reads INI files strictly: what is not certain to be understood as it was meant is an
// error, and every section and key is known by its file and line.
//
// The texts come from people and templates, so that the errors name every mistake at once, with what to
// write instead. The library underneath takes liberties (quotes, continued lines, %(names)s, sections that
// stand twice); it sees only lines on which none of them is left.
package inifile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/ini.v1"
)

// A Section is one of a file: [network guests] has the title "network" and the name "guests".
type Section struct {
	Title string
	Name  string // what follows the title, with single blanks; "" for none
	Where string // "file:line"
	Keys  []Key  // in the order of the file; no two have one name
}

// A Key is a key with its value, which may be empty.
type Key struct {
	Name  string
	Text  string
	Where string // "file:line"
}

// strict takes the library's liberties away: values are taken as they stand in the line.
var strict = ini.LoadOptions{
	KeyValueDelimiters: "=", ChildSectionDelimiter: "\x00", IgnoreInlineComment: true,
	IgnoreContinuation: true, PreserveSurroundedQuote: true, AllowNonUniqueSections: true,
}

// Parse reads a file's text. A comment is what follows ; or # at the beginning of a line or after a
// blank; values stand on one line and without quotes. Kinds are the sections that there are, as a
// person writes them ("[agent]", "[nic NAME]"): they stand in errors only.
//
// The errors are joined, one for each bad line, and begin with name and line. The sections are those of
// the other lines: the caller can look for mistakes in them at once.
func Parse(name string, text []byte, kinds ...string) ([]Section, error) {
	t := tidier{name: name, kinds: kinds, lines: map[[2]string]int{}}
	mistakes := t.tidy(text)
	f, err := ini.LoadSources(strict, t.out.Bytes())
	if err != nil {
		return nil, errors.Join(mistakes, fmt.Errorf("%s: %w", name, err))
	}
	f.BlockMode = false // nobody else has it
	var out []Section
	for _, sec := range f.Sections() {
		if sec.Name() == ini.DefaultSection || sec.Name() == nowhere {
			continue
		}
		s := Section{Where: t.at(sec.Name(), "")}
		s.Title, s.Name, _ = strings.Cut(sec.Name(), " ")
		for _, k := range sec.Keys() {
			// Value: String would expand %(name)s.
			s.Keys = append(s.Keys, Key{Name: k.Name(), Text: k.Value(), Where: t.at(sec.Name(), k.Name())})
		}
		out = append(out, s)
	}
	return out, mistakes
}

// nowhere is the section of keys whose section line is bad: they are checked by themselves, and dropped.
const nowhere = "-"

// A tidier leaves of a text what the library cannot misunderstand.
type tidier struct {
	name  string
	kinds []string
	lines map[[2]string]int // of each section (with an empty key) and key, which the library forgets
	out   bytes.Buffer
}

func (t *tidier) at(section, key string) string {
	return fmt.Sprintf("%s:%d", t.name, t.lines[[2]string{section, key}])
}

// tidy reads the text line by line.
func (t *tidier) tidy(text []byte) error {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var (
		errs    []error
		current string
	)
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		line, err := withoutComment(line)
		switch {
		case err != nil || line == "":
		case line[0] == '[':
			current, err = t.section(line, n)
			t.write("[" + current + "]") // also a bad one: the keys below it are not the section's above
			line = ""
		case current == "":
			err = fmt.Errorf("a key before the first section; begin with %s", t.choices())
		default:
			line, err = t.key(current, line, n)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", t.name, n, err))
			continue
		}
		t.write(line)
	}
	return errors.Join(errs...)
}

func (t *tidier) write(line string) {
	t.out.WriteString(line)
	t.out.WriteByte('\n')
}

func (t *tidier) choices() string { return strings.Join(t.kinds, " or ") }

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

// section notes a section and returns its name. With an error it still names one for the keys below, so
// that they are not said to have none.
func (t *tidier) section(line string, n int) (string, error) {
	// The library's own name for keys without a section is no section of ours.
	if !strings.HasSuffix(line, "]") || line == "[DEFAULT]" || strings.Count(line, "[") != 1 || strings.Count(line, "]") != 1 {
		return nowhere, fmt.Errorf("%.80q is no section; write %s", line, t.choices())
	}
	name := strings.Join(strings.Fields(line[1:len(line)-1]), " ")
	if name == "" || name == nowhere {
		return nowhere, fmt.Errorf("a section without a name; write %s", t.choices())
	}
	return name, t.note(name, "", fmt.Sprintf("section [%s] stands", name), n)
}

// note keeps the line of something new; what stood before is an error.
func (t *tidier) note(section, key, what string, n int) error {
	id := [2]string{section, key}
	if first, ok := t.lines[id]; ok && section != nowhere {
		return fmt.Errorf("%s twice; first in line %d", what, first)
	}
	t.lines[id] = n
	return nil
}

// key notes a key and returns the line as the library is to see it.
func (t *tidier) key(section, line string, n int) (string, error) {
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
	return key + " = " + text, t.note(section, key, fmt.Sprintf("%q is set", key), n)
}
