package guest

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// A SourceRouting says whether answers leave by the NIC that they came in on (decision 4).
type SourceRouting string

// The modes of source routing.
const (
	SourceAuto SourceRouting = "auto" // for addresses whose prefix not every default router calls on-link: they could reach nothing otherwise
	SourceYes  SourceRouting = "yes"
	SourceNo   SourceRouting = "no"
)

const (
	// sourcePriority is where the rules stand: after everybody's own, before the main table's (32766).
	sourcePriority = 32000
	// The tables of v6guest are sourceTables and the following: the DHCPv6 client's port, and the index of
	// the NIC in the last six digits.
	sourceTables = 546_000_000
	tablesOfNICs = 1_000_000 // that a table's number has room for
	tableTries   = 10        // numbers that a NIC's table may have
	// maxSourceAddrs bounds the rules of one NIC.
	maxSourceAddrs = 16
)

var linkLocalPrefix = netip.MustParsePrefix("fe80::/64")

// sourceFacts is what the choice rests on.
type sourceFacts struct {
	mode      SourceRouting
	secondary bool
	routers   []listener.Router // that count
	prefixes  []listener.Prefix // as heard
	onLink    []netip.Prefix    // that the NIC has a route to
	addrs     []netip.Addr      // that are the NIC's to keep
}

// A sourcePlan is what leaves by the NIC because of where it comes from.
type sourcePlan struct {
	addrs   []netip.Addr
	onLink  []netip.Prefix
	routers []listener.Router // none where addrs is empty
	why     string            // the chain of reasons, in one line; "" on the default NIC
}

// planSource decides. It is pure.
func planSource(f sourceFacts, now clock.Instant) sourcePlan {
	if !f.secondary {
		return sourcePlan{}
	}
	why := "source_routing = " + string(f.mode)
	if f.mode == SourceNo {
		return sourcePlan{why: why}
	}
	routers := slices.DeleteFunc(slices.Clone(f.routers), func(r listener.Router) bool { return !r.Default || r.Until <= now })
	if len(routers) == 0 {
		return sourcePlan{why: why + ": no default router is heard"}
	}
	addrs := slices.Clone(f.addrs)
	if f.mode == SourceAuto {
		addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return f.reachesNeighbours(routers, a) })
	}
	switch {
	case len(f.addrs) == 0:
		return sourcePlan{why: why + ": no address yet"}
	case len(addrs) == 0:
		return sourcePlan{why: why + ": all default routers call the address's prefix on-link"}
	case f.mode == SourceAuto:
		why += ": not all default routers call the address's prefix on-link, or there is no route to it"
	}
	if more := len(addrs) - maxSourceAddrs; more > 0 {
		addrs, why = addrs[:maxSourceAddrs], fmt.Sprintf("%s; %d addresses are too many", why, more)
	}
	return sourcePlan{addrs: addrs, onLink: append([]netip.Prefix{linkLocalPrefix}, f.onLink...), routers: routers, why: why}
}

// reachesNeighbours says whether the address's neighbours are on the link, each default router says so, and they
// are reached by the NIC: then answers need no table. One router's word is not enough, since a neighbour who is
// none can give it too; a table too many does no harm.
func (f sourceFacts) reachesNeighbours(routers []listener.Router, addr netip.Addr) bool {
	if !slices.ContainsFunc(f.onLink, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return false
	}
	for _, r := range routers {
		if !slices.ContainsFunc(f.prefixes, func(p listener.Prefix) bool { return p.Prefix.Contains(addr) && slices.Contains(p.OnLinkBy, r.Addr) }) {
			return false
		}
	}
	return true
}

// routes are the routes of the plan's table, with when they end.
func (p *sourcePlan) routes(index, table int) map[routeKey]sourceRoute {
	out := map[routeKey]sourceRoute{}
	add := func(r link.Route, until clock.Instant) {
		r.Index, r.Table, r.Protocol = index, table, link.ProtoDHCP
		out[keyOf(r)] = sourceRoute{r, until}
	}
	for _, prefix := range p.onLink {
		add(link.Route{Dst: prefix, Metric: link.DefaultMetric}, clock.Never)
	}
	for _, router := range p.routers {
		add(defaultThrough(router.Addr, router.Preference), router.Until)
	}
	return out
}

// A sourceRoute is a route of a table of ours.
type sourceRoute struct {
	route link.Route
	until clock.Instant
}

// defaultThrough is the default route through a router. Preferences are metrics too: routes of one metric
// would share the traffic (RFC 4191, section 3.2 has the preferred router take all of it).
func defaultThrough(router netip.Addr, preference ra.Preference) link.Route {
	r := link.Route{Dst: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Gateway: router, Metric: link.DefaultMetric}
	switch preference {
	case ra.High:
		r.Preference, r.Metric = link.PreferenceHigh, link.DefaultMetric-1
	case ra.Medium:
	case ra.Low:
		r.Preference, r.Metric = link.PreferenceLow, link.DefaultMetric+1
	}
	return r
}

// chooseTable is the number of a NIC's table: the first of its own that nobody else uses, 0 if there is none.
func chooseTable(index int, others map[int]bool) int {
	for try := range tableTries {
		if t := sourceTables + try*tablesOfNICs + index%tablesOfNICs; !others[t] {
			return t
		}
	}
	return 0
}

// ownTable says whether a table is one of ours, and of which NIC.
func ownTable(table int) (index int, ours bool) {
	if table < sourceTables || table >= sourceTables+tableTries*tablesOfNICs {
		return 0, false
	}
	return table % tablesOfNICs, true
}

// sourceTableOf says whether the rule is one of ours, and of which NIC.
func sourceTableOf(r link.Rule) (index int, ours bool) {
	if r.Priority != sourcePriority || r.Protocol != link.ProtoDHCP && r.Protocol != 0 {
		return 0, false
	}
	return ownTable(r.Table)
}
