package guest

import (
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// onLinkClaims are the claims of other NICs that stand in the way of a route to a prefix that holds an
// address of this one; routed says that it has the route. Nothing stands in the way of the default NIC: the
// way out is in its network, whoever on another one claims that first. On a secondary NIC what others claim
// counts for new routes, so that nobody takes one away by claiming what is in it, but for the default NIC's
// network.
func (n *managedNIC) onLinkClaims(routed bool) []listener.Claim {
	if n.plan.Role == RoleDefault {
		return nil
	}
	return n.othersClaims(!routed)
}

// slaacClaims are those that stand in the way of an address that the NIC is to make of the prefix; made says
// that it has the address. A default NIC with any address needs no other that somebody else may have a right
// to, but on one link nobody claims another's; and one without takes what another has only at the word of a
// default router.
func (n *managedNIC) slaacClaims(p listener.Prefix, made bool) []listener.Claim {
	switch {
	case n.plan.Role != RoleDefault:
		return n.othersClaims(!made)
	case made:
		return nil
	case !announcedByDefault(n.hearing.heard, p):
		return n.othersClaims(true)
	case len(n.ownAddresses()) == 0:
		return nil
	}
	return n.a.claimsBy(func(c nicClaim) bool {
		return c.nic != n.nic.Index && !c.autoconf && !n.a.world.hears(c.nic, p.Routers)
	})
}

// othersClaims are those of the other NICs, or of the default NIC alone: of its network, and of its addresses
// where no router says that they are in it, but for what only this NIC's default router announces.
func (n *managedNIC) othersClaims(all bool) []listener.Claim {
	return n.a.claimsBy(func(c nicClaim) bool {
		switch {
		case c.nic == n.nic.Index || c.autoconf:
			return false
		case all:
			return true
		}
		return n.a.isDefault(c.nic) && (c.network || c.entitled && n.a.world.onlySecondarys(c.Prefix.Addr()) == "")
	})
}

// isDefault says whether the NIC of that index is the default one.
func (a *Agent) isDefault(index int) bool {
	n := a.nics[index]
	return n != nil && n.plan.Role == RoleDefault
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
	entitled bool // an address that the NIC has leased or made
	listener.Claim
}

// allClaims are the addresses, prefixes and servers of each NIC: what the networks of others may not
// announce as their own (decision 4). A prefix counts where the NIC has an address in it: any is easily
// announced. Addresses that the kernel made count on the default NIC alone, where a default router announces
// their network now: else they may be of anybody's word. What a NIC is about to get back, since it is down or
// somebody took it off, is still its own.
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
			autoconf := x.Autoconf() && (!a.isDefault(nic.Index) || !a.world.announces(nic.Index, x.Addr))
			add(x.Prefix(), "address", nicClaim{nic: nic.Index, autoconf: autoconf})
			if !autoconf {
				own = append(own, x.Addr)
			}
		}
		n := a.nics[nic.Index]
		if n != nil {
			for _, addr := range n.entitled() {
				add(netip.PrefixFrom(addr, addr.BitLen()), "address", nicClaim{nic: nic.Index, entitled: true})
				own = append(own, addr)
			}
		}
		for _, p := range a.networks(nic.Index, n, own) {
			add(p, "on-link prefix", nicClaim{nic: nic.Index, network: true})
		}
		if n != nil && n.leaser != nil {
			for _, s := range n.leaser.host.serverAddrs() {
				add(netip.PrefixFrom(s, s.BitLen()), "server", nicClaim{nic: nic.Index})
			}
		}
	}
	return out
}

// entitled are the addresses that the NIC has leased or made, be they on it at the moment or not.
func (n *managedNIC) entitled() (out []netip.Addr) {
	for addr := range n.slaac.have {
		out = append(out, addr)
	}
	if n.leaser != nil {
		for addr := range n.leaser.host.leased() {
			out = append(out, addr)
		}
	}
	return out
}

// networks are the prefixes with an own address that have an on-link route, or for which the default NIC's
// routers want one.
func (a *Agent) networks(index int, n *managedNIC, own []netip.Addr) (out []netip.Prefix) {
	for _, r := range a.world.onLinkRoutes(index) {
		if slices.ContainsFunc(own, r.Dst.Contains) {
			out = append(out, r.Dst)
		}
	}
	if n == nil || n.hearing == nil || n.plan.Role != RoleDefault {
		return out
	}
	for _, v := range listener.OnLink(n.hearing.heard.Prefixes, own, nil) {
		if v.Install && !slices.Contains(out, v.Prefix) {
			out = append(out, v.Prefix)
		}
	}
	return out
}
