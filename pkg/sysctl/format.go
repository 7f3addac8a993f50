package sysctl

import (
	"fmt"
	"path"
	"strings"
)

// A line is an assignment of a sysctl.d file (sysctl.d(5), sysctl.conf(5)).
type line struct {
	number int    // from 1
	key    string // with slashes, whichever way it was written: net/ipv6/conf/eth0.100/accept_ra
	value  string
}

// parse reads the assignments of a sysctl.d file. What is no assignment is passed over, as the
// programs do that apply such files: comments, empty lines, keys without a value.
func parse(b []byte) []line {
	var out []line
	n := 0
	for text := range strings.Lines(string(b)) {
		n++
		if l, ok := parseLine(text); ok {
			l.number = n
			out = append(out, l)
		}
	}
	return out
}

func parseLine(text string) (line, bool) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' || text[0] == ';' {
		return line{}, false
	}
	key, value, ok := strings.Cut(text, "=")
	// A leading - asks to pass over errors.
	key = normal(strings.TrimSpace(strings.TrimPrefix(key, "-")))
	return line{key: key, value: strings.TrimSpace(value)}, ok && key != ""
}

// normal writes a key with slashes. The first separator says which one separates: after a dot, dots
// do and a slash stands for a dot.
func normal(key string) string {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '.' {
		key = strings.NewReplacer(".", "/", "/", ".").Replace(key)
	}
	return strings.TrimPrefix(path.Clean("/"+key), "/")
}

const conf = "net/ipv6/conf/"

// setting splits a key below net/ipv6/conf; ok is false for other keys.
func (l line) setting() (nic string, s Setting, ok bool) {
	rest, ok := strings.CutPrefix(l.key, conf)
	if !ok {
		return "", Setting{}, false
	}
	nic, name, ok := strings.Cut(rest, "/")
	if !ok || strings.Contains(name, "/") {
		return "", Setting{}, false
	}
	return nic, Setting{Switch(name), l.value}, true
}

// render writes one assignment: with dots as people know it, with slashes where the NIC's name holds
// a dot. Every program that reads such files knows both.
func render(nic string, s Setting) string {
	key := conf + nic + "/" + string(s.Switch)
	if !strings.Contains(nic, ".") {
		key = strings.ReplaceAll(key, "/", ".")
	}
	return fmt.Sprintf("%s = %s\n", key, s.Value)
}

// glob reports whether the key is a pattern.
func (l line) glob() bool { return strings.ContainsAny(l.key, "*?[") }

// hits reports whether the assignment reaches a switch of a NIC: by its name, by a pattern, or by
// "all" where the kernel hands that on to every NIC.
func (l line) hits(nic string, s Switch) bool {
	key := conf + nic + "/" + string(s)
	if l.glob() {
		ok, err := path.Match(l.key, key)
		return err == nil && ok
	}
	return l.key == key || s == DisableIPv6 && l.key == conf+"all/"+string(s)
}
