package pool

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
)

// A number is an address as a number.
type number struct{ hi, lo uint64 }

func numberOf(a netip.Addr) number {
	b := a.As16()
	return number{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (n number) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.hi)
	binary.BigEndian.PutUint64(b[8:], n.lo)
	return netip.AddrFrom16(b)
}

// plus is n + i·2^shift; it wraps at the end of all addresses.
func (n number) plus(i uint64, shift int) number {
	var add number
	switch {
	case shift >= 64:
		add.hi = i << (shift - 64)
	case shift > 0:
		add = number{i >> (64 - shift), i << shift}
	default:
		add.lo = i
	}
	lo, carry := bits.Add64(n.lo, add.lo, 0)
	hi, _ := bits.Add64(n.hi, add.hi, carry)
	return number{hi, lo}
}

// minus is (n − m)/2^shift, at most math.MaxUint64. It wants n not below m.
func (n number) minus(m number, shift int) uint64 {
	lo, borrow := bits.Sub64(n.lo, m.lo, 0)
	hi, _ := bits.Sub64(n.hi, m.hi, borrow)
	switch {
	case shift >= 64:
		return hi >> (shift - 64)
	case shift > 0 && hi>>shift == 0:
		return hi<<(64-shift) | lo>>shift
	case shift == 0 && hi == 0:
		return lo
	}
	return math.MaxUint64
}
