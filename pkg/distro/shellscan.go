package distro

import (
	"slices"
	"strings"
)

// A shellUnit is what a shell reads at once: a line, or several of them that a quote or a backslash joins.
type shellUnit struct {
	start, end int // indices of its first line and behind its last
	text       string
	comment    bool // or blank
	code       bool // more than assignments and commands one after the other: what stands in it may never count
	open       bool // the file ends before it does
}

// shellKeywords begin what a line by itself does not tell: a part that is not always run, what ends the
// file before its end, what takes variables from elsewhere.
var shellKeywords = []string{
	"if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "select", "function",
	"{", "}", "!", "[[", "return", "exit", "exec", "eval", ".", "source", "break", "continue", "alias",
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
	text string
	at   int
}

// unit reads up to the newline that ends it.
func (s *shellScan) unit(u *shellUnit) {
	u.comment = true
	word := "" // what of the present word stands unquoted
	endWord := func() {
		u.code = u.code || slices.Contains(shellKeywords, word)
		word = ""
	}
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '\n':
			endWord()
			return
		case c == ' ' || c == '\t' || c == '\r':
			endWord()
			continue
		case c == '#' && s.startsWord():
			s.skipTo("\n", u)
			u.open = false // a comment may end the file
			continue
		}
		u.comment = false
		switch c {
		case '\\':
			if rest := s.text[s.at:]; rest == "" || rest == "\n" {
				u.open, s.at = true, len(s.text)
				return
			}
			s.at++
			word += "\\"
		case '\'':
			s.skipTo("'", u)
			s.at++
			word += "'"
		case '"':
			s.doubleQuoted(u)
			word += `"`
		case '`':
			s.skipTo("`", u)
			s.at++
			u.code = true
		case '(', ')', '<':
			u.code = true
		case ';', '&', '|', '>':
			endWord()
		default:
			word += string(c)
		}
		s.at = min(s.at, len(s.text))
	}
	endWord()
}

// startsWord says whether the byte that was read begins a word.
func (s *shellScan) startsWord() bool {
	return s.at < 2 || strings.IndexByte(" \t\r\n;&|()", s.text[s.at-2]) >= 0
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
