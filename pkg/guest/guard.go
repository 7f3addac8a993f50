package guest

import (
	"context"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
)

// routeChanged takes in a route: a default route that an advertisement brought to a secondary NIC has
// to go.
func (n *managedNIC) routeChanged(r link.Route) {
	if n.mustNotHave(r) && n.guardAt == clock.Never {
		n.guardAt = n.guard.at(n.a.clock.Now())
	}
}

// mustNotHave says whether the route is one that a secondary NIC must not have: a default route that
// was made from a Router Advertisement, by the kernel or by a stack in user space. One that an
// administrator made by hand is his.
func (n *managedNIC) mustNotHave(r link.Route) bool {
	return n.plan.Role == RoleSecondary && r.Default() && r.Dst.Addr().Is6() &&
		r.Protocol == link.ProtoRA && r.Table == link.TableMain
}

// guardRoutes removes such routes, verifies the switches that should have kept them away, and pauses
// longer and longer when somebody makes them again.
func (n *managedNIC) guardRoutes(ctx context.Context, now clock.Instant) {
	if now.Before(n.guardAt) {
		return
	}
	n.guardAt = clock.Never
	if n.plan.Role != RoleSecondary {
		return
	}
	n.unset = true
	n.setSwitches(now)
	gone, err := n.a.sys.RemoveRADefaultRoutes(ctx, n.nic.Index)
	n.problem("remove the default route", err)
	if len(gone) == 0 {
		if err != nil {
			n.guardAt = now.Add(longestPause)
		}
		return
	}
	n.repaired(&n.guard, now, "no default route through a secondary NIC")
	n.removed += len(gone)
	for _, r := range gone {
		n.log.Info("default route removed from a secondary NIC", "gateway", r.Gateway, "times", n.removed)
	}
}

// dropAutoconf removes the addresses that the kernel made from earlier advertisements, once the NIC
// has an address that is to stay: no usable address goes before its replacement is there.
func (n *managedNIC) dropAutoconf(ctx context.Context) {
	if n.a.passive || !n.usableLease() && !n.usableMade() {
		return
	}
	for _, a := range n.a.world.addresses(n.nic.Index) {
		if !a.Autoconf() {
			continue
		}
		if _, made := n.slaac.have[a.Addr]; made || n.leased(a.Addr) {
			continue
		}
		if n.takeOff(ctx, a.Addr, removingMade) {
			n.log.Info("address that the kernel autoconfigured removed: another takes its place", "address", a.Addr)
		}
	}
}
