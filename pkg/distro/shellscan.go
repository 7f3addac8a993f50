package distro

import "strings"

// A shellUnit is what a shell reads at once: a line, or several of them that a quote or a backslash joins.
type shellUnit struct {
	start, end int // indices of its first line and behind its last
	text       string
	comment    bool // or blank
	code       bool // more than assignments: what stands in it or behind it may never count
	open       bool // the file ends before it does
}

// shellUnits cuts a file of shell text into units.
func shellUnits(lines []string) (out []shellUnit) {
	text := string(joinLines(lines))
	for at, line := 0, 0; at < len(text); {
		s := shellScan{text: text, at: at}
		u := shellUnit{start: line}
		s.unit(&u)
		u.text = text[at:s.at]
		u.end = line + max(1, strings.Count(u.text, "\n"))
		if !strings.HasSuffix(u.text, "\n") && s.at == len(text) {
			u.end = len(lines)
		}
		out = append(out, u)
		at, line = s.at, u.end
	}
	return out
}

// shellScan reads one unit.
type shellScan struct {
	text     string
	at       int
	word     string // the present one, of what is quoted only the quotes
	words    int    // that ended
	exported bool   // the first was export
}

// unit reads up to the newline that ends it.
func (s *shellScan) unit(u *shellUnit) {
	u.comment = true
	for s.at < len(s.text) && !u.open {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '\n':
			s.endWord(u)
			return
		case c == ' ' || c == '\t' || c == '\r':
			s.endWord(u)
		case c == '#' && s.word == "":
			s.skipTo("\n", u)
			u.open = false // a comment may end the file
		default:
			u.comment = false
			s.letter(c, u)
		}
		s.at = min(s.at, len(s.text))
	}
	s.endWord(u)
}

// letter takes what belongs to a word, or is an operator.
func (s *shellScan) letter(c byte, u *shellUnit) {
	switch c {
	case '\\':
		if rest := s.text[s.at:]; rest == "" || rest == "\n" {
			u.open, s.at = true, len(s.text)
			return
		}
		if s.at++; s.text[s.at-1] != '\n' { // else both go, and the word goes on
			s.word += "\\"
		}
	case '\'':
		s.skipTo("'", u)
		s.at++
		s.word += "'"
	case '"':
		s.doubleQuoted(u)
		s.word += `"`
	case '`':
		s.skipTo("`", u)
		s.at++
		u.code = true
	case '(', ')', '<', '>', ';', '&', '|':
		u.code = true
	default:
		s.word += string(rune(c))
	}
}

// endWord looks at the word that ends.
func (s *shellScan) endWord(u *shellUnit) {
	if s.word == "" {
		return
	}
	name, _, assigned := strings.Cut(s.word, "=")
	switch {
	case s.words == 0 && s.word == "export":
		s.exported = true
	case !isName(strings.TrimSuffix(name, "+")) || !assigned && !s.exported:
		u.code = true // a command: it may end the file, or set anything
	}
	s.words, s.word = s.words+1, ""
}

// skipTo goes on to the next end, without reading it.
func (s *shellScan) skipTo(end string, u *shellUnit) {
	i := strings.Index(s.text[s.at:], end)
	if i < 0 {
		s.at, u.open = len(s.text), true
		return
	}
	s.at += i
}

// doubleQuoted reads to behind the closing quote. What is expanded in it may have quotes of its own, which
// only a shell understands.
func (s *shellScan) doubleQuoted(u *shellUnit) {
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return
		case '`':
			u.code = true
		case '$':
			u.code = u.code || s.at+1 < len(s.text) && strings.IndexByte("({", s.text[s.at+1]) >= 0
		}
	}
	s.at, u.open = len(s.text), true
}

// mentions reports whether a variable's name stands in a text as a word of its own.
func mentions(text, name string) bool {
	for at := 0; ; at++ {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return false
		}
		at += i
		end := at + len(name)
		if (at == 0 || !isName("_"+text[at-1:at])) && (end == len(text) || !isName("_"+text[end:end+1])) {
			return true
		}
	}
}
