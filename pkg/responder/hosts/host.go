package hosts

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/v6guest/v6guest/pkg/wire"
)

// A MAC is an Ethernet address, as a value that can be a map's key.
type MAC [6]byte

// MACOf returns mac as a MAC; ok is false unless it is the address of one Ethernet station: six
// bytes, no group address, not all zero.
func MACOf(mac net.HardwareAddr) (m MAC, ok bool) {
	if len(mac) != len(m) {
		return m, false
	}
	m = MAC(mac)
	return m, m.valid()
}

func (m MAC) valid() bool { return m[0]&1 == 0 && m != MAC{} }

// String writes the MAC in lower-case hex with colons.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// A Host is one line: who it is for and what he gets. Hosts are read-only once they are parsed; they
// share memory. What an answer needs stands first and in the Host itself, for all but few lines: of a million
// hosts little is in any cache, and each other place would be another wait for memory.
type Host struct {
	addr [1]netip.Addr // the address, where there is one alone
	mac  [1]MAC        // likewise
	// Ignore says that the client must get no answer at all.
	Ignore bool
	added  bool  // it is a Set's
	rest   *rest // nil for nothing
	// Lifetime is the preferred and valid lifetime that the line gives, wire.Infinite for `infinite`;
	// 0 means that the line gives none and the network's lifetimes hold.
	Lifetime time.Duration

	// Name is the machine's name, "" for none.
	Name string
	// File and Line say where the reservation stands; lines count from 1.
	File string
	Line int

	sum uint64 // of the line's text
}

// A rest is what few lines have. Those that have tags alone share it.
type rest struct {
	addrs []netip.Addr // two or more
	macs  []MAC        // likewise
	duids []wire.DUID
	tags  []string
}

// Addrs are the reserved addresses in the order of the line; there may be none (a line that only
// sets tags). One whose first 64 bits are zero, as [::38], stands for that interface identifier in
// the prefix of whichever network the client is in.
func (h *Host) Addrs() []netip.Addr {
	switch {
	case h.addr[0].IsValid():
		return h.addr[:]
	case h.rest == nil:
		return nil
	}
	return h.rest.addrs
}

// MACs are the NICs that the line names, be it by MAC or by a DUID-LL of hardware type Ethernet.
func (h *Host) MACs() []MAC {
	switch {
	case h.mac[0] != MAC{}:
		return h.mac[:]
	case h.rest == nil:
		return nil
	}
	return h.rest.macs
}

// DUIDs are the other DUIDs that the line names.
func (h *Host) DUIDs() []wire.DUID {
	if h.rest == nil {
		return nil
	}
	return h.rest.duids
}

// Tags are those that the line sets (set:nondefault6).
func (h *Host) Tags() []string {
	if h.rest == nil {
		return nil
	}
	return h.rest.tags
}

// Tagged reports whether the line sets the tag.
func (h *Host) Tagged(tag string) bool { return slices.Contains(h.Tags(), tag) }

// Is reports whether the line names the client: by the MAC, or by the DUID.
func (h *Host) Is(m MAC, d wire.DUID) bool {
	return slices.Contains(h.MACs(), m) || slices.Contains(h.DUIDs(), d)
}

// With returns the host with one more address.
func (h *Host) With(a netip.Addr) *Host {
	with := *h
	left := with.take(rest{slices.Concat(h.Addrs(), []netip.Addr{a}), h.MACs(), h.DUIDs(), h.Tags()})
	with.rest = &left
	return &with
}

// take sets the only address and the only MAC, and returns what is left.
func (h *Host) take(r rest) rest {
	h.addr[0], h.mac[0] = netip.Addr{}, MAC{}
	if len(r.addrs) == 1 {
		h.addr[0], r.addrs = r.addrs[0], nil
	}
	if len(r.macs) == 1 {
		h.mac[0], r.macs = r.macs[0], nil
	}
	return r
}

// Clients are those that the line names, as a line spells them.
func (h *Host) Clients() []string {
	var out []string
	for _, m := range h.MACs() {
		out = append(out, m.String())
	}
	for _, d := range h.DUIDs() {
		out = append(out, "id:"+d.String())
	}
	return out
}

// Spelt is a line that says the same, whatever the spelling of the line that it was read from.
func (h *Host) Spelt() string {
	fields := h.Clients()
	for _, t := range h.Tags() {
		fields = append(fields, "set:"+t)
	}
	for _, a := range h.Addrs() {
		fields = append(fields, "["+a.String()+"]")
	}
	if h.Name != "" {
		fields = append(fields, SpeltName(h.Name))
	}
	switch {
	case h.Lifetime == wire.Infinite:
		fields = append(fields, "infinite")
	case h.Lifetime != 0:
		fields = append(fields, fmt.Sprintf("%ds", h.Lifetime/time.Second))
	}
	if h.Ignore {
		fields = append(fields, wordIgnore)
	}
	return strings.Join(fields, ",")
}

// SpeltName writes a machine's name as a field of a line. What would be read as something else, a lifetime as `10m`, gets a
// final dot.
func SpeltName(name string) string {
	name = strings.TrimSuffix(name, ".")
	if name == "" {
		return ""
	}
	_, lasts := lifetime(name)
	if a, err := netip.ParseAddr(name); lasts || name == wordIgnore || err == nil && a.Is4() {
		return name + "."
	}
	return name
}

// Where is "file:line", or the file alone for what stands in no line.
func (h *Host) Where() string {
	if h.Line == 0 {
		return h.File
	}
	return fmt.Sprintf("%s:%d", h.File, h.Line)
}

// Within returns the host's addresses in the prefix, [::38] completed by it.
func (h *Host) Within(prefix netip.Prefix) []netip.Addr { return h.AppendWithin(nil, prefix) }

// AppendWithin is Within that adds the addresses to a list.
func (h *Host) AppendWithin(to []netip.Addr, prefix netip.Prefix) []netip.Addr {
	for _, a := range h.Addrs() {
		if b, ok := Within(a, prefix); ok {
			to = append(to, b)
		}
	}
	return to
}

// Within returns the address that a line's address stands for in the prefix, and whether there is one.
// An interface identifier alone ([::38]) is completed by a /64.
func Within(a netip.Addr, prefix netip.Prefix) (netip.Addr, bool) {
	if partial(a) && prefix.Bits() == 64 {
		b, p := a.As16(), prefix.Addr().As16()
		copy(b[:8], p[:8])
		a = netip.AddrFrom16(b)
	}
	return a, prefix.Contains(a)
}

// identifier is the address with its first 64 bits zero.
func identifier(a netip.Addr) [16]byte {
	b := a.As16()
	clear(b[:8])
	return b
}

// partial reports whether the address is an interface identifier only.
func partial(a netip.Addr) bool {
	b := a.As16()
	return [8]byte(b[:8]) == [8]byte{}
}

// A Problem is a line that does not hold, or holds otherwise than its writer may think; the other
// lines stay in force.
type Problem struct {
	File string
	Line int   // from 1; 0 when the file as a whole is meant
	Err  error // what is wrong, and what to write instead
	// Warning says that the line is in force nevertheless.
	Warning bool
	// Unread says that the file could not be read: the lines that it had before stay in force.
	Unread bool
	// Lines is how many lines are meant where they are not told one by one, else 0.
	Lines int
}

// A Tally is how much is not in force as its writer meant it.
type Tally struct {
	LeftOut int `json:"lines_left_out"` // lines that cannot be understood
	Unread  int `json:"files_unread"`   // files that cannot be read; what they said before holds on
}

// Add counts a problem.
func (t *Tally) Add(p Problem) {
	switch {
	case p.Unread:
		t.Unread++
	case !p.Warning:
		t.LeftOut += max(1, p.Lines)
	}
}

// String is "file:line: what is wrong".
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %v", p.File, p.Err)
	}
	return fmt.Sprintf("%s:%d: %v", p.File, p.Line, p.Err)
}

// MaxProblems is how many problems of one file are described; further ones are only counted, in a
// last Problem.
const MaxProblems = 100

// errNoNewline is the problem of a file whose last line may be unfinished.
var errNoNewline = errors.New("the last line has no newline: it holds, but lines that were taken out of the file hold too until it has one")
