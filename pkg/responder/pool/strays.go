package pool

import "net/netip"

// strays are the delegated prefixes that are in no pool any more, most likely since another length is
// delegated now: until their time has come, nothing that overlaps one is given out.
type strays struct {
	count [128]int             // by their lengths
	bits  []int                // the lengths that pools delegate
	in    map[netip.Prefix]int // how many are in a prefix of such a length; 0 is not kept
}

func newStrays(pools map[key]*Pool) strays {
	s := strays{in: map[netip.Prefix]int{}}
	for k, p := range pools {
		if k.delegated {
			s.bits = append(s.bits, p.Bits)
		}
	}
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
			continue
		}
		p := netip.PrefixFrom(b.Addr(), bits).Masked()
		if s.in[p] += n; s.in[p] == 0 {
			delete(s.in, p)
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
