package guest

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// counts says whether a lease keeps the NIC from making addresses. One that no server of this link has
// vouched for, and in whose network no router of this link says it is, may be of another link: it stays in
// use (RFC 9915, section 18.2.3), but ends nothing that works.
func (n *managedNIC) counts(lease client.Address) bool {
	return !lease.Unconfirmed || n.hearing == nil || slices.ContainsFunc(n.hearing.heard.Prefixes, func(p listener.Prefix) bool {
		return (p.OnLink || p.Autonomous) && isNetwork(p, lease.Addr)
	})
}

// preferMade has new connections use an address that was made here rather than a lease that does not
// count: the kernel is told that the lease is deprecated, for as long as that is so.
func (n *managedNIC) preferMade(ctx context.Context, now clock.Instant) {
	if n.leaser == nil || n.look.awaited.Load() {
		return
	}
	made := n.usableMade()
	for addr, lease := range n.leaser.host.leased() {
		there, ok := n.a.world.addrs[n.nic.Index][addr]
		preferred, valid := lease.Lifetimes(now)
		if !ok || !there.Usable() || !lease.Unconfirmed || preferred == 0 || valid < time.Second {
			continue
		}
		aside := made && !n.counts(lease)
		if aside == there.Deprecated {
			continue
		}
		if aside {
			preferred = 0
			n.heardLine(slog.LevelWarn, "lease set aside: no server has confirmed it, no router announces its network, and another address works", "address", addr)
		}
		n.problem("set a lease aside", n.a.sys.InstallAddress(ctx, n.nic.Index, addr, preferred, valid, n.leaser.host.opts))
	}
}
