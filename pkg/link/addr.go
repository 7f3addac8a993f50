package link

import (
	"net/netip"
	"time"
)

// An Addr is an IPv6 address on a NIC.
type Addr struct {
	Index int // of the NIC
	Addr  netip.Addr
	Bits  int // prefix length: 128 for what InstallAddress makes

	Tentative   bool // duplicate address detection has not ended (or failed, see DADFailed)
	DADFailed   bool // another node has the address (RFC 4862, section 5.4.5)
	Optimistic  bool // usable while still tentative (RFC 4429)
	Deprecated  bool // its preferred lifetime is over
	Permanent   bool // its valid lifetime is infinite
	Temporary   bool // a privacy address made by the kernel (RFC 8981)
	ManagedTemp bool // template of temporary addresses; the kernel sets it on its autoconf addresses
	NoPrefix    bool // it makes no prefix route (IFA_F_NOPREFIXROUTE)

	// Preferred and Valid are what was left when the kernel told it; wire.Infinite for ever.
	Preferred, Valid time.Duration
	// Origin says who made the address, where the kernel (from 5.18 on) tells.
	Origin Origin
}

// Prefix is the prefix of the address by its length.
func (a Addr) Prefix() netip.Prefix { return netip.PrefixFrom(a.Addr, a.Bits).Masked() }

// Usable reports whether a socket can be bound to the address: duplicate address detection is done,
// or need not be waited for.
func (a Addr) Usable() bool { return !a.DADFailed && (!a.Tentative || a.Optimistic) }

// Autoconf reports whether the kernel made the address from a Router Advertisement (RFC 4862 or
// RFC 8981). An address that InstallAddress has taken over is not one any more. Kernels before 5.18
// do not tell the origin: there, it is an address with the flags that only the kernel's
// autoconfiguration gives together.
func (a Addr) Autoconf() bool {
	if a.NoPrefix || !a.Addr.IsGlobalUnicast() {
		return false
	}
	return a.Origin == OriginRA || a.Temporary || a.ManagedTemp && !a.Permanent
}

// An Origin is the maker of an address (IFA_PROTO).
type Origin uint8

// The origins that the kernel itself gives; others are whatever user space wrote.
const (
	OriginUnknown   Origin = 0 // user space, or a kernel that does not tell
	OriginLoopback  Origin = 1
	OriginRA        Origin = 2 // autoconfigured from a Router Advertisement
	OriginLinkLocal Origin = 3 // the kernel's own link-local address
)
