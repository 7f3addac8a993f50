package pool

import (
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"strings"
)

// A Range is the addresses from First to Last, both of them in it.
type Range struct{ First, Last netip.Addr }

// ParseRange reads FIRST-LAST, or one address.
func ParseRange(s string) (Range, error) {
	first, last, two := strings.Cut(s, "-")
	if !two {
		last = first
	}
	r := Range{}
	var err error
	if r.First, err = parseAddr(first); err != nil {
		return Range{}, err
	}
	if r.Last, err = parseAddr(last); err != nil {
		return Range{}, err
	}
	if r.Last.Less(r.First) {
		return Range{}, fmt.Errorf("%.100q ends before it begins; write the lower address first", s)
	}
	return r, nil
}

func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" || a.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("%.60q is no IPv6 address; write a range as 2001:db8:1::1000-2001:db8:1::1fff", s)
	}
	return a, nil
}

// PrefixRange is all addresses of a prefix.
func PrefixRange(p netip.Prefix) Range {
	last := p.Masked().Addr().As16()
	for i := p.Bits(); i < 128; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	return Range{p.Masked().Addr(), netip.AddrFrom16(last)}
}

// String is FIRST-LAST.
func (r Range) String() string { return r.First.String() + "-" + r.Last.String() }

// Contains reports whether the address is in the range.
func (r Range) Contains(a netip.Addr) bool { return !a.Less(r.First) && !r.Last.Less(a) }

// Overlaps reports whether the ranges have an address in common.
func (r Range) Overlaps(o Range) bool { return r.Contains(o.First) || o.Contains(r.First) }

// Size is how many addresses are in the range, at most math.MaxUint64.
func (r Range) Size() uint64 { return r.size(0) }

// size is how many prefixes of 128-shift bits fit.
func (r Range) size(shift int) uint64 {
	n := numberOf(r.Last).minus(numberOf(r.First), shift)
	if n == math.MaxUint64 {
		return n
	}
	return n + 1
}

// Ranges are several; none overlaps another.
type Ranges []Range

// Contains reports whether the address is in one of them.
func (rs Ranges) Contains(a netip.Addr) bool {
	for _, r := range rs {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

// Size is how many addresses are in them, at most math.MaxUint64.
func (rs Ranges) Size() uint64 { return rs.size(0) }

func (rs Ranges) size(shift int) uint64 {
	var sum, carry uint64
	for _, r := range rs {
		if sum, carry = bits.Add64(sum, r.size(shift), 0); carry != 0 {
			return math.MaxUint64
		}
	}
	return sum
}

// within is how many prefixes of 128-shift bits have a part in common with p.
func (rs Ranges) within(p netip.Prefix, shift int) (n uint64) {
	all := PrefixRange(p)
	for _, r := range rs {
		if !r.Overlaps(all) {
			continue
		}
		if r.First.Less(all.First) {
			r.First = all.First
		}
		if all.Last.Less(r.Last) {
			r.Last = all.Last
		}
		n += r.size(shift)
	}
	return n
}

// at is the i-th address, counted in steps of 2^shift.
func (rs Ranges) at(i uint64, shift int) netip.Addr {
	for _, r := range rs {
		n := r.size(shift)
		if i < n {
			return numberOf(r.First).plus(i, shift).addr()
		}
		i -= n
	}
	return netip.Addr{}
}

// index is the inverse of at.
func (rs Ranges) index(a netip.Addr, shift int) (i uint64, ok bool) {
	for _, r := range rs {
		if r.Contains(a) {
			n := numberOf(a).minus(numberOf(r.First), shift)
			return i + n, numberOf(r.First).plus(n, shift) == numberOf(a)
		}
		i += r.size(shift)
	}
	return 0, false
}
