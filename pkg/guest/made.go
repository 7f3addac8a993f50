package guest

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

// findMade takes over the addresses that an earlier run of v6guest has made on the NIC, so that they end as
// this run's do: with a lease, with their prefix, or with slaac = off. What is leased is none of them.
func (n *managedNIC) findMade(now clock.Instant, leased []netip.Addr) {
	if n.a.passive {
		return
	}
	for _, a := range n.a.world.addresses(n.nic.Index) {
		if !n.a.made.has(a.Addr) || !a.NoPrefix || a.Bits != a.Addr.BitLen() || a.DADFailed || !a.Addr.IsGlobalUnicast() || slices.Contains(leased, a.Addr) || !madeOf(a.Addr, n.nic.MAC) {
			continue
		}
		if n.slaac.have == nil {
			n.slaac.have = map[netip.Addr]madeAddr{}
		}
		n.slaac.have[a.Addr] = madeAddr{
			preferredUntil: end(now, a.Preferred), validUntil: end(now, a.Valid), saidPreferred: unsaid, saidValid: unsaid, since: now, found: true,
		}
	}
}

// unsaid differs from whatever routers say, or do not say.
const unsaid clock.Instant = -1

// end is when a lifetime is over.
func end(now clock.Instant, lifetime time.Duration) clock.Instant {
	if lifetime >= wire.Infinite {
		return clock.Never
	}
	return now.Add(lifetime)
}

// preferred are the addresses in the order in which they are made: those of default routers' prefixes first.
func (n *managedNIC) preferred(said map[netip.Addr]listener.Prefix) []netip.Addr {
	var first, then []netip.Addr
	for _, addr := range sortedAddrs(said) {
		if announcedByDefault(n.hearing.heard, said[addr]) {
			first = append(first, addr)
		} else {
			then = append(then, addr)
		}
	}
	return append(first, then...)
}

// makeRoom takes off an address whose prefix no router announces any more, for another: that an address in use
// stays for twoHours protects it, and not one too many. A default router's and the oldest go last, and the very
// last stays: the true router may be silent for a moment, and strangers not. Prefixes that take turns are
// followed with growing pauses.
func (n *managedNIC) makeRoom(ctx context.Context, now clock.Instant, said map[netip.Addr]listener.Prefix) bool {
	all := sortedAddrs(n.slaac.have)
	order := func(a, b netip.Addr) int {
		x, y := n.slaac.have[a], n.slaac.have[b]
		switch {
		case x.byDefault == y.byDefault:
			return cmp.Compare(y.since, x.since)
		case y.byDefault:
			return -1
		}
		return 1
	}
	slices.SortStableFunc(all, order)
	if last := len(all) - 1; order(all[last-1], all[last]) != 0 {
		all = all[:last]
	}
	for _, addr := range all {
		if _, announced := said[addr]; announced {
			continue
		}
		if at := n.slaac.room.at(now); now.Before(at) {
			n.slaac.at = min(n.slaac.at, at)
			return false
		}
		n.slaac.room.done(now)
		if n.takeOff(ctx, addr, removingMade) {
			delete(n.slaac.have, addr)
			n.heardLine(slog.LevelInfo, "autoconfigured address removed: no router announces its prefix, and another is to have its place", "address", addr)
			return true
		}
	}
	return false
}
