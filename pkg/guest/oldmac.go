package guest

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

const removingOldMAC = "remove an address of the old MAC"

// dropOldMAC takes off the addresses that an earlier agent of this boot has put on the NIC, where it has
// another MAC since: to the cloud they are nobody's, or another's. What the MAC leased is forgotten, unless
// another NIC has it now.
func (n *managedNIC) dropOldMAC(ctx context.Context, now clock.Instant) {
	old := n.a.seen.macBefore(n.nic)
	if old == nil || n.a.passive {
		return
	}
	key := link.Key{MAC: old, VLAN: n.nic.VLAN}
	leased := n.leasedBy(key, now)
	for _, a := range n.a.world.addresses(n.nic.Index) {
		if a.Bits != a.Addr.BitLen() || !madeOf(a.Addr, old) && !slices.Contains(leased, a.Addr) {
			continue
		}
		if n.takeOff(ctx, a.Addr, removingOldMAC) {
			n.log.Info("address of the old MAC removed", "address", a.Addr, "mac", old.String())
		}
	}
	if !n.a.hasMAC(old) {
		n.problem("forget the old lease", client.ForgetLease(n.a.opts.StateDir, key))
	}
}

// leasedBy are the addresses of a saved lease, but for those whose time is over.
func (n *managedNIC) leasedBy(key link.Key, now clock.Instant) (out []netip.Addr) {
	l, err := client.LoadLease(n.a.opts.StateDir, key, n.a.boot(now))
	if err != nil {
		return nil // there is none, or it cannot be used
	}
	m, err := wire.Decode(l.Reply)
	if err != nil {
		return nil
	}
	for _, ia := range m.IANAs {
		for _, a := range ia.Addresses {
			if a.Valid >= wire.Infinite || now.Before(l.Received.Add(a.Valid)) {
				out = append(out, a.Addr)
			}
		}
	}
	return out
}

// hasMAC says whether any NIC has the MAC.
func (a *Agent) hasMAC(mac net.HardwareAddr) bool {
	return slices.ContainsFunc(a.world.list(), func(n link.NIC) bool { return slices.Equal(n.MAC, mac) })
}
