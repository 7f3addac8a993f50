package hosts

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// wordIgnore is the field by which a client gets no answer.
const wordIgnore = "ignore"

// maxLine bounds one line in bytes: dnsmasq's own buffer is shorter.
const maxLine = 4096

// Parse reads the text of a hosts file:
//
//	id:00:03:00:01:06:a0:f0:00:00:38,[2001:db8::38],vm-38,infinite
//	06:a0:f0:00:00:39,set:nondefault6,[2001:db8::39],vm-39,1h
//	fa:16:3e:00:00:01,tag:dhcpv6,host-1.example.,[2001:db8::1:1],set:port-1
//
// The fields stand in any order, as dnsmasq takes them: MACs and DUIDs (id:, in any spelling that
// wire.ParseDUID knows), IPv6 addresses in brackets, a name, a lifetime (seconds, or a number with s, m, h,
// d or w, or `infinite`), set:TAG, `ignore`. Lines that have an IPv4 address and no IPv6 one are passed
// over in silence, as are empty ones and what follows a #. A line that cannot be understood is a
// Problem; the others count, those too whose address is Doubtful, a Warning.
func Parse(file, text string) ([]Host, []Problem) { return parseFrom(file, text, 1) }

// parseFrom is Parse for a text whose first line is the given one of the file.
func parseFrom(file, text string, first int) ([]Host, []Problem) {
	p := parser{file: file, tagged: map[string]*rest{}, chunk: min(maxChunk, len(text))}
	p.hosts = make([]Host, 0, strings.Count(strings.TrimSuffix(text, "\n"), "\n")+1)
	for n := first; text != ""; n++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		p.line(n, line)
	}
	if p.more > 0 {
		p.problems = append(p.problems, Problem{File: file, Lines: p.more, Err: fmt.Errorf("%d more bad lines", p.more)})
	}
	if more := p.doubtful - len(p.doubts); more > 0 {
		p.doubts = append(p.doubts, Problem{File: file, Warning: true, Err: fmt.Errorf("%d more doubtful lines", more)})
	}
	return p.hosts, append(p.problems, p.doubts...)
}

// A parser reads one file. A million lines do not make millions of heap objects.
type parser struct {
	file     string
	hosts    []Host
	problems []Problem
	more     int // problems beyond MaxProblems
	doubts   []Problem
	doubtful int // how many there are, those beyond MaxProblems included

	names  strings.Builder  // those of many hosts
	chunk  int              // how much of them one Builder holds
	tagged map[string]*rest // lists of tags by their text: there are few
	f      fields           // of the current line; its slices are used again
}

const maxChunk = 64 << 10

func (p *parser) line(n int, text string) {
	text = uncomment(text)
	if text == "" {
		return
	}
	f := &p.f
	f.reset(p)
	f.sum = fnv(text)
	err := f.read(text)
	if err == nil && f.use() {
		err = f.finish(n)
	}
	switch {
	case err == nil:
	case len(p.problems) < MaxProblems:
		p.problems = append(p.problems, Problem{File: p.file, Line: n, Err: err})
	default:
		p.more++
	}
}

// uncomment cuts what follows a # at the beginning or after a blank, and blanks at both ends.
func uncomment(text string) string {
	for i := strings.IndexByte(text, '#'); i >= 0; {
		if i == 0 || text[i-1] == ' ' || text[i-1] == '\t' {
			text = text[:i]
			break
		}
		next := strings.IndexByte(text[i+1:], '#')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return strings.Trim(text, " \t\r")
}

// fields are those of one line while it is read.
type fields struct {
	*parser
	host Host
	rest
	ipv4  bool
	never bool // a tag: condition that no DHCPv6 client fulfils
	id    error
	named int // fields that say who
	sum   uint64
}

func (f *fields) reset(p *parser) {
	*f = fields{parser: p, rest: rest{f.addrs[:0], f.macs[:0], f.duids[:0], f.tags[:0]}}
}

// fnv is the FNV-1a hash of a text: it tells lines of one trusted file apart.
func fnv(text string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(text) {
		sum = (sum ^ uint64(text[i])) * 1099511628211
	}
	return sum
}

func (f *fields) read(text string) error {
	switch {
	case len(text) > maxLine:
		return fmt.Errorf("longer than %d bytes", maxLine)
	case strings.HasPrefix(text, "dhcp-host="):
		return errors.New("leave out dhcp-host=, which belongs into dnsmasq.conf only")
	}
	for more := true; more; {
		var field string
		field, text, more = strings.Cut(text, ",")
		if err := f.field(strings.Trim(field, " \t")); err != nil {
			return err
		}
	}
	return nil
}

func (f *fields) field(s string) error {
	switch {
	case s == "":
		return nil // dnsmasq writes and takes empty fields
	case s[0] == '[':
		return f.address(s)
	case strings.HasPrefix(s, "id:"):
		f.clientID(s)
		return nil
	case strings.HasPrefix(s, "set:"), strings.HasPrefix(s, "net:"):
		f.tags = append(f.tags, s[len("set:"):])
		return nil
	case strings.HasPrefix(s, "tag:"):
		return f.condition(s[len("tag:"):])
	case s == wordIgnore:
		f.host.Ignore = true
		return nil
	case strings.IndexByte(s, ':') >= 0:
		f.mac(s)
		return nil
	}
	if d, ok := lifetime(s); ok {
		f.host.Lifetime = d
		return nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		f.ipv4 = true
		return nil
	}
	return f.name(s)
}

// use reports whether the line says anything about DHCPv6.
func (f *fields) use() bool {
	if f.ipv4 && len(f.addrs) == 0 && !f.host.Ignore {
		return false
	}
	return !f.never
}

// finish checks the line as a whole and keeps it.
func (f *fields) finish(n int) error {
	switch {
	case f.id != nil:
		return f.id
	case f.named == 0:
		return errors.New("says not for whom it is: write id:DUID or a MAC")
	}
	h := f.host
	h.rest = f.keep(h.take(f.rest))
	h.Name = f.keepName(h.Name)
	h.File, h.Line, h.sum = f.file, n, f.sum
	f.hosts = append(f.hosts, h)
	for _, a := range h.Addrs() {
		if what := Doubtful(a); what != "" {
			if f.doubtful++; len(f.doubts) < MaxProblems {
				f.doubts = append(f.doubts, Problem{File: f.file, Line: n, Warning: true, Err: errors.New(what)})
			}
		}
	}
	return nil
}

// keep copies what few lines have, nil for nothing.
func (p *parser) keep(r rest) *rest {
	more := len(r.addrs)+len(r.macs)+len(r.duids) > 0
	if len(r.tags) > 0 {
		key := strings.Join(r.tags, ",")
		same := p.tagged[key]
		if same == nil {
			same = &rest{tags: cloneAll(r.tags)}
			p.tagged[strings.Clone(key)] = same
		}
		if !more {
			return same
		}
		r.tags = same.tags
	}
	if !more {
		return nil
	}
	return &rest{slices.Clone(r.addrs), slices.Clone(r.macs), slices.Clone(r.duids), r.tags}
}

// keepName copies a name.
func (p *parser) keepName(name string) string {
	n := p.names.Len()
	if p.names.Cap()-n < len(name) {
		n = 0
		p.names = strings.Builder{}
		p.names.Grow(max(p.chunk, len(name)))
	}
	p.names.WriteString(name)
	return p.names.String()[n:]
}

func cloneAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.Clone(s)
	}
	return out
}

// lifetime reads seconds, a number with a unit, or infinite. As in dnsmasq the shortest lifetime is
// two minutes.
func lifetime(s string) (time.Duration, bool) {
	if s == "infinite" {
		return wire.Infinite, true
	}
	unit := time.Second
	if i := strings.IndexByte("smhdw", s[len(s)-1]); i >= 0 {
		unit = [...]time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}[i]
		s = s[:len(s)-1]
	}
	if s == "" || len(s) > 10 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	if n >= int64(wire.Infinite/unit) {
		return wire.Infinite, true
	}
	return max(time.Duration(n)*unit, 2*time.Minute), true
}
