package link

import (
	"net/netip"
	"time"
)

// A Protocol is the maker of a route (rtm_protocol). v6guest marks its own with ProtoDHCP.
type Protocol uint8

// The protocols that v6guest tells apart.
const (
	ProtoKernel Protocol = 2  // made by the kernel, with an address or from an RA's prefix
	ProtoBoot   Protocol = 3  // made by hand or by a script
	ProtoStatic Protocol = 4  // configured by an administrator
	ProtoRA     Protocol = 9  // from a Router Advertisement: the kernel's, networkd's, NetworkManager's
	ProtoDHCP   Protocol = 16 // from DHCP: ours
)

// A Preference is that of a router (RFC 4191, section 2.1).
type Preference uint8

// The values of RFC 4191; the zero value is what a route has when nothing is said.
const (
	PreferenceMedium Preference = 0
	PreferenceHigh   Preference = 1
	PreferenceLow    Preference = 3
)

const (
	// TableMain is the routing table that the kernel asks when no rule says otherwise.
	TableMain = 254
	// DefaultMetric is what the kernel gives an IPv6 route without a metric.
	DefaultMetric = 1024
)

// A Route is one way to a destination: one next hop. A route with several next hops (multipath, or a
// nexthop group) is as many Routes, so that each is judged by its own NIC.
type Route struct {
	Index   int          // of the NIC that the way leads through
	Dst     netip.Prefix // ::/0 or 0.0.0.0/0 for a default route
	Gateway netip.Addr   // the zero Addr: on-link
	// Metric orders routes to one destination, lower first. InstallRoute takes 0 as DefaultMetric,
	// RemoveRoute as any.
	Metric   int
	Protocol Protocol
	Table    int // 0 counts as TableMain
	// Preference is the router's, of an IPv6 default route.
	Preference Preference
	// Expires is what was left, when the kernel told it, until the kernel removes the route; 0 for
	// never. The kernel looks for expired routes every 30 s only (gc_interval).
	Expires time.Duration
	Source  netip.Addr // preferred source address; the zero Addr for none

	Multipath bool   // one of several next hops
	NextHopID uint32 // of the nexthop object that the route is made of; 0 for none
	Dead      bool   // not in use now: NIC down or without carrier
}

// Default reports whether the route leads anywhere (destination length 0).
func (r Route) Default() bool { return r.Dst.Bits() == 0 }

// OnLink reports whether the destination's nodes are reached without a router.
func (r Route) OnLink() bool { return !r.Gateway.IsValid() }
