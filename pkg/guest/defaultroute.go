package guest

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// defaultRoutes are those that v6guest has through a NIC whose Router Advertisements it processes itself
// (ra = agent), by router.
type defaultRoutes struct {
	have map[netip.Addr]defaultRoute
	mend backoff // of routes that others remove
	at   clock.Instant
}

// A defaultRoute is one as it was installed last.
type defaultRoute struct {
	until      clock.Instant // of the router's lifetime
	preference ra.Preference
}

const installDefault = "install the default route"

// tendDefaults makes the default routes be what routers say now. They end with the routers' lifetimes,
// also when the agent is gone. It compares with the kernel's state, so that a route that somebody
// removes comes back, with pauses.
func (n *managedNIC) tendDefaults(ctx context.Context, now clock.Instant) {
	d := &n.defaults
	d.at = clock.Never
	want := n.wantDefaults(now)
	for router, r := range d.have {
		if w, ok := want[router]; !ok || w.preference != r.preference {
			n.dropDefault(ctx, router, r)
		}
	}
	n.park(ctx)
	n.dropStrangers(ctx, want)
	for _, router := range sortedAddrs(want) {
		n.putDefault(ctx, now, router, want[router])
	}
}

// sortedAddrs are the keys of m in order.
func sortedAddrs[V any](m map[netip.Addr]V) []netip.Addr {
	out := make([]netip.Addr, 0, len(m))
	for a := range m {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

// wantDefaults are the routers that are to have a default route.
func (n *managedNIC) wantDefaults(now clock.Instant) map[netip.Addr]defaultRoute {
	if n.plan.RA != RAAgent || n.hearing == nil || !n.nic.Up {
		return nil
	}
	want := map[netip.Addr]defaultRoute{}
	for _, r := range n.hearing.heard.Routers {
		if n.mayBeDefault(r, now) {
			want[r.Addr] = defaultRoute{r.Until, r.Preference}
		}
	}
	return want
}

// putDefault installs the route of a router, or sets its end anew.
func (n *managedNIC) putDefault(ctx context.Context, now clock.Instant, router netip.Addr, want defaultRoute) {
	d := &n.defaults
	had, known := d.have[router]
	there := n.hasDefault(router)
	if known && there && had == want {
		return
	}
	if !there && (known || n.problems[installDefault] != nil) { // somebody took it away, or it could not be made
		if at := d.mend.at(now); now.Before(at) {
			d.at = min(d.at, at)
			return
		}
		n.repaired(&d.mend, now, "default route")
	}
	r := n.defaultRoute(router, want)
	if want.until != clock.Never {
		r.Expires = max(want.until.Sub(now), time.Second)
	}
	err := n.a.sys.InstallRoute(ctx, r)
	n.problem(installDefault, err)
	if err != nil {
		d.at = min(d.at, max(d.mend.at(now), now.Add(shortestPause)))
		return
	}
	if !known {
		n.heardLine(slog.LevelInfo, "default route installed", "router", router, "preference", want.preference)
	}
	if d.have == nil {
		d.have = map[netip.Addr]defaultRoute{}
	}
	d.have[router] = want
	n.a.world.see(link.RouteChanged{Route: r}) // the kernel's own word comes later
}

// defaultRoute is the route through a router.
func (n *managedNIC) defaultRoute(router netip.Addr, d defaultRoute) link.Route {
	r := defaultThrough(router, d.preference)
	r.Index, r.Protocol, r.Table = n.nic.Index, link.ProtoDHCP, link.TableMain
	return r
}

// hasDefault says whether the kernel has a default route through the router, whoever made it.
func (n *managedNIC) hasDefault(router netip.Addr) bool {
	return slices.ContainsFunc(n.a.world.ipv6Defaults(n.nic.Index), func(r link.Route) bool { return r.Gateway == router })
}

// dropDefault removes the route of a router that is none any more.
func (n *managedNIC) dropDefault(ctx context.Context, router netip.Addr, d defaultRoute) {
	r := n.defaultRoute(router, d)
	err := n.a.sys.RemoveRoute(ctx, r)
	n.problem("remove a default route", err)
	if err == nil {
		delete(n.defaults.have, router)
		n.a.world.see(link.RouteGone{Route: r})
		n.heardLine(slog.LevelInfo, "default route removed", "router", router)
	}
}

// dropStrangers removes the default routes that the kernel or a stack made of Router Advertisements
// earlier, or an earlier agent, where they must not be any more.
func (n *managedNIC) dropStrangers(ctx context.Context, want map[netip.Addr]defaultRoute) {
	for _, r := range n.a.world.ipv6Defaults(n.nic.Index) {
		if _, wanted := want[r.Gateway]; wanted || !n.stray(r) {
			continue
		}
		err := n.a.sys.RemoveRoute(ctx, r)
		n.problem("remove a default route of others", err)
		if err == nil {
			n.removed++
			n.a.world.see(link.RouteGone{Route: r})
			n.heardLine(slog.LevelInfo, "default route of others removed", "router", r.Gateway)
		}
	}
}

// stray says whether a default route must not be any more: its router is not pinned, or has said since that
// it is none. One of an earlier agent's must not be on a secondary NIC either, nor beside the route that
// whoever processes advertisements now has made of the same router.
func (n *managedNIC) stray(r link.Route) bool {
	switch {
	case r.Protocol == link.ProtoRA:
		return n.disowned(r.Gateway)
	case !ownDefault(r):
		return false
	case n.plan.Role == RoleSecondary:
		return true
	case n.plan.RA == RAAgent:
		return n.disowned(r.Gateway)
	}
	return n.saysNone(r.Gateway) || slices.ContainsFunc(n.a.world.ipv6Defaults(n.nic.Index), func(o link.Route) bool {
		return o.Protocol == link.ProtoRA && o.Gateway == r.Gateway
	})
}

// parkedMetric is that of an earlier agent's default routes that wait for those of whoever processes Router
// Advertisements now: worse than any of theirs.
const parkedMetric = link.DefaultMetric + 2

// park makes room for the default routes of whoever processes Router Advertisements now. In the way of the
// kernel's would be an earlier agent's of the same metric: the kernel renews that one, does not count it as
// its own, and lets it stay when the router is none any more. Until routers have answered there is a route.
func (n *managedNIC) park(ctx context.Context) {
	if n.plan.Role != RoleDefault || n.plan.RA != RAKernel && n.plan.RA != RAStack || !n.nic.Up {
		return
	}
	for _, r := range n.a.world.ipv6Defaults(n.nic.Index) {
		if !ownDefault(r) || r.Metric == parkedMetric {
			continue
		}
		parked := r
		parked.Metric, parked.Preference = parkedMetric, link.PreferenceMedium
		err := n.a.sys.InstallRoute(ctx, parked)
		if err == nil {
			n.a.world.see(link.RouteChanged{Route: parked})
			err = n.a.sys.RemoveRoute(ctx, r)
		}
		n.problem("hand a default route over", err)
		if err != nil {
			continue
		}
		n.a.world.see(link.RouteGone{Route: r})
		n.solicit = true
		n.heardLine(slog.LevelInfo, "default route of an earlier run waits to be replaced", "router", r.Gateway)
	}
}

// ownDefault says whether a default route is as putDefault or park makes them. Nothing else in DHCPv6 makes one.
func ownDefault(r link.Route) bool {
	return r.Protocol == link.ProtoDHCP && r.Gateway.IsLinkLocalUnicast() &&
		r.Metric >= link.DefaultMetric-1 && r.Metric <= parkedMetric
}

// disowned says whether a router must not be a default router: it is not pinned, or says itself that it
// is none. One that has not been heard yet may be one.
func (n *managedNIC) disowned(router netip.Addr) bool {
	if n.plan.RA != RAAgent {
		return false
	}
	if !n.plan.Settings.acceptsRouter(router) {
		return true
	}
	return n.saysNone(router)
}

// saysNone says whether a router has said that it is no default router.
func (n *managedNIC) saysNone(router netip.Addr) bool {
	return n.hearing != nil && slices.ContainsFunc(n.hearing.heard.Routers, func(r listener.Router) bool {
		return r.Addr == router && !r.Default
	})
}
