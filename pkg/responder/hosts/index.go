package hosts

import (
	"cmp"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/wire"
)

// An Index finds hosts by MAC, DUID and address. It does not change, so that it may be read while the
// next one is made. The nil Index has no hosts.
type Index struct {
	sections []section
	count    uint32 // how many there are
	refs     []ref

	// The number in a slot is that of a host, which count from 1, or behind those of all hosts that of a ref,
	// where a MAC or DUID stands in several lines. An address is its last line's.
	byMAC  table[MAC]
	byDUID table[wire.DUID]
	byAddr table[[16]byte]

	// partially says that a line gives only an interface identifier. An address that another line gives too is in
	// contested, or its interface identifier is; all others are their own line's.
	partially bool
	contested map[[16]byte]bool

	// late are hosts that were added since, who share no client and no address with these; nil for none.
	late *Index
}

// A section are hosts of one list, which have the numbers up to the last.
type section struct {
	hosts []Host
	last  uint32
}

// A ref is a link of the list of hosts that have one MAC or DUID, the strongest first. Next is as in a slot.
type ref struct{ host, next uint32 }

// Build makes an index of lists of hosts, which it refers to. Where two speak of one client in one network, or of one
// address, the later one wins, be it in the same list (as in dnsmasq) or in a later list.
func Build(lists ...[]Host) *Index {
	x := &Index{contested: map[[16]byte]bool{}}
	macs, duids, addrs := 0, 0, 0
	for _, l := range lists {
		if len(l) == 0 {
			continue
		}
		x.count += uint32(len(l))
		x.sections = append(x.sections, section{l, x.count})
		for i := range l {
			macs, duids, addrs = macs+len(l[i].MACs()), duids+len(l[i].DUIDs()), addrs+len(l[i].Addrs())
		}
	}
	x.byMAC, x.byDUID, x.byAddr = newTable[MAC](macs), newTable[wire.DUID](duids), newTable[[16]byte](addrs)
	number := uint32(0)
	for h := range x.All() {
		number++
		x.add(number, h)
	}
	if x.partially {
		x.contest()
	}
	return x
}

// All gives the hosts in the order of their numbers.
func (x *Index) All() iter.Seq[*Host] {
	return func(yield func(*Host) bool) {
		if x == nil {
			return
		}
		for _, l := range x.sections {
			for i := range l.hosts {
				if !yield(&l.hosts[i]) {
					return
				}
			}
		}
		x.late.All()(yield)
	}
}

func (x *Index) add(number uint32, h *Host) {
	for _, m := range h.MACs() {
		link(x, &x.byMAC, m, number)
	}
	for _, d := range h.DUIDs() {
		link(x, &x.byDUID, d, number)
	}
	for _, a := range h.Addrs() {
		s := x.byAddr.at(a.As16())
		if s.number != 0 {
			x.contested[a.As16()] = true
		}
		s.key, s.number = a.As16(), number
		x.partially = x.partially || partial(a)
	}
}

// link puts a host before those that have the key already.
func link[K comparable](x *Index, t *table[K], key K, number uint32) {
	s := t.at(key)
	if s.number != 0 {
		x.refs = append(x.refs, ref{number, s.number})
		number = x.count + uint32(len(x.refs))
	}
	s.key, s.number = key, number
}

// contest notes the interface identifiers that one line gives alone, and another as part of an address.
func (x *Index) contest() {
	for h := range x.All() {
		for _, a := range h.Addrs() {
			if id := identifier(a); !partial(a) && x.byAddr.at(id).number != 0 {
				x.contested[id] = true
			}
		}
	}
}

// step returns the host that a slot's number stands for, and the number of the next one, 0 for none.
func (x *Index) step(number uint32) (h *Host, next uint32) {
	if number > x.count {
		r := x.refs[number-x.count-1]
		number, next = r.host, r.next
	}
	return x.host(number), next
}

// host returns the host with that number.
func (x *Index) host(number uint32) *Host {
	i, _ := slices.BinarySearchFunc(x.sections, number, func(l section, n uint32) int { return cmp.Compare(l.last, n) })
	l := &x.sections[i]
	return &l.hosts[number-(l.last-uint32(len(l.hosts)))-1]
}

// Len is the number of lines that are in force.
func (x *Index) Len() int {
	if x == nil {
		return 0
	}
	return int(x.count) + x.late.Len()
}

// ByMAC gives the hosts of a MAC, those that win first.
func (x *Index) ByMAC(m MAC) iter.Seq[*Host] {
	x, first := x.firstOfMAC(m)
	return x.from(first)
}

// ByDUID gives the hosts of a DUID that is no DUID-LL of Ethernet (those are found by MAC), those that
// win first.
func (x *Index) ByDUID(d wire.DUID) iter.Seq[*Host] {
	x, first := x.firstOfDUID(d)
	return x.from(first)
}

func (x *Index) from(first uint32) iter.Seq[*Host] {
	return func(yield func(*Host) bool) {
		for number := first; number != 0; {
			h, next := x.step(number)
			if !yield(h) {
				return
			}
			number = next
		}
	}
}

// firstOfMAC returns the number of the first host of a MAC, 0 for none, and in which index it is.
func (x *Index) firstOfMAC(m MAC) (in *Index, first uint32) {
	if x == nil {
		return nil, 0
	}
	if n := x.byMAC.at(m).number; n != 0 || x.late == nil {
		return x, n
	}
	return x.late, x.late.byMAC.at(m).number
}

// firstOfDUID is likewise.
func (x *Index) firstOfDUID(d wire.DUID) (in *Index, first uint32) {
	if x == nil {
		return nil, 0
	}
	if n := x.byDUID.at(d).number; n != 0 || x.late == nil {
		return x, n
	}
	return x.late, x.late.byDUID.at(d).number
}

// Owner returns the host for which the address is reserved, nil if there is none. Lines that give only
// an interface identifier ([::38]) reserve it in every /64.
func (x *Index) Owner(a netip.Addr) *Host {
	if x == nil {
		return nil
	}
	number := x.byAddr.at(a.As16()).number
	if x.partially {
		number = max(number, x.byAddr.at(identifier(a)).number)
	}
	if number == 0 {
		return x.late.Owner(a)
	}
	return x.host(number)
}

// disputed reports whether an address that a line gives may be another line's.
func (x *Index) disputed(a netip.Addr) bool {
	return x != nil && len(x.contested) > 0 && (x.contested[a.As16()] || x.contested[identifier(a)])
}

// conflicts, of an index that was built whole, tells of lines that take something from each other: one address in two lines, or two
// addresses of one /64 for one client. Each is reported at the line that wins.
func (x *Index) conflicts() []Problem {
	if len(x.refs)+len(x.contested) == 0 {
		return nil // without a search for each of a million
	}
	var out []Problem
	for h := range x.All() {
		for _, a := range h.Addrs() {
			if o := x.Owner(a); o != h {
				out = append(out, conflict(o, h, fmt.Sprintf("[%s]", a)))
			}
		}
		for _, m := range h.MACs() {
			if o := x.rival(h, x.byMAC.at(m).number); o != nil {
				out = append(out, conflict(o, h, m.String()))
			}
		}
		for _, d := range h.DUIDs() {
			if o := x.rival(h, x.byDUID.at(d).number); o != nil {
				out = append(out, conflict(o, h, "id:"+d.String()))
			}
		}
		if len(out) > MaxProblems {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	if more := len(out) - MaxProblems; more > 0 {
		out = append(out[:MaxProblems], Problem{File: out[0].File, Warning: true, Err: fmt.Errorf("%d or more further conflicts", more)})
	}
	return out
}

// rival is a line of a list that wins over h and is for the same client in the same /64, nil for none.
func (x *Index) rival(h *Host, first uint32) *Host {
	steps := 0
	for o := range x.from(first) {
		if steps++; o == h || steps > MaxProblems {
			break
		}
		if shared(o, h) {
			return o
		}
	}
	return nil
}

// shared reports whether both reserve an address in one /64, other than one address for both, which is
// reported by itself.
func shared(a, b *Host) bool {
	for _, p := range a.Addrs() {
		for _, q := range b.Addrs() {
			if p != q && netip.PrefixFrom(p, 64).Masked() == netip.PrefixFrom(q, 64).Masked() {
				return true
			}
		}
	}
	return false
}

func conflict(winner, loser *Host, what string) Problem {
	return Problem{
		File: winner.File, Line: winner.Line, Warning: true,
		Err: fmt.Errorf("%s stands in line %s too; this line, the later one, holds", what, loser.Where()),
	}
}
