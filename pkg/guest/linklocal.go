package guest

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/wire"
)

// A linkLocal is the EUI-64 link-local address of a NIC, which v6guest speaks from (decision 5): clouds
// let no other through, and many a stack makes one of another kind. It is added beside the stack's own.
type linkLocal struct {
	failed bool    // it could not be added, or another node has it: any other one has to do
	mend   backoff // of one that others take off
	at     clock.Instant
	came   clock.Instant // when the NIC could have made its own; 0 while it cannot
	noting backoff       // of a note that cannot be written
	noteAt clock.Instant
}

func newLinkLocal() linkLocal { return linkLocal{at: clock.Never, noteAt: clock.Never} }

const (
	addingLinkLocal = "add the EUI-64 link-local address"
	notingLinkLocal = "keep in mind that the EUI-64 link-local address was added"
	// ownTime is how long a NIC has to make a link-local address itself. One that has made another kind
	// gets the EUI-64 one at once; one that has none may just not have told of it yet.
	ownTime = time.Second
)

var errDuplicateLinkLocal = errors.New("another node on the link has it: two machines with one MAC?")

// tendLinkLocal adds the address where the NIC lacks it.
func (n *managedNIC) tendLinkLocal(ctx context.Context, now clock.Instant) {
	l, eui := &n.linkLocal, eui64(n.nic.MAC)
	l.at = clock.Never
	if !now.Before(l.noteAt) {
		n.noteLinkLocal(n.a.added.of(n.nic.Index))
	}
	if made := n.a.added.of(n.nic.Index); made.IsValid() && made != eui { // the MAC is another now
		n.endLinkLocal(ctx)
		l.failed, l.mend, l.came = false, backoff{}, 0
	}
	if n.plan.Settings.KeepLinkLocal || !eui.IsValid() {
		return
	}
	if !n.nic.Up || !n.nic.Carrier {
		l.came, l.failed = 0, false // the next link may be another
		return
	}
	if l.came == 0 {
		l.came = now
	}
	if a, there := n.a.world.addrs[n.nic.Index][eui]; there {
		n.judgeLinkLocal(a)
	} else {
		n.addLinkLocal(ctx, now, eui)
	}
}

// judgeLinkLocal says of an address that is there whether it can be spoken from, now or soon.
func (n *managedNIC) judgeLinkLocal(a link.Addr) {
	n.linkLocal.failed = a.DADFailed
	if a.DADFailed {
		n.problem(addingLinkLocal, errDuplicateLinkLocal)
	} else {
		n.problem(addingLinkLocal, nil)
	}
}

// addLinkLocal adds the address, when its time has come.
func (n *managedNIC) addLinkLocal(ctx context.Context, now clock.Instant, eui netip.Addr) {
	l := &n.linkLocal
	at := l.mend.at(now)
	if !n.a.world.hasLinkLocal(n.nic.Index) {
		at = max(at, l.came.Add(ownTime))
	}
	if now.Before(at) {
		l.at = at
		return
	}
	if !n.isUp(ctx) {
		return // the kernel took it with the others, and tells only afterwards that the NIC is down
	}
	l.mend.done(now)
	there, err := n.a.sys.Addrs(ctx, n.nic.Index)
	if err != nil {
		n.problem(addingLinkLocal, err)
		l.at = max(l.mend.at(now), now.Add(shortestPause))
		return
	}
	if i := slices.IndexFunc(there, func(a link.Addr) bool { return a.Addr == eui }); i >= 0 {
		// It is the stack's own: the kernel tells of it only when duplicate address detection has ended.
		n.a.world.see(link.AddrChanged{Addr: there[i]})
		n.judgeLinkLocal(there[i])
		return
	}
	n.noteLinkLocal(eui) // before it is there: a kill must not hide it
	err = n.a.sys.InstallAddress(ctx, n.nic.Index, eui, wire.Infinite, wire.Infinite, link.AddressOptions{})
	n.problem(addingLinkLocal, err)
	l.failed = err != nil
	if err != nil {
		l.at = max(l.mend.at(now), now.Add(shortestPause))
		return
	}
	// The kernel tells of it only when duplicate address detection has ended.
	n.a.world.see(link.AddrChanged{Addr: link.Addr{Index: n.nic.Index, Addr: eui, Bits: 128, Tentative: true}})
	n.log.Info("EUI-64 link-local address added: the one that clouds let through", "address", eui)
}

// noteLinkLocal notes which address was added to the NIC, the zero Addr for none. What cannot be written is
// tried again.
func (n *managedNIC) noteLinkLocal(addr netip.Addr) {
	l, now := &n.linkLocal, n.a.clock.Now()
	l.noteAt = clock.Never
	err := n.a.added.set(n.nic.Index, addr)
	n.problem(notingLinkLocal, err)
	if err != nil {
		l.noting.done(now)
		l.noteAt = max(l.noting.at(now), now.Add(shortestPause))
	}
}

// linkLocalGone takes in that an address is gone: one that comes in its place is not ours, unless it is added anew.
func (n *managedNIC) linkLocalGone(addr netip.Addr) {
	if n.a.added.of(n.nic.Index) == addr {
		n.noteLinkLocal(netip.Addr{})
	}
}

// endLinkLocal takes off the address that was added here, unless it is the only link-local one: without any,
// the NIC has no IPv6. That of a former MAC goes all the same where that of the present one follows.
func (n *managedNIC) endLinkLocal(ctx context.Context) {
	made := n.a.added.of(n.nic.Index)
	if !made.IsValid() {
		return
	}
	there, err := n.a.sys.Addrs(ctx, n.nic.Index)
	if err == nil && onlyLinkLocal(there, made) && (made == eui64(n.nic.MAC) || !n.addsLinkLocal()) {
		return
	}
	if err == nil {
		err = n.a.sys.RemoveAddress(ctx, n.nic.Index, made)
	}
	n.problem("remove a link-local address that was added", err)
	if err == nil {
		n.noteLinkLocal(netip.Addr{})
	}
}

// addsLinkLocal says whether the EUI-64 address is added where the NIC lacks it.
func (n *managedNIC) addsLinkLocal() bool {
	return !n.plan.Settings.KeepLinkLocal && eui64(n.nic.MAC).IsValid() && n.nic.Up && n.nic.Carrier
}

// speakFrom is the link-local address that DHCPv6 and Router Solicitations leave from, the zero Addr when
// there is none yet. An EUI-64 one that is on its way is waited for: what leaves from another may be
// dropped, and the answers too.
func (n *managedNIC) speakFrom(inUse netip.Addr) netip.Addr {
	other, eui := n.a.world.linkLocal(n.nic.Index, inUse), eui64(n.nic.MAC)
	if n.plan.Settings.KeepLinkLocal || !eui.IsValid() || n.linkLocal.failed {
		return other
	}
	if a, there := n.a.world.addrs[n.nic.Index][eui]; there && a.Usable() {
		return eui
	}
	if inUse.IsValid() {
		return other
	}
	return netip.Addr{}
}

// hasLinkLocal says whether the NIC has any link-local address.
func (w *world) hasLinkLocal(index int) bool {
	for addr := range w.addrs[index] {
		if addr.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}
