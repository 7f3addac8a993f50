package ra

import (
	"net"
	"net/netip"
	"time"
)

// Infinite is the lifetime that is written 0xffffffff on the wire: it never ends (RFC 4861, section
// 4.6.2). Every finite lifetime is shorter. A moment made from it is clock.Never.
const Infinite = 0xffffffff * time.Second

// An Advertisement is a Router Advertisement (RFC 4861, section 4.2). Options that are absent have
// the zero value. Nothing in it refers to the packet that it was read from.
type Advertisement struct {
	HopLimit       uint8         // that hosts should send with; 0 says nothing
	Managed        bool          // M: addresses are available by DHCPv6
	Other          bool          // O: other settings are available by DHCPv6
	Preference     Preference    // of the router as default router (RFC 4191, section 2.2)
	RouterLifetime time.Duration // as default router, in seconds up to 65,535; 0: it is none
	ReachableTime  time.Duration // in milliseconds; 0 says nothing
	RetransTimer   time.Duration // in milliseconds; 0 says nothing

	MTU             uint32           // of the link; 0 when absent
	SourceLinkLayer net.HardwareAddr // six bytes; nil when absent

	Prefixes []Prefix // option 3, in the order of the packet, as are all lists
	Routes   []Route  // option 24
	RDNSS    []RDNSS  // option 25
	DNSSL    []DNSSL  // option 31
	PREF64   []PREF64 // option 38

	// Flaws says which options were left out on reading and why (at most MaxFlaws).
	Flaws []Flaw
}

// A Prefix is a Prefix Information option (RFC 4861, section 4.6.2).
type Prefix struct {
	Prefix     netip.Prefix // without host bits
	OnLink     bool         // L: its addresses are on the link. Without it nothing is said about that.
	Autonomous bool         // A: hosts may make addresses in it (RFC 4862)
	// Preferred and Valid count from reception, in seconds; Infinite means for ever. Reading does not
	// ensure Preferred <= Valid; Marshal does.
	Preferred, Valid time.Duration
}

// A Route is a Route Information option (RFC 4191, section 2.3).
type Route struct {
	Prefix     netip.Prefix // without host bits
	Preference Preference
	Lifetime   time.Duration // in seconds; 0 withdraws the route, Infinite means for ever
}

// An RDNSS is a Recursive DNS Server option (RFC 8106, section 5.1).
type RDNSS struct {
	Lifetime time.Duration // in seconds; 0 withdraws the servers, Infinite means for ever
	Servers  []netip.Addr  // at least one; unicast, no loopback, no zone
}

// A DNSSL is a DNS Search List option (RFC 8106, section 5.2).
type DNSSL struct {
	Lifetime time.Duration // in seconds; 0 withdraws the domains, Infinite means for ever
	Domains  []string      // at least one; without the final dot, fit for a resolver's file (CheckName)
}

// A PREF64 is the prefix of a NAT64 (RFC 8781, section 4).
type PREF64 struct {
	Prefix   netip.Prefix  // of 32, 40, 48, 56, 64 or 96 bits, without host bits
	Lifetime time.Duration // in units of 8 s up to 65,528 s; Marshal rounds up; 0 withdraws it
}

// A Solicitation is a Router Solicitation (RFC 4861, section 4.1).
type Solicitation struct {
	SourceLinkLayer net.HardwareAddr // six bytes; nil when absent
	Flaws           []Flaw           // as an Advertisement's
}

// A Preference is that of a router or route (RFC 4191, section 2.1). The zero value is medium.
type Preference int8

// The preferences; a higher one wins.
const (
	Low    Preference = -1
	Medium Preference = 0
	High   Preference = 1
)

// String writes the preference as configuration files do.
func (p Preference) String() string {
	switch {
	case p < Medium:
		return "low"
	case p > Medium:
		return "high"
	}
	return "medium"
}

// A Flaw is an option that was left out on reading.
type Flaw struct {
	Option uint8  // its type
	Reason string // constant text
}

// MaxFlaws is how many flaws of a packet are described; the rest is left out in silence.
const MaxFlaws = 8

// MaxOptions is how many options of a packet are read; the rest is left out, with a flaw.
const MaxOptions = 128

// Types of ICMPv6 messages (RFC 4861, section 4).
const (
	TypeSolicitation  = 133
	TypeAdvertisement = 134
)

// The groups that advertisements and solicitations are sent to.
var (
	AllNodes   = netip.AddrFrom16([16]byte{0xff, 2, 15: 1}) // ff02::1
	AllRouters = netip.AddrFrom16([16]byte{0xff, 2, 15: 2}) // ff02::2
)
