package distro

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Bounds of what is read of /etc/network/interfaces and the files that it includes.
const (
	interfacesFile = "/etc/network/interfaces"
	maxInclude     = 10      // files deep
	maxIncluded    = 1000    // files in all
	maxIncludes    = 4 << 20 // bytes in all
)

// A dialect is one of the programs that read interfaces(5): they differ in small things.
type dialect struct {
	stack        Stack
	tailComments bool // "#" begins a comment anywhere in a line (ifupdown-ng)
	continued    bool // a trailing backslash joins lines (ifupdown, ifupdown2)
}

// dialects are the readers' differences.
var dialects = map[Stack]dialect{
	Ifupdown:   {stack: Ifupdown, continued: true},
	Ifupdown2:  {stack: Ifupdown2, continued: true},
	IfupdownNG: {stack: IfupdownNG, tailComments: true},
}

// A stanza is one of interfaces(5): a keyword line and the options under it.
type stanza struct {
	file    string
	start   int      // index of its first line
	head    int      // index behind the keyword's line or lines
	end     int      // index behind the last option, or head
	words   []string // of the keyword line
	options []option
}

// An option is one line of a stanza.
type option struct {
	key, value string
	line, end  int
	own        bool // v6guest added it
}

// keyword is what kind of stanza it is.
func (s *stanza) keyword() string { return s.words[0] }

// word is the i-th word of the keyword line; empty if there is none.
func (s *stanza) word(i int) string {
	if i < len(s.words) {
		return s.words[i]
	}
	return ""
}

// option is the value of the first option with one of these names ("-" and "_" are alike).
func (s *stanza) option(keys ...string) (option, bool) {
	for _, o := range s.options {
		if slices.Contains(keys, strings.ReplaceAll(o.key, "_", "-")) {
			return o, true
		}
	}
	return option{}, false
}

// interfaces is /etc/network/interfaces with everything that it includes, in reading order.
type interfaces struct {
	dialect dialect
	stanzas []*stanza
	files   []string // that exist, in reading order
	sources []string // patterns of source lines, absolute
	// problem is what makes ifup refuse the whole configuration, or us to edit it.
	problem *RefusalError

	// unfinished is, of each file that ends with a backslash, the number of the line that goes on there.
	unfinished map[string]int
	// cut is the files of which ifup reads no further than a line: what stands behind counts for nobody.
	cut []cutFile

	size int      // bytes read so far
	open []string // files that are being read, the main one first
}

// A cutFile is a file of which ifup reads no further than a line.
type cutFile struct {
	why    *RefusalError
	behind []string // the words behind the line
}

// parseInterfaces reads the tree's interfaces files as one of its readers does.
func parseInterfaces(t *Tree, d dialect) *interfaces {
	n := &interfaces{dialect: d, unfinished: map[string]int{}}
	n.read(t, interfacesFile, 0, nil)
	return n
}

// fail notes the first problem.
func (n *interfaces) fail(r *RefusalError) {
	if n.problem == nil {
		n.problem = r
	}
}

// read adds a file's stanzas; from is the stanza that includes it, if one does. A file that is missing adds
// nothing, as in ifup.
func (n *interfaces) read(t *Tree, file string, depth int, from *stanza) {
	if slices.Contains(n.open, file) {
		n.fail(refuse(ErrUnreadable, "", from.file, from.start+1, "remove the source line", "%s includes itself", file))
		return
	}
	b, err := t.Read(file)
	if err != nil {
		if depth == 0 && !errors.Is(err, fs.ErrNotExist) || unreadable(err) {
			n.fail(unread("", file, err))
		}
		return
	}
	if n.size += len(b); depth > maxInclude || len(n.files) >= maxIncluded || n.size > maxIncludes {
		where, line := file, 0
		if from != nil {
			where, line = from.file, from.start+1
		}
		n.fail(refuse(ErrUnreadable, "", where, line, "include less", "more than %d files, %d bytes or %d steps deep", maxIncluded, maxIncludes, maxInclude))
		return
	}
	n.files, n.open = append(n.files, file), append(n.open, file)
	defer func() { n.open = n.open[:len(n.open)-1] }()
	p := interfacesParser{n: n, file: file, lines: splitLines(b), main: depth == 0}
	for _, s := range p.parse() {
		n.stanzas = append(n.stanzas, s)
		n.include(t, s, depth)
	}
}

// include reads what a source or source-directory line names.
func (n *interfaces) include(t *Tree, s *stanza, depth int) {
	directory := s.keyword() == "source-directory"
	if !directory && s.keyword() != "source" {
		return
	}
	for _, pattern := range s.words[1:] {
		if strings.ContainsAny(pattern, "$`\"'\\(){}") {
			n.fail(refuse(ErrUnreadable, "", s.file, s.start+1, "write a path with *, ? and [ ] at most", "%q is more than a pattern", pattern))
			continue
		}
		if strings.HasPrefix(pattern, "~/") {
			pattern = "/root" + pattern[1:]
		}
		if !path.IsAbs(pattern) {
			pattern = path.Join(path.Dir(s.file), pattern)
		}
		if !directory {
			n.sources = append(n.sources, pattern)
		}
		for _, file := range t.Glob(pattern) {
			if !directory {
				n.read(t, file, depth+1, s)
				continue
			}
			for _, name := range t.List(file) {
				if !strings.ContainsFunc(name, notRunParts) {
					n.read(t, path.Join(file, name), depth+1, s)
				}
			}
		}
	}
}

// notRunParts reports whether a name with this letter is left out by source-directory.
func notRunParts(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}

// interfacesParser reads one file.
type interfacesParser struct {
	n     *interfaces
	file  string
	lines []string
	main  bool
	out   []*stanza
	cut   *RefusalError // why nothing more of it is read
}

// parse cuts the file into stanzas. A stanza ends at the next keyword only.
func (p *interfacesParser) parse() []*stanza {
	if i := slices.IndexFunc(p.lines, func(l string) bool { return strings.Contains(l, "\x00") }); i >= 0 {
		p.n.fail(refuse(ErrUnreadable, "", p.file, i+1, "repair the file, or take it away", "a NUL byte, which no text has"))
		return nil
	}
	if p.n.dialect.stack == Ifupdown2 {
		p.checkBackslashes()
	}
	for i := 0; i < len(p.lines); {
		if p.cut != nil {
			p.n.cut = append(p.n.cut, cutFile{p.cut, strings.Fields(string(joinLines(p.lines[i:])))})
			break
		}
		text, next := p.logical(i)
		if p.n.dialect.stack == Ifupdown2 && isTemplate(strings.TrimSpace(p.lines[i])) {
			p.n.fail(refuse(ErrUnreadable, "", p.file, i+1, "write the file without template lines", "template line"))
		}
		if text != "" {
			p.line(text, i, next)
		}
		i = next
	}
	return p.out
}

// isTemplate reports whether ifupdown2 gives a line to mako first.
func isTemplate(text string) bool {
	return strings.HasPrefix(text, "%") || strings.Contains(text, "<%") || strings.Contains(text, "${")
}

// logical is the text of the line at i, joined with those that continue it, and the index of the next; a
// comment has none.
func (p *interfacesParser) logical(i int) (text string, next int) {
	text, next = strings.TrimLeft(strings.TrimSuffix(p.lines[i], "\n"), " \t"), i+1
	if strings.HasPrefix(text, "#") {
		return "", next
	}
	// What is joined may itself end in a backslash, left of two.
	for p.n.dialect.continued && strings.HasSuffix(text, "\\") {
		if text = strings.TrimSuffix(text, "\\"); next == len(p.lines) {
			p.n.unfinished[p.file] = i + 1
			break
		}
		text += strings.TrimSuffix(p.lines[next], "\n")
		next++
	}
	if p.n.dialect.tailComments {
		text, _, _ = strings.Cut(text, "#")
	}
	return strings.TrimSpace(text), next
}

// line takes a keyword or an option.
func (p *interfacesParser) line(text string, start, next int) {
	words := strings.Fields(text)
	if p.n.dialect.keyword(words[0]) {
		s := &stanza{file: p.file, start: start, head: next, end: next, words: words}
		if p.check(s); p.cut == nil {
			p.out = append(p.out, s)
		}
		return
	}
	if len(p.out) == 0 || !hasOptions(p.out[len(p.out)-1].keyword()) {
		p.bad(start, "misplaced option %q", words[0])
		return
	}
	if len(words) == 1 && p.n.dialect.stack == Ifupdown {
		p.bad(start, "option %q without a value", words[0])
		return
	}
	s := p.out[len(p.out)-1]
	key, value, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
	own := strings.HasSuffix(strings.TrimSpace(p.lines[start]), ownLine)
	s.options = append(s.options, option{key: key, value: strings.TrimSpace(value), line: start, end: next, own: own})
	s.end = next
}

// bad notes a line that is no good. Of a file that another includes, ifupdown takes what stands in front of
// it and tells; everything else is refused by whoever reads it.
func (p *interfacesParser) bad(start int, format string, args ...any) {
	r := refuse(ErrUnreadable, "", p.file, start+1, "repair the file, or remove the line", format, args...)
	if p.main || p.n.dialect.stack != Ifupdown {
		p.n.fail(r)
		return
	}
	p.cut = r
}

// checkBackslashes refuses those by which ifupdown2 joins lines otherwise than all others: it takes each
// away with the blanks and newlines on both sides, also in comments, before it looks at lines.
func (p *interfacesParser) checkBackslashes() {
	for i, line := range p.lines {
		text := strings.TrimSpace(line)
		bad := strings.HasPrefix(text, "\\") // joined with the line before
		if strings.HasSuffix(text, "\\") {
			bad = bad || text[0] == '#' || !strings.HasSuffix(body(line), "\\") || i+1 < len(p.lines) && strings.TrimSpace(p.lines[i+1]) == ""
		}
		if bad {
			p.n.fail(refuse(ErrUnreadable, "", p.file, i+1, "write the line without the backslash", "ifupdown2 joins lines by this backslash as no other does"))
			return
		}
	}
}

// check notes what makes ifup refuse the file.
func (p *interfacesParser) check(s *stanza) {
	if s.keyword() != "iface" {
		return
	}
	if s.word(1) == "" {
		p.bad(s.start, "iface without a name")
	}
	if p.n.dialect.stack == Ifupdown && s.word(3) == "" {
		p.bad(s.start, "iface without family or method")
	}
}

// keyword reports whether a word begins a stanza.
func (d dialect) keyword(word string) bool {
	switch word {
	case "iface", "mapping", "auto", "source", "source-directory", "no-auto-down", "no-scripts", "rename":
		return true
	case "template":
		return d.stack == IfupdownNG
	}
	return strings.HasPrefix(word, "allow-")
}

// hasOptions reports whether lines may stand under a keyword.
func hasOptions(keyword string) bool {
	return keyword == "iface" || keyword == "mapping" || keyword == "template"
}

// of is the iface stanzas of a NIC, of some families ("inet", "inet6") or of all.
func (n *interfaces) of(nic string, families ...string) (out []*stanza) {
	for _, s := range n.stanzas {
		if s.keyword() == "iface" && s.word(1) == nic && (len(families) == 0 || slices.Contains(families, s.word(2))) {
			out = append(out, s)
		}
	}
	return out
}

// started is the line that brings a NIC up at boot or when it appears; nil if there is none.
func (n *interfaces) started(nic string) *stanza {
	s, _ := n.starter(nic)
	return s
}

// starter is the same, with the name of the stanza that the line gives the NIC; empty if that is the NIC's own.
func (n *interfaces) starter(nic string) (s *stanza, logical string) {
	for _, s := range n.stanzas {
		if s.keyword() != "auto" && !strings.HasPrefix(s.keyword(), "allow-") {
			continue
		}
		for _, word := range s.words[1:] {
			if logical, ok := n.dialect.starts(word, nic); ok {
				return s, logical
			}
		}
	}
	return nil, ""
}

// named is the first stanza that is about a NIC: an iface or a line that brings it up.
func (n *interfaces) named(nic string) *stanza {
	if own := n.of(nic); len(own) > 0 {
		return own[0]
	}
	return n.started(nic)
}

// mapping is the mapping stanza that stands for a NIC; nil if there is none.
func (n *interfaces) mapping(nic string) *stanza {
	for _, s := range n.stanzas {
		if s.keyword() == "mapping" && slices.ContainsFunc(s.words[1:], func(p string) bool { return fnmatch(p, nic) }) {
			return s
		}
	}
	return nil
}
