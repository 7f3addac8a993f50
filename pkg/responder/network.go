package responder

import (
	"net/netip"
	"time"
)

// An Identity says by what a client is known (decision 9 of the design).
type Identity string

// The identities.
const (
	// IdentityDUID: by the MAC in its DUID-LL, which must also be the frame's source MAC (or the one
	// that a trusted relay names), unless EngineConfig.AnyFrame; or by another DUID that a hosts line
	// names.
	IdentityDUID Identity = "duid"
	// IdentityFrame: by the frame's source MAC, or the one that a trusted relay names, whatever the DUID.
	IdentityFrame Identity = "frame"
)

// An Assign says where a network's reservations come from.
type Assign string

// The ways to assign.
const (
	AssignHosts Assign = "hosts" // lines of the hosts file only
	AssignEUI64 Assign = "eui64" // prefix and MAC make the address, unless a hosts line says another
)

// A Network is one link that is served.
type Network struct {
	Name string // in the configuration
	// Interface is the name of the NIC on the link; "" for a link that is reached through relays only.
	Interface string
	// Prefix is the link's: /64 unless the operator insists on another.
	Prefix netip.Prefix
	Assign Assign

	// DNS, Search and NTP are for clients that ask for them and are not tagged nondefault6.
	DNS    []netip.Addr
	Search []string
	NTP    []netip.Addr

	// Preferred and Valid are the lifetimes of addresses whose hosts line gives none; wire.Infinite for
	// ever. Preferred <= Valid.
	Preferred, Valid time.Duration

	// SOLMaxRT, INFMaxRT (60 s to 86,400 s) and InformationRefresh (600 s at least) are sent to
	// clients that ask for them; 0 sends none.
	SOLMaxRT, INFMaxRT, InformationRefresh time.Duration
}

// TagNonDefault is the tag of a hosts line whose NIC is not its machine's default one: it gets an
// address, but no DNS servers, search domains or time servers.
const TagNonDefault = "nondefault6"
