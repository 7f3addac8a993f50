package guest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A tidied file is what the INI library is given: comments, quotes and everything else that it would
// read in its own way are gone or refused, and each section and key is known by its line, which the
// library forgets.
type tidied struct {
	name     string
	text     []byte
	sections map[string]int
	keys     map[[2]string]int
}

func (t *tidied) section(name string) string { return fmt.Sprintf("%s:%d", t.name, t.sections[name]) }

func (t *tidied) key(section, key string) string {
	return fmt.Sprintf("%s:%d", t.name, t.keys[[2]string{section, key}])
}

// tidy reads the text line by line. Its errors, one for each bad line, begin with file and line.
func tidy(name string, text []byte) (*tidied, error) {
	t := &tidied{name: name, sections: map[string]int{}, keys: map[[2]string]int{}}
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
			current, err = t.addSection(line, i+1)
			line = "[" + current + "]"
		case current == "":
			err = errors.New("a key before the first section; begin with [agent]")
		default:
			line, err = t.addKey(current, line, i+1)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", name, i+1, err))
			continue
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	t.text = out.Bytes()
	return t, errors.Join(errs...)
}

// withoutComment cuts what follows a comment sign that begins the line or stands after a blank.
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

func (t *tidied) addSection(line string, n int) (string, error) {
	// The library's own names for keys without a section are no sections of ours.
	if !strings.HasSuffix(line, "]") || line == "[DEFAULT]" || strings.Count(line, "[") != 1 || strings.Count(line, "]") != 1 {
		return "-", fmt.Errorf("%q is no section; write [agent] or [nic NAME]", line)
	}
	name := strings.Join(strings.Fields(line[1:len(line)-1]), " ")
	if name == "" {
		return "-", errors.New("a section without a name")
	}
	if first, ok := t.sections[name]; ok {
		return name, fmt.Errorf("section [%s] stands twice; first in line %d", name, first)
	}
	t.sections[name] = n
	return name, nil
}

// addKey notes a key and returns the line as the library is to see it.
func (t *tidied) addKey(section, line string, n int) (string, error) {
	key, value, ok := strings.Cut(line, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case !ok || key == "":
		return "", fmt.Errorf("%q is neither a section nor key = value", line)
	case strings.ContainsAny(key, "\"'`#; \t") || key == "-":
		return "", fmt.Errorf("%q is no name of a key", key)
	case strings.ContainsAny(value, "\"'`"):
		return "", fmt.Errorf("%s: values stand without quotes", key)
	}
	id := [2]string{section, key}
	if first, ok := t.keys[id]; ok {
		return "", fmt.Errorf("%q is set twice; first in line %d", key, first)
	}
	t.keys[id] = n
	return key + " = " + value, nil
}
