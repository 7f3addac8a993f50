package listener

import (
	"net"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra"
)

// A Snapshot is what the routers on a link say, at one moment. It is the receiver's and never changes.
// Each end is a moment on CLOCK_BOOTTIME, clock.Never for what has none.
type Snapshot struct {
	// Heard says that a valid advertisement has come since the link was down last.
	Heard bool
	// Silent says that none has, although three solicitations went out and a second has gone since the
	// third: there seems to be no router (RFC 4861, section 6.3.7). Soliciting goes on.
	Silent bool

	// Managed (M) and Other (O) hold if they do for any router: addresses, or other settings, are
	// available by DHCPv6.
	Managed, Other bool

	Routers  []Router // in the order in which they appeared, as are the lists below but for DNS
	Prefixes []Prefix
	Routes   []Route
	// DNS and Search are in the order of RFC 8106, section 5.3: the latest to appear stand first.
	DNS    []Server
	Search []Domain
	PREF64 []PREF64

	// Link holds what can have but one value: the latest.
	Link Link

	// Advertisements counts valid ones, Solicitations those sent, Dropped what was not used, by reason.
	Advertisements, Solicitations uint64
	Dropped                       map[string]uint64
}

// A Router is one that advertises. One that is no default router is known until 90 minutes after its
// last advertisement, three times the longest interval of RFC 4861.
type Router struct {
	Addr netip.Addr       // link-local, without zone
	MAC  net.HardwareAddr // that it named; nil if it did not
	// Default says that it is a default router, until Until; then it is forgotten.
	Default    bool
	Until      clock.Instant
	Preference ra.Preference // as default router
	Managed    bool          // M
	Other      bool          // O
	Heard      clock.Instant // when its last advertisement came
	// Prefixes are those that it advertises, on-link, autonomous or neither (RFC 8028).
	Prefixes []netip.Prefix
	MTU      uint32 // that it announced last, in bytes; 0 for none
}

// A Prefix is one that routers advertise, link-local ones excepted.
type Prefix struct {
	Prefix netip.Prefix
	// OnLink says that its addresses are on the link, until OnLinkUntil (RFC 4861, section 6.3.4).
	OnLink      bool
	OnLinkUntil clock.Instant
	// Autonomous says that a host may make addresses in it (RFC 4862, section 5.5.3: lifetimes make
	// sense, the length is not looked at). PreferredUntil is 0 for
	// addresses that are deprecated. When a router withdraws the
	// prefix it is gone from here at once: the two-hour rule is the user's.
	Autonomous                 bool
	PreferredUntil, ValidUntil clock.Instant
	// Routers advertise it; one that is not known any more is left out. Those in OnLinkBy say that it is on-link.
	Routers, OnLinkBy []netip.Addr
}

// A Route is a more specific route through a router (RFC 4191). The listener keeps it for its user to
// see; a host may ignore it (type A and B hosts).
type Route struct {
	Prefix     netip.Prefix
	Router     netip.Addr // the zero Addr if it is not known any more
	Preference ra.Preference
	Until      clock.Instant
}

// A Server is a DNS server (RFC 8106, section 5.1). A link-local one is meant on this NIC.
type Server struct {
	Addr  netip.Addr
	Until clock.Instant
}

// A Domain is a DNS search domain (RFC 8106, section 5.2).
type Domain struct {
	Name  string // without the final dot; checked (ra.CheckName)
	Until clock.Instant
}

// A PREF64 is a NAT64 prefix (RFC 8781).
type PREF64 struct {
	Prefix netip.Prefix
	Until  clock.Instant
}

// A Link is what advertisements say about the link as a whole; zero where none said anything.
type Link struct {
	HopLimit                    uint8
	ReachableTime, RetransTimer time.Duration
	MTU                         uint32 // 1,280 at least, and not more than Config.MTU
}
