package responder

import (
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/responder/pool"
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

	// Pool is what clients without a reservation get; the zero Pool gives them nothing.
	Pool Pool
	// Delegation is what clients that ask for prefixes get, with a reservation or without.
	Delegation Delegation

	// Parameters are for clients that ask for them and are not tagged nondefault6; Classes are for those whose
	// hosts line sets their tag, a later one over an earlier one.
	Parameters
	Classes []Class

	// Preferred and Valid are the lifetimes of addresses whose hosts line, or class, gives none; wire.Infinite for
	// ever. Preferred <= Valid.
	Preferred, Valid time.Duration

	// SOLMaxRT, INFMaxRT (60 s to 86,400 s) and InformationRefresh (600 s at least) are sent to
	// clients that ask for them; 0 sends none.
	SOLMaxRT, INFMaxRT, InformationRefresh time.Duration
}

// A Pool is the addresses of a network that are given to whoever asks.
type Pool struct {
	Ranges, Exclude pool.Ranges
	// Grace is how long an address is kept back after its valid lifetime, Declined how long it is set
	// aside after a client has found it in use.
	Grace, Declined time.Duration
	// Limit is how many may be out at one time, PerMAC how many of them one MAC may have, Rate how many
	// new ones a second are given; 0 for no limit.
	Limit, PerMAC, Rate uint64
}

// A Delegation is the prefixes of a network that are delegated (RFC 9915, section 6.3); none without Prefixes.
type Delegation struct {
	Prefixes, Exclude []netip.Prefix
	Length            int           // of what one client gets
	Grace             time.Duration // as in a Pool, and so the limits; Rate is the Pool's
	Limit, PerMAC     uint64
}

// pools are what the table of bindings is told of the network.
func (n *Network) pools() (out []pool.Config) {
	if p := &n.Pool; len(p.Ranges) > 0 {
		out = append(out, pool.Config{
			Network: n.Name, Ranges: p.Ranges, Exclude: p.Exclude, Bits: 128,
			Grace: p.Grace, Limit: p.Limit, PerMAC: p.PerMAC, Rate: p.Rate,
		})
	}
	if d := &n.Delegation; len(d.Prefixes) > 0 {
		out = append(out, pool.Config{
			Network: n.Name, Ranges: prefixRanges(d.Prefixes), Exclude: prefixRanges(d.Exclude), Bits: d.Length,
			Grace: d.Grace, Limit: d.Limit, PerMAC: d.PerMAC, Rate: n.Pool.Rate,
		})
	}
	return out
}

func prefixRanges(list []netip.Prefix) (out pool.Ranges) {
	for _, p := range list {
		out = append(out, pool.PrefixRange(p))
	}
	return out
}

// TagNonDefault is the tag of a hosts line whose NIC is not its machine's default one: it gets an
// address, but none of the Parameters.
const TagNonDefault = "nondefault6"
