package hosts

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
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
// share memory.
type Host struct {
	// MACs are the NICs that the line names, be it by MAC or by a DUID-LL of hardware type Ethernet.
	MACs []MAC
	// DUIDs are the other DUIDs that the line names.
	DUIDs []wire.DUID
	// Addrs are the reserved addresses in the order of the line; there may be none (a line that only
	// sets tags). One whose first 64 bits are zero, as [::38], stands for that interface identifier in
	// the prefix of whichever network the client is in.
	Addrs []netip.Addr
	// Name is the machine's name, "" for none.
	Name string
	// Lifetime is the preferred and valid lifetime that the line gives, wire.Infinite for `infinite`;
	// 0 means that the line gives none and the network's lifetimes hold.
	Lifetime time.Duration
	// Tags are those that the line sets (set:nondefault6).
	Tags []string
	// Ignore says that the client must get no answer at all.
	Ignore bool

	// File and Line say where the reservation stands; lines count from 1.
	File string
	Line int

	sum uint64 // of the line's text
}

// Tagged reports whether the line sets the tag.
func (h *Host) Tagged(tag string) bool { return slices.Contains(h.Tags, tag) }

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
	for _, a := range h.Addrs {
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
