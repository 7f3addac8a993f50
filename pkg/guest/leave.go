package guest

import (
	"context"
	"slices"

	"github.com/v6guest/v6guest/pkg/link"
)

// leave takes the routes off a NIC that v6guest has made there, in this run or an earlier one, since it does not
// look after the NIC any more: nobody else would, and default routes would share the traffic with those of the
// NIC that has them now. Addresses stay.
func (a *Agent) leave(ctx context.Context, nic link.NIC) {
	for _, r := range slices.Concat(a.world.ipv6Defaults(nic.Index), a.world.onLinkRoutes(nic.Index)) {
		if !ownDefault(r) && !ownOnLink(r) {
			continue
		}
		if err := a.sys.RemoveRoute(ctx, r); err != nil {
			a.log.Warn("a route stays on a NIC that is left alone", "nic", nic.Name, "route", r.Dst, "error", err)
			continue
		}
		a.world.see(link.RouteGone{Route: r}) // the kernel's own word comes later
		a.log.Info("route removed: v6guest does not look after this NIC any more", "nic", nic.Name, "route", r.Dst)
	}
}

// leaveOthers does so on the NICs that an earlier run of this boot looked after, and this one does not.
func (a *Agent) leaveOthers(ctx context.Context) {
	for _, p := range a.plan.NICs {
		if !p.Managed && !a.passive && a.seen.has(p.NIC) {
			a.leave(ctx, p.NIC)
		}
	}
}

// ownOnLink says whether an on-link route is as putOnLink makes them.
func ownOnLink(r link.Route) bool {
	return r.Protocol == link.ProtoDHCP && r.Metric == onLinkMetric && r.OnLink() && !r.Default() && r.Table == link.TableMain
}
