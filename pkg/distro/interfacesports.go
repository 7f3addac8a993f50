package distro

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// starts reports whether a word of an auto or allow- line is about a NIC, and the name of the stanza that
// it gives the NIC; empty if that is the NIC's own. In ifupdown a word may be a name or, between slashes, a
// pattern, with a number behind it that says which of those that match, and with "=" and a stanza's name.
// Which NIC a pattern for something else than names ("/mac/06:*/=lan") means is not known: it counts as any.
func (d dialect) starts(word, nic string) (logical string, ok bool) {
	if d.stack == Ifupdown {
		word, logical, _ = strings.Cut(word, "=")
		if logical == nic {
			logical = ""
		}
	}
	pattern, isPattern := strings.CutPrefix(word, "/")
	if !isPattern {
		return logical, word == nic
	}
	pattern, option, _ := strings.Cut(pattern, "/")
	if strings.Trim(option, "0123456789") != "" {
		return logical, logical != ""
	}
	return logical, fnmatch(pattern, nic)
}

// master is the bond or bridge that the NIC is a port of, with the stanza and the option that say so; the
// name is empty if there is none.
func (n *interfaces) master(nic string) (string, *stanza, option) {
	for _, s := range n.stanzas {
		if s.keyword() != "iface" || s.word(1) == nic {
			continue
		}
		for _, o := range s.options {
			switch strings.ReplaceAll(o.key, "_", "-") {
			case "bridge-ports", "bond-slaves", "slaves", "bond-ports", "bond-members", "ovs-ports", "ovs-bonds":
				if isPort(strings.Fields(o.value), nic) {
					return s.word(1), s, o
				}
			}
		}
	}
	for _, s := range n.of(nic) {
		if o, ok := s.option("bond-master"); ok && o.value != "none" {
			return o.value, s, o
		}
	}
	return "", nil, option{}
}

// isPort reports whether a list of ports has the NIC: names and shell patterns, "all", and, behind the words
// regex and glob, regular expressions and ranges as in "swp1-4".
func isPort(words []string, nic string) bool {
	mode := ""
	for _, w := range words {
		switch {
		case w == "all":
			return true
		case slices.Contains([]string{"regex", "noregex", "glob"}, w):
			mode = w
		case mode == "regex" && matchesWhole(w, nic), mode == "glob" && inRange(w, nic), w == nic || fnmatch(w, nic):
			return true
		}
	}
	return false
}

// matchesWhole reports whether a regular expression is about the whole name; one that cannot be read may be.
func matchesWhole(expression, nic string) bool {
	re, err := regexp.Compile("^(?:" + expression + ")$")
	return err != nil || re.MatchString(nic)
}

// inRange reports whether a name is one of "swp1-4".
func inRange(word, nic string) bool {
	low, high, ok := strings.Cut(word, "-")
	if !ok {
		return false
	}
	stem := strings.TrimRight(low, "0123456789")
	number, ok := strings.CutPrefix(nic, stem)
	at, err := strconv.Atoi(number)
	from, err1 := strconv.Atoi(low[len(stem):])
	to, err2 := strconv.Atoi(high)
	return ok && err == nil && err1 == nil && err2 == nil && from <= at && at <= to
}
