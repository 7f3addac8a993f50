package guest

import (
	"context"
	"log/slog"
	"slices"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// dropLeftOver removes the on-link routes that the kernel, a stack or an earlier agent have made of
// advertisements: a foreign prefix at once, the NIC's own as soon as there is a route of ours in its place.
// Before the NIC has an address nobody can tell them apart.
func (n *managedNIC) dropLeftOver(ctx context.Context, now clock.Instant) {
	o := &n.onLink
	if !n.plan.ownOnLink() || n.plan.Settings.Lease != LeaseAgent || !n.nic.Up || len(n.dueAddresses()) == 0 {
		return
	}
	if n.hearing == nil || !n.hearing.heard.Heard && !n.hearing.heard.Silent {
		return
	}
	for _, r := range n.a.world.onLinkRoutes(n.nic.Index) {
		if !n.leftOver(r) || n.hearing.heard.Silent && (!ownOnLink(r) || slices.ContainsFunc(n.dueAddresses(), r.Dst.Contains)) {
			continue // nobody says that it is wrong
		}
		if at := n.routersSpoke(now); ownOnLink(r) && now.Before(at) { // another router may say yet that it is right
			o.at = min(o.at, at)
			continue
		}
		v := n.judgeOnLink(listener.Prefix{Prefix: r.Dst, OnLink: true})
		if v.Install && !n.hasOnLink(r.Dst) {
			continue
		}
		if v.Install {
			v.Reason = "no router announces it"
		}
		if at := o.purge.at(now); now.Before(at) {
			o.at = min(o.at, at)
			return
		}
		n.repaired(&o.purge, now, "no on-link routes of others")
		err := n.a.sys.RemoveRoute(ctx, r)
		n.problem("remove an on-link route of others", err)
		if err == nil {
			n.a.world.see(link.RouteGone{Route: r}) // the kernel's own word comes later
			n.heardLine(slog.LevelInfo, "on-link route of others removed", "prefix", r.Dst, "why", v.Reason)
		}
	}
}

// leftOver says whether an on-link route is one that was made of an advertisement, not here and now. The
// kernel's own, where its lifetime is infinite, looks like that of an address that somebody has given the NIC.
func (n *managedNIC) leftOver(r link.Route) bool {
	switch {
	case r.Dst.IsSingleIP() || !r.Dst.Addr().IsGlobalUnicast():
		return false
	case r.Protocol == link.ProtoDHCP:
		return r.Metric == link.DefaultMetric && n.onLink.routes[r.Dst] || // an earlier version's
			ownOnLink(r) && !n.onLink.routes[r.Dst] // an earlier run's, or it would be wanted
	case r.Protocol == link.ProtoRA:
		return !n.plan.kernelRA() // else a stack may process advertisements there, and is not fought
	case r.Protocol != link.ProtoKernel:
		return false
	}
	return r.Expires != 0 || !slices.ContainsFunc(n.a.world.addresses(n.nic.Index), func(a link.Addr) bool {
		return !a.NoPrefix && a.Prefix() == r.Dst
	})
}
