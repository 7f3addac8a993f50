package listener

import (
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/ra"
)

// displaceFor makes room in the full list for a newcomer that is of more use than one that is there, so that
// strangers that come first cannot keep the NIC's own router out. What is of use is easily claimed, and a
// cloud's router may announce no prefix at all: default routers, and half of the places for each kind of
// claim, stay with those that have them. The youngest gives way:
//
//   - for one that says that an address of this NIC is on-link, any that says so of none;
//   - for a default router, or one that announces a prefix, one that is neither;
//   - for a default router, one that announces a prefix.
func (e *Engine) displaceFor(a *ra.Advertisement) bool {
	const half = MaxRouters / 2
	isDefault, announces := a.RouterLifetime > 0, slices.ContainsFunc(a.Prefixes, ofUse)
	serves := slices.ContainsFunc(a.Prefixes, func(p ra.Prefix) bool { return p.OnLink && p.Valid > 0 && e.prefixes.used(p.Prefix) })
	of := func(may func(router) bool) (n int) {
		for _, r := range e.routers {
			if may(r) {
				n++
			}
		}
		return n
	}
	serving := func(r router) bool { return e.serves(r.Addr) }
	switch {
	case serves && of(serving) < half:
		return e.displace("router gives way to one that announces this NIC's prefix", func(r router) bool { return !serving(r) })
	case (isDefault || announces) && e.displace(givesWay, func(r router) bool { return !r.Default && !e.announces(r.Addr) }):
		return true
	case isDefault && of(func(r router) bool { return r.Default }) < half:
		return e.displace(givesWay, func(r router) bool { return !r.Default && !serving(r) })
	}
	return false
}

const givesWay = "router gives way to one that is of more use"

// displace takes the youngest of those that may go out of the list, and reports whether there was one.
func (e *Engine) displace(why string, may func(router) bool) bool {
	for i := len(e.routers) - 1; i >= 0; i-- {
		if may(e.routers[i]) {
			e.event(why, e.routers[i].Addr)
			e.forget(i)
			return true
		}
	}
	return false
}

// ofUse says whether a prefix is announced for anything.
func ofUse(p ra.Prefix) bool { return (p.OnLink || p.Autonomous) && p.Valid > 0 }

// announces says whether the router has announced a prefix for anything.
func (e *Engine) announces(router netip.Addr) bool {
	return slices.ContainsFunc(e.prefixes.entries, func(p entry[netip.Prefix]) bool {
		return p.router == router && (p.said.ends[onLink] != 0 || p.said.ends[usable] != 0)
	})
}

// serves says whether the router has announced a prefix that holds an address of this NIC.
func (e *Engine) serves(router netip.Addr) bool {
	return slices.ContainsFunc(e.prefixes.entries, func(p entry[netip.Prefix]) bool {
		return p.router == router && p.said.ends[onLink] != 0 && e.prefixes.used(p.key)
	})
}
