package guest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/ra/listener"
)

// Whose an address is, where two networks say that it is theirs. A neighbour or a server on one of them may
// say anything, and the first to speak is not the one who is right:
//
//   - What a NIC has leased is its own, also while the NIC is down, and after a restart by its saved lease.
//   - Between the default NIC and a secondary one, a prefix is the network of the one of which a default
//     router announces it; of the default NIC if both do, or neither.
//   - So the default NIC takes an address that a secondary NIC has, which gives it up (yieldLease); but not
//     out of what only the secondary NIC's routers announce.
//   - Among secondary NICs, it is the one's that has it.
//
// docs/networks.md says so to users.

// minNetwork is the shortest prefix that says whose an address is: a shorter one holds other networks too.
const minNetwork = 64

// announcedByDefault says whether a default router announces the prefix.
func announcedByDefault(s listener.Snapshot, p listener.Prefix) bool {
	return slices.ContainsFunc(s.Routers, func(r listener.Router) bool {
		return r.Default && slices.Contains(p.Routers, r.Addr)
	})
}

// heard notes what routers say on a NIC now.
func (w *world) heard(index int, s listener.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[index] = s
}

// lease notes that an address is leased for the NIC.
func (w *world) lease(index int, addr netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leases[index] == nil {
		w.leases[index] = map[netip.Addr]bool{}
	}
	w.leases[index][addr] = true
}

// unlease notes that it is not any more.
func (w *world) unlease(index int, addr netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.leases[index], addr)
}

// leasesAre notes all that are leased for the NIC.
func (w *world) leasesAre(index int, addrs ...netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leases[index] = map[netip.Addr]bool{}
	for _, a := range addrs {
		w.leases[index][a] = true
	}
}

// theDefaultIs notes which NIC is the default one; 0 is none.
func (w *world) theDefaultIs(index int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.defaultNIC = index
}

// leasedByDefault says whether the default NIC has leased the address.
func (w *world) leasedByDefault(addr netip.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leases[w.defaultNIC][addr]
}

// refuse names the reason for which an address must not be taken on a NIC: it is another NIC's, or a
// router's (decision 5). It may be called from any goroutine.
func (w *world) refuse(addr netip.Addr, index int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, nic := range w.nics {
		if i != index && w.othersRight(addr, index, i) {
			if _, there := w.addrs[i][addr]; there {
				return fmt.Sprintf("it is on %s", nic.Name)
			}
			return fmt.Sprintf("it is leased for %s", nic.Name)
		}
	}
	if w.leases[index][addr] {
		return "" // who says now that it is a router's comes late
	}
	for _, said := range w.said {
		if isRouter(said, addr) {
			return "it is a router's"
		}
	}
	return ""
}

// othersRight says whether another NIC's right to the address stands in the way of the one of that index.
func (w *world) othersRight(addr netip.Addr, index, other int) bool {
	leased := w.leases[other][addr]
	_, there := w.addrs[other][addr]
	switch {
	case !leased && !there:
		return false
	case w.leases[index][addr]:
		return leased && other == w.defaultNIC
	case leased && index == w.defaultNIC:
		return w.announces(other, addr) && !w.announces(index, addr)
	}
	return true
}

// announces says whether a default router on the NIC's link announces the address's network, be it for its own
// use only: that it is this network's is what counts here.
func (w *world) announces(index int, addr netip.Addr) bool {
	return slices.ContainsFunc(w.said[index].Prefixes, func(p listener.Prefix) bool {
		return isNetwork(p, addr) && announcedByDefault(w.said[index], p)
	})
}

// isNetwork says whether the prefix is the network of the address.
func isNetwork(p listener.Prefix, addr netip.Addr) bool {
	return p.Prefix.Bits() >= minNetwork && p.Prefix.Contains(addr)
}

// hears says whether one of the routers is among those that are heard.
func hears(s listener.Snapshot, routers []netip.Addr) bool {
	return slices.ContainsFunc(routers, func(r netip.Addr) bool { return isRouter(s, r) })
}

// isRouter says whether a router has the address.
func isRouter(s listener.Snapshot, addr netip.Addr) bool {
	return slices.ContainsFunc(s.Routers, func(r listener.Router) bool { return r.Addr == addr })
}

// yieldLease gives up a leased address that the default NIC has leased too. Nothing is declined: nobody
// else on the link uses it.
func (n *managedNIC) yieldLease(ctx context.Context) {
	if n.leaser == nil || n.plan.Role == RoleDefault {
		return
	}
	for addr := range n.leaser.host.leased() {
		if n.a.world.leasedByDefault(addr) {
			n.log.Warn("lease given up: its address is leased for the default NIC", "address", addr)
			n.dropLease(ctx)
			return
		}
	}
}

// yieldToSecondary takes off the default NIC what it has made of another's prefix, once that has been so for as
// long as a router may be silent at its start. Nobody could know it when the address was made.
func (n *managedNIC) yieldToSecondary(now clock.Instant) {
	s := &n.slaac
	var left []netip.Addr
	why := ""
	for _, addr := range sortedAddrs(s.have) {
		if nic := n.leftTo(addr); nic != "" {
			left, why = append(left, addr), announcedOnlyOn(nic)
		}
	}
	switch {
	case len(left) == 0:
		s.leftSince = clock.Never
		return
	case s.leftSince == clock.Never:
		s.leftSince = now
	}
	if at := s.leftSince.Add(serverTime); now.Before(at) {
		s.at = min(s.at, at)
		return
	}
	for _, addr := range left {
		if n.leftTo(addr) != "" { // the last one stays
			n.yieldMade(addr, why)
		}
	}
}

// announcedOnlyOn is the reason for which a prefix is left to a NIC.
func announcedOnlyOn(nic string) string {
	return "its prefix is announced by the router of " + nic + " only"
}

// leftTo names the NIC to which the default NIC leaves a prefix, that of the address: only a default router
// of the other one announces it, and the default NIC has an address in another. "" is none.
func (n *managedNIC) leftTo(addr netip.Addr) string {
	if n.plan.Role != RoleDefault || !n.hasOtherAddress(addr) {
		return ""
	}
	return n.a.world.onlySecondarys(addr)
}

// hasOtherAddress says whether the NIC has an address in another prefix than the given one's.
func (n *managedNIC) hasOtherAddress(addr netip.Addr) bool {
	network := netip.PrefixFrom(addr, minNetwork).Masked()
	return slices.ContainsFunc(n.ownAddresses(), func(a netip.Addr) bool { return !network.Contains(a) })
}

// hears says whether one of the routers is heard on the NIC: it is on the link that they are on, then.
func (w *world) hears(index int, routers []netip.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return hears(w.said[index], routers)
}

// onlySecondarys names a secondary NIC whose default router announces the network of an address that no
// default router of the default NIC announces, though there is one; "" when there is none. A router that is
// heard on both is on one link with both, whatever it has said on which.
func (w *world) onlySecondarys(addr netip.Addr) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	ours := w.said[w.defaultNIC]
	if !slices.ContainsFunc(ours.Routers, func(r listener.Router) bool { return r.Default }) || w.announces(w.defaultNIC, addr) {
		return ""
	}
	for i, nic := range w.nics {
		if i != w.defaultNIC && slices.ContainsFunc(w.said[i].Prefixes, func(p listener.Prefix) bool {
			return isNetwork(p, addr) && announcedByDefault(w.said[i], p) && !hears(ours, p.Routers)
		}) {
			return nic.Name
		}
	}
	return ""
}
