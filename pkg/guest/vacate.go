package guest

import (
	"context"
	"net/netip"

	"github.com/v6guest/v6guest/pkg/link"
)

const handingOver = "remove an address that another NIC is to have"

// vacate takes off a NIC what it has by v6guest and by routers, since the NIC that bears its MAC now, its
// master (a bridge, a bond, the NIC above a virtual function), is to have it: on both it would go out by
// the wrong one, and no offer of it would be taken. The lease is kept; the other NIC goes on with it.
func (n *managedNIC) vacate(ctx context.Context, heir string) {
	for addr := range n.slaac.have {
		n.takeOff(ctx, addr, handingOver)
	}
	if n.leaser != nil {
		l := n.leaser
		n.stopClient()
		for addr := range l.host.takeAll() {
			n.takeOff(ctx, addr, handingOver)
		}
	}
	for router, d := range n.defaults.have {
		n.dropDefault(ctx, router, d)
	}
	_, err := n.a.sys.RemoveRADefaultRoutes(ctx, n.nic.Index)
	n.problem("remove the default route", err)
	for _, r := range n.a.world.onLinkRoutes(n.nic.Index) {
		if r.Protocol == link.ProtoDHCP || r.Expires != 0 { // ours, or of a Router Advertisement
			err := n.a.sys.RemoveRoute(ctx, r)
			n.problem("remove an on-link route", err)
		}
	}
	n.endSource(ctx)
	n.endLinkLocal(ctx)
	n.log.Info("handed over to the NIC that has its MAC now", "to", heir)
}

// takeOff takes an address off the NIC, and reports whether it is gone; what is the attempt's name among the
// problems.
func (n *managedNIC) takeOff(ctx context.Context, addr netip.Addr, what string) bool {
	err := n.a.sys.RemoveAddress(ctx, n.nic.Index, addr)
	n.problem(what, err)
	if err == nil {
		n.a.world.see(link.AddrGone{Addr: link.Addr{Index: n.nic.Index, Addr: addr}}) // the kernel's own word comes later
	}
	return err == nil
}

// heir is the name of the managed NIC that has the MAC of one that is not managed any more; "" if none has.
func (p *Plan) heir(n NICPlan) string {
	for _, other := range p.NICs {
		if other.Managed && other.NIC.Index == n.NIC.Master && other.NIC.MAC.String() == n.NIC.MAC.String() {
			return other.NIC.Name
		}
	}
	return ""
}
