package guest

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// An onLink is the on-link routes that v6guest has on a NIC: without them a /128 reaches nobody in its own
// network.
type onLink struct {
	routes  map[netip.Prefix]bool
	refused refusals
	mend    backoff       // of routes that others remove
	purge   backoff       // of routes that others make
	at      clock.Instant // when the next may be put back, or removed
}

// onLinkMetric is lower, and so better, than what the kernel (256), networkd and NetworkManager give the
// routes that they make of prefixes: those may be foreign ones on another NIC, while ours are looked at.
const onLinkMetric = 64

// prefixes are those that have a route now.
func (o *onLink) prefixes() []netip.Prefix {
	return slices.SortedFunc(maps.Keys(o.routes), netip.Prefix.Compare)
}

// tendOnLink makes the routes be what routers say, as far as the network may say it (decision 4). It
// compares with the kernel's state, so that a route that somebody removes comes back, with pauses.
func (n *managedNIC) tendOnLink(ctx context.Context, now clock.Instant) {
	want := n.wantOnLink()
	for p := range n.onLink.routes {
		if !want[p] {
			n.dropOnLink(ctx, p)
		}
	}
	n.onLink.at = clock.Never
	for p := range want {
		if n.hasOnLink(p) {
			n.onLink.keep(p)
			continue
		}
		n.putOnLink(ctx, now, p)
	}
	n.dropLeftOver(ctx, now)
}

// wantOnLink are the prefixes that are to have a route.
func (n *managedNIC) wantOnLink() map[netip.Prefix]bool {
	want := map[netip.Prefix]bool{}
	before := n.onLink.refused
	n.onLink.refused = nil
	switch {
	case !n.nic.Up:
		return nil
	case !n.plan.ownOnLink():
		// The kernel (or the stack) takes prefixes now: ours goes as soon as its own is there.
		for p := range n.onLink.routes {
			if !n.kernelHasOnLink(p) {
				want[p] = true
			}
		}
		return want
	case n.hearing == nil || !n.hearing.heard.Heard && !n.hearing.heard.Silent:
		// Nobody knows yet what routers say: what is right for an own address stays until then.
		for p := range n.onLink.routes {
			if slices.ContainsFunc(n.dueAddresses(), p.Contains) {
				want[p] = true
			}
		}
		return want
	}
	for _, p := range n.hearing.heard.Prefixes {
		v := n.judgeOnLink(p)
		if v.Install {
			want[v.Prefix] = true
			continue
		}
		if v.Claimed {
			n.refuse(&n.onLink.refused, before, v.Prefix, "route", v.Reason)
		}
	}
	return want
}

// judgeOnLink says whether an advertised prefix is to have a route.
func (n *managedNIC) judgeOnLink(p listener.Prefix) listener.Verdict {
	return listener.OnLink([]listener.Prefix{p}, n.dueAddresses(), n.onLinkClaims(n.routed(p.Prefix)))[0]
}

// dueAddresses are those that the NIC has to keep, and those that it is about to get back: the route stays
// while somebody has taken its last address off, so that neighbours do not become another NIC's for a moment.
func (n *managedNIC) dueAddresses() []netip.Addr {
	due := n.ownAddresses()
	for _, addr := range n.entitled() {
		if !slices.Contains(due, addr) {
			due = append(due, addr)
		}
	}
	return due
}

// routed says whether the prefix has a route of ours, or of an earlier agent, whatever its metric was.
func (n *managedNIC) routed(p netip.Prefix) bool {
	return slices.ContainsFunc(n.a.world.onLinkRoutes(n.nic.Index), func(r link.Route) bool {
		return r.Dst == p && r.Protocol == link.ProtoDHCP
	})
}

// hasOnLink says whether the kernel has such a route through the NIC as putOnLink makes it. It keeps one
// that stands in its place, whoever made it.
func (n *managedNIC) hasOnLink(p netip.Prefix) bool {
	for _, r := range n.a.world.onLinkRoutes(n.nic.Index) {
		if r.Dst == p && r.Metric == onLinkMetric && (r.Protocol == link.ProtoDHCP || r.Expires == 0) {
			return true
		}
	}
	return false
}

// kernelHasOnLink says whether the kernel made a route of its own of the prefix.
func (n *managedNIC) kernelHasOnLink(p netip.Prefix) bool {
	return slices.ContainsFunc(n.a.world.onLinkRoutes(n.nic.Index), func(r link.Route) bool {
		return r.Dst == p && r.Protocol != link.ProtoDHCP
	})
}

func (o *onLink) keep(p netip.Prefix) {
	if o.routes == nil {
		o.routes = map[netip.Prefix]bool{}
	}
	o.routes[p] = true
}

// putOnLink installs a route; one that was there and is not any more was removed by somebody.
func (n *managedNIC) putOnLink(ctx context.Context, now clock.Instant, p netip.Prefix) {
	o := &n.onLink
	if o.routes[p] || n.problems[installOnLink] != nil {
		if at := o.mend.at(now); now.Before(at) {
			o.at = min(o.at, at)
			return
		}
		n.repaired(&o.mend, now, "on-link route")
	}
	r := n.onLinkRoute(p)
	err := n.a.sys.InstallRoute(ctx, r)
	n.problem(installOnLink, err)
	if err != nil {
		o.at = max(o.mend.at(now), now.Add(shortestPause))
		return
	}
	if !o.routes[p] {
		n.heardLine(slog.LevelInfo, "on-link route installed", "prefix", p)
	}
	o.keep(p)
	n.a.world.see(link.RouteChanged{Route: r}) // the kernel's own word comes later
}

const installOnLink = "install the on-link route"

// onLinkRoute is the route to a prefix.
func (n *managedNIC) onLinkRoute(p netip.Prefix) link.Route {
	return link.Route{Index: n.nic.Index, Dst: p, Metric: onLinkMetric, Protocol: link.ProtoDHCP, Table: link.TableMain}
}

// dropOnLink removes a route of ours.
func (n *managedNIC) dropOnLink(ctx context.Context, p netip.Prefix) {
	r := n.onLinkRoute(p)
	err := n.a.sys.RemoveRoute(ctx, r)
	n.problem("remove an on-link route", err)
	if err == nil {
		delete(n.onLink.routes, p)
		n.a.world.see(link.RouteGone{Route: r})
		n.heardLine(slog.LevelInfo, "on-link route removed", "prefix", p)
	}
}
