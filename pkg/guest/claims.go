package guest

import (
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// claims are those of the other NICs.
func (a *Agent) claims(index int) []listener.Claim {
	return a.claimsBy(func(c nicClaim) bool { return c.nic != index })
}

// onLinkClaims are those of them that stand in the way of a route to a prefix that holds an address of the
// NIC. Addresses that the kernel made of whatever was announced do not. On the default NIC only another's
// network does: an address of its network may be on another NIC too, and a server that another names may
// be anywhere, also there.
func (a *Agent) onLinkClaims(index int, role Role) []listener.Claim {
	return a.claimsBy(func(c nicClaim) bool {
		return c.nic != index && !c.autoconf && (c.network || role != RoleDefault)
	})
}

// claimsBy are the claims that count. The slice is valid until the next call.
func (a *Agent) claimsBy(counts func(nicClaim) bool) []listener.Claim {
	if a.claimed.of == nil || a.claimed.version != a.world.version {
		a.claimed.of, a.claimed.version = a.allClaims(), a.world.version
	}
	a.claimed.others = a.claimed.others[:0]
	for _, c := range a.claimed.of {
		if counts(c) {
			a.claimed.others = append(a.claimed.others, c.Claim)
		}
	}
	return a.claimed.others
}

// claimed keeps the claims of all NICs while the agent looks at one after the other: with many NICs
// collecting them for each is most of the work.
type claimed struct {
	of      []nicClaim // nil when they have to be collected
	version uint64     // of the world that they were collected from
	others  []listener.Claim
}

type nicClaim struct {
	nic      int // its index
	autoconf bool
	network  bool // an on-link prefix with an address of the NIC
	listener.Claim
}

// allClaims are the addresses, prefixes and servers of each NIC: what the networks of others may not
// announce as their own (decision 4). A prefix counts where the NIC has an address in it: any is easily
// announced.
func (a *Agent) allClaims() []nicClaim {
	out := []nicClaim{}
	add := func(p netip.Prefix, what string, c nicClaim) {
		if p.IsValid() && p.Addr().IsGlobalUnicast() && p.Addr().Is6() {
			c.Claim = listener.Claim{Prefix: p, Of: what + " of " + a.world.nics[c.nic].Name}
			out = append(out, c)
		}
	}
	for _, nic := range a.world.list() {
		var own []netip.Addr
		for _, x := range a.world.addresses(nic.Index) {
			add(x.Prefix(), "address", nicClaim{nic: nic.Index, autoconf: x.Autoconf()})
			if !x.Autoconf() {
				own = append(own, x.Addr)
			}
		}
		for _, r := range a.world.onLinkRoutes(nic.Index) {
			if slices.ContainsFunc(own, r.Dst.Contains) {
				add(r.Dst, "on-link prefix", nicClaim{nic: nic.Index, network: true})
			}
		}
		if n := a.nics[nic.Index]; n != nil && n.leaser != nil {
			for _, s := range n.leaser.host.serverAddrs() {
				add(netip.PrefixFrom(s, s.BitLen()), "server", nicClaim{nic: nic.Index})
			}
		}
	}
	return out
}
