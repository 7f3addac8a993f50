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
	hosts  []*Host // those of the lists
	refs   []ref
	byMAC  map[MAC]int32 // to refs, as byDUID
	byDUID map[wire.DUID]int32
	byAddr map[[16]byte]int32 // to hosts

	// An address that is in contested stands in several lines; partially says that a line gives only an interface
	// identifier. Where there is nothing of the kind, every address is its own line's.
	contested map[[16]byte]bool
	partially bool
}

// A ref is a link of the list of hosts that have one MAC or DUID, the strongest first.
type ref struct{ host, next int32 }

const none = -1

// Build makes an index of lists of hosts, which it refers to. Where two speak of one client in one network, or of one
// address, the later one wins, be it in the same list (as in dnsmasq) or in a later list.
func Build(lists ...[]Host) *Index {
	n := 0
	for _, l := range lists {
		n += len(l)
	}
	x := &Index{
		hosts: make([]*Host, 0, n), refs: make([]ref, 0, n),
		byMAC: make(map[MAC]int32, n), byDUID: map[wire.DUID]int32{}, byAddr: make(map[[16]byte]int32, n),
		contested: map[[16]byte]bool{},
	}
	for _, l := range lists {
		for i := range l {
			x.add(&l[i])
		}
	}
	return x
}

func (x *Index) add(h *Host) {
	i := int32(len(x.hosts))
	x.hosts = append(x.hosts, h)
	for _, m := range h.MACs {
		next, ok := x.byMAC[m]
		x.byMAC[m] = x.link(i, next, ok)
	}
	for _, d := range h.DUIDs {
		next, ok := x.byDUID[d]
		x.byDUID[d] = x.link(i, next, ok)
	}
	for _, a := range h.Addrs {
		key := a.As16()
		if _, taken := x.byAddr[key]; taken {
			x.contested[key] = true
		}
		x.byAddr[key] = i
		x.partially = x.partially || partial(a)
	}
}

// link puts host before the list that begins at next.
func (x *Index) link(host, next int32, ok bool) int32 {
	if !ok {
		next = none
	}
	x.refs = append(x.refs, ref{host, next})
	return int32(len(x.refs) - 1)
}

// Len is the number of lines that are in force.
func (x *Index) Len() int {
	if x == nil {
		return 0
	}
	return len(x.hosts)
}

// ByMAC gives the hosts of a MAC, those that win first.
func (x *Index) ByMAC(m MAC) iter.Seq[*Host] {
	if x == nil {
		return func(func(*Host) bool) {}
	}
	first, ok := x.byMAC[m]
	return x.list(first, ok)
}

// ByDUID gives the hosts of a DUID that is no DUID-LL of Ethernet (those are found by MAC), those that
// win first.
func (x *Index) ByDUID(d wire.DUID) iter.Seq[*Host] {
	if x == nil {
		return func(func(*Host) bool) {}
	}
	first, ok := x.byDUID[d]
	return x.list(first, ok)
}

func (x *Index) list(first int32, ok bool) iter.Seq[*Host] {
	if !ok {
		first = none
	}
	return func(yield func(*Host) bool) {
		for i := first; i != none; i = x.refs[i].next {
			if !yield(x.hosts[x.refs[i].host]) {
				return
			}
		}
	}
}

// Owner returns the host for which the address is reserved, nil if there is none. Lines that give only
// an interface identifier ([::38]) reserve it in every /64.
func (x *Index) Owner(a netip.Addr) *Host {
	if x == nil {
		return nil
	}
	key := a.As16()
	i, ok := x.byAddr[key]
	clear(key[:8])
	if j, partially := x.byAddr[key]; partially && (!ok || j > i) {
		i, ok = j, true
	}
	if !ok {
		return nil
	}
	return x.hosts[i]
}

// conflicts tells of lines that take something from each other: one address in two lines, or two
// addresses of one /64 for one client. Each is reported at the line that wins.
func (x *Index) conflicts() []Problem {
	var out []Problem
	for _, h := range x.hosts {
		for _, a := range h.Addrs {
			if o := x.Owner(a); o != h && len(out) <= MaxProblems {
				out = append(out, conflict(o, h, fmt.Sprintf("[%s]", a)))
			}
		}
		for _, m := range h.MACs {
			out = x.identity(out, h, x.ByMAC(m), m.String())
		}
		for _, d := range h.DUIDs {
			out = x.identity(out, h, x.ByDUID(d), "id:"+d.String())
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

// identity adds a problem if a line that wins over h is for the same client in the same /64.
func (x *Index) identity(out []Problem, h *Host, same iter.Seq[*Host], who string) []Problem {
	steps := 0
	for o := range same {
		if steps++; o == h || steps > MaxProblems || len(out) > MaxProblems {
			break
		}
		if x.shared(o, h) {
			return append(out, conflict(o, h, who))
		}
	}
	return out
}

// shared reports whether both reserve an address in one /64, other than one address for both, which is
// reported by itself.
func (x *Index) shared(a, b *Host) bool {
	for _, p := range a.Addrs {
		for _, q := range b.Addrs {
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
