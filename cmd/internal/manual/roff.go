package manual

import (
	"fmt"
	"strings"
)

// A page is a manual page in man(7)'s language, as far as it is written.
type page struct{ strings.Builder }

// title begins the page. It has no date: two builds have the same bytes.
func (p *page) title(name string, section int, what string) {
	p.printf(".\\\" Made by make docs; do not edit.\n.TH %s %d \"\" v6guest \"IPv6 for cloud guests\"\n.SH NAME\n%s \\- %s\n",
		strings.ToUpper(name), section, escape(name), escape(what))
}

// printf cannot fail: a page is in memory.
func (p *page) printf(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

func (p *page) section(name string) { p.printf(".SH %s\n", escape(name)) }
func (p *page) part(name string)    { p.printf(".SS %s\n", escape(name)) }

// text writes paragraphs; an empty line parts them.
func (p *page) text(text string) {
	for i, par := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.WriteString(".PP\n")
		}
		p.lines(par)
	}
}

// tagged writes a term and what it means.
func (p *page) tagged(term, text string) {
	p.WriteString(".TP\n" + term + "\n")
	p.lines(text)
}

// example writes lines as they are.
func (p *page) example(text string) {
	p.WriteString(".PP\n.nf\n.RS 4\n")
	p.lines(strings.TrimRight(text, "\n"))
	p.WriteString(".RE\n.fi\n")
}

// lines writes text, a line at a time, so that none is taken for a request.
func (p *page) lines(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		p.WriteString(escape(line) + "\n")
	}
}

// bold and italic are for parts of a line; what is in them is escaped.
func bold(s string) string   { return `\fB` + inner(s) + `\fR` }
func italic(s string) string { return `\fI` + inner(s) + `\fR` }

// escape makes text that the typesetter takes as it stands, at the beginning of a line too. What stands
// between backquotes is bold.
func escape(s string) string {
	parts := strings.Split(s, "`")
	for i := range parts {
		parts[i] = inner(parts[i])
		if i%2 == 1 && i < len(parts)-1 {
			parts[i] = `\fB` + parts[i] + `\fR`
		}
	}
	out := strings.Join(parts, "")
	if strings.HasPrefix(out, ".") || strings.HasPrefix(out, "'") {
		out = `\&` + out
	}
	return out
}

func inner(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "'", `\(aq`, "^", `\(ha`, "~", `\(ti`).Replace(s)
}
