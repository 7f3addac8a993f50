package pool

import (
	"net/netip"
	"slices"
)

// strays are the delegated prefixes that are in no pool any more, most likely since another length is
// delegated now: until their time has come, nothing that overlaps one is given out.
type strays struct {
	count [128]int             // by their lengths
	pools []*Pool              // of prefixes
	bits  []int                // the lengths that these delegate, each once
	in    map[netip.Prefix]int // how many are in a prefix of such a length; 0 is not kept
}

func newStrays(pools map[key]*Pool) strays {
	s := strays{in: map[netip.Prefix]int{}}
	for _, p := range pools {
		if p.Bits < 128 {
			s.pools, s.bits = append(s.pools, p), append(s.bits, p.Bits)
		}
	}
	slices.Sort(s.bits)
	s.bits = slices.Compact(s.bits)
	return s
}

func (s *strays) add(b *Binding)    { s.change(b, 1) }
func (s *strays) remove(b *Binding) { s.change(b, -1) }

func (s *strays) change(b *Binding, n int) {
	if b.bits == 128 {
		return
	}
	s.count[b.bits] += n
	for _, bits := range s.bits {
		if bits > int(b.bits) {
			s.keep(b.Prefix(), bits, n)
			continue
		}
		p := netip.PrefixFrom(b.Addr(), bits).Masked()
		before := s.in[p]
		if s.in[p] += n; s.in[p] == 0 {
			delete(s.in, p)
		}
		if before == 0 || before+n == 0 {
			s.keep(p, bits, n)
		}
	}
}

// keep notes in the pools of such prefixes that those in p are kept back; of a stray each, which never overlap.
func (s *strays) keep(p netip.Prefix, bits, n int) {
	for _, pool := range s.pools {
		if pool.Bits != bits {
			continue
		}
		if kept := pool.Ranges.within(p, pool.shift()); n > 0 {
			pool.kept += kept
		} else {
			pool.kept -= kept
		}
	}
}

// strayIn reports whether a prefix, of a length that a pool delegates, has a part in common with one.
func (t *Table) strayIn(p netip.Prefix) bool {
	if t.strays.in[p] > 0 {
		return true
	}
	for bits, n := range t.strays.count[:p.Bits()] {
		if n == 0 {
			continue
		}
		if b := t.at(netip.PrefixFrom(p.Addr(), bits).Masked().Addr(), bits); b != nil && b.pool == nil {
			return true
		}
	}
	return false
}

// Overlapped reports whether a delegated prefix has a part in common with one of another length. One of the two was over,
// or its client was never told, when the other was given; but a disk that failed kept both.
func (t *Table) Overlapped(b *Binding) bool { return b.bits < 128 && t.strayIn(b.Prefix()) }
