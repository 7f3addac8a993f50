package guest

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/v6guest/v6guest/pkg/client"
	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

// serverTime is how long a DHCPv6 server has to answer after the first Router Advertisement, before
// addresses are made without one (decision 13).
const serverTime = 3 * time.Second

// twoHours is the least that an unauthenticated advertisement can leave of an address's valid lifetime
// (RFC 4862, section 5.5.3 e): else a stranger could end it at once.
const twoHours = 2 * time.Hour

// maxMade is how many addresses a NIC may have of those that are made here: withdrawn prefixes make room
// for others in the listener at once, but their addresses stay for as long as twoHours. It bounds the
// duplicates that are remembered, too.
const maxMade = listener.MaxPrefixes

// A slaac is the addresses that v6guest itself makes of advertised prefixes on a NIC.
type slaac struct {
	have      map[netip.Addr]madeAddr
	refused   refusals
	duplicate map[netip.Addr]inUse
	since     clock.Instant // when the first router was heard; 0 before
	informed  bool          // an Information-request was begun for what routers say is there
	mend      backoff       // of addresses that others take off
	room      backoff       // of addresses that give their place to others
	at        clock.Instant
	leftSince clock.Instant // since when the default NIC has what is another's; Never where it has not
}

// A madeAddr is an address that was made, with its ends and the advertised ones that they come from.
type madeAddr struct {
	preferredUntil, validUntil clock.Instant
	saidPreferred, saidValid   clock.Instant
	lost                       bool          // somebody took it off
	since                      clock.Instant // when it was made, or found
	byDefault                  bool          // a default router has announced its prefix
	found                      bool          // an earlier run made it, and no router has announced its prefix since
}

const (
	makingAddress = "make an address of the advertised prefix"
	removingMade  = "remove an autoconfigured address"
)

// tendSLAAC makes, renews and ends the addresses.
func (n *managedNIC) tendSLAAC(ctx context.Context, now clock.Instant) {
	s := &n.slaac
	s.at = clock.Never
	n.dropMade(ctx)
	if n.plan.Settings.Lease != LeaseAgent || n.hearing == nil || !n.nic.Up {
		return
	}
	if s.since == 0 && n.hearing.heard.Heard {
		s.since = now
	}
	n.handOver(ctx)
	n.yieldToSecondary(now)
	n.inform(now)
	said := n.autonomous()
	n.keepMade(ctx, now, said)
	n.preferMade(ctx, now)
	n.tellInUse(said)
	if n.mayAutoconfigure(now) {
		n.makeNew(ctx, now, said)
	}
}

// keepMade renews and ends the addresses that were made, as routers say now.
func (n *managedNIC) keepMade(ctx context.Context, now clock.Instant, said map[netip.Addr]listener.Prefix) {
	s := &n.slaac
	for addr, have := range s.have {
		p, ok := said[addr]
		if have.found && !ok && !n.routersHadTime(now) {
			continue
		}
		if ok && !have.byDefault && announcedByDefault(n.hearing.heard, p) {
			have.byDefault = true
			s.have[addr] = have
		}
		next, news := have.renewed(now, p, ok)
		switch {
		case next.validUntil <= now:
			delete(s.have, addr) // the kernel has removed it
			n.heardLine(slog.LevelInfo, "autoconfigured address is over", "address", addr)
			continue
		case news || have.lost:
			n.makeAddress(ctx, now, addr, next)
		}
		s.at = min(s.at, next.validUntil)
	}
}

// makeNew makes the addresses that are not there.
func (n *managedNIC) makeNew(ctx context.Context, now clock.Instant, said map[netip.Addr]listener.Prefix) {
	s := &n.slaac
	for _, addr := range n.preferred(said) {
		p := said[addr]
		if _, have := s.have[addr]; have || n.inUse(now, addr) || p.ValidUntil <= now || len(s.have) >= maxMade && !n.makeRoom(ctx, now, said) {
			continue
		}
		n.makeAddress(ctx, now, addr, madeAddr{
			preferredUntil: min(p.PreferredUntil, p.ValidUntil), validUntil: p.ValidUntil, saidPreferred: p.PreferredUntil, saidValid: p.ValidUntil, since: now, byDefault: announcedByDefault(n.hearing.heard, p),
		})
	}
}

// mayAutoconfigure says whether new addresses may be made: no server has leased one in the time that it had.
func (n *managedNIC) mayAutoconfigure(now clock.Instant) bool {
	return n.plan.Settings.SLAAC && !n.hasLease() && !n.look.awaited.Load() && n.serversHadTime(now)
}

// serversHadTime says whether a DHCPv6 server that leases would have done so by now. The M flag, which anybody
// can set, and which says nothing of prefixes (RFC 4862, section 5.5.3), makes that longer, and no more.
func (n *managedNIC) serversHadTime(now clock.Instant) bool {
	if !n.routersHadTime(now) {
		return false
	}
	return !n.hearing.managed() || n.leaser != nil && n.leaser.host.unserved.Load()
}

// routersHadTime says whether serverTime is over since the first router was heard: others have spoken too.
func (n *managedNIC) routersHadTime(now clock.Instant) bool {
	s := &n.slaac
	if s.since == 0 {
		return false
	}
	at := n.routersSpoke(now)
	if now.Before(at) {
		s.at = min(s.at, at)
	}
	return !now.Before(at)
}

// routersSpoke is when all routers of the link have had that time. It is over where there seems to be none.
func (n *managedNIC) routersSpoke(now clock.Instant) clock.Instant {
	switch {
	case n.hearing != nil && n.hearing.heard.Silent:
		return now
	case n.slaac.since == 0: // the first was heard just now
		return now.Add(serverTime)
	}
	return n.slaac.since.Add(serverTime)
}

// hasLease says whether the client holds any address that counts.
func (n *managedNIC) hasLease() bool {
	if n.leaser == nil {
		return false
	}
	for _, lease := range n.leaser.host.leased() {
		if n.counts(lease) {
			return true
		}
	}
	return false
}

// autonomous are the addresses that the advertised prefixes make of the NIC's MAC, as far as the network
// may say it: nothing that is another NIC's, a router's or a server's (decision 4).
func (n *managedNIC) autonomous() map[netip.Addr]listener.Prefix {
	out := map[netip.Addr]listener.Prefix{}
	before := n.slaac.refused
	n.slaac.refused = nil
	if !n.plan.Settings.SLAAC {
		return out // what an earlier run has made ends
	}
	for _, p := range n.hearing.heard.Prefixes {
		if !p.Autonomous || p.Prefix.Bits() != 64 {
			continue
		}
		addr := interfaceAddr(p.Prefix, n.nic.MAC)
		asOnLink := p // whether it is on-link is another question
		asOnLink.OnLink = true
		_, made := n.slaac.have[addr]
		v := listener.OnLink([]listener.Prefix{asOnLink}, []netip.Addr{addr}, n.slaacClaims(p, made))[0]
		switch {
		case !v.Install && made:
			n.yieldMade(addr, v.Reason)
		case v.Claimed:
			n.refuse(&n.slaac.refused, before, p.Prefix, "address", v.Reason)
		case v.Install:
			why := n.a.world.refuse(addr, n.nic.Index)
			if nic := n.leftTo(addr); why == "" && !made && nic != "" {
				why = announcedOnlyOn(nic)
			}
			if why == "" {
				out[addr] = p
			} else {
				n.refuse(&n.slaac.refused, before, p.Prefix, "address", why)
			}
		}
	}
	return out
}

// interfaceAddr is the address that prefix and MAC make (RFC 4291, appendix A).
func interfaceAddr(prefix netip.Prefix, mac net.HardwareAddr) netip.Addr {
	id := eui64(mac)
	if !id.IsValid() {
		return id
	}
	a, b := prefix.Addr().As16(), id.As16()
	copy(a[8:], b[8:])
	return netip.AddrFrom16(a)
}

// madeOf says whether the address is what its prefix and the MAC make.
func madeOf(addr netip.Addr, mac net.HardwareAddr) bool {
	return addr == interfaceAddr(netip.PrefixFrom(addr, 64).Masked(), mac)
}

// renewed is what an advertisement makes of an address's ends (RFC 4862, section 5.5.3 e); a prefix that
// is not there any more was withdrawn or is over.
func (m madeAddr) renewed(now clock.Instant, p listener.Prefix, advertised bool) (next madeAddr, news bool) {
	if !advertised {
		p.PreferredUntil, p.ValidUntil = 0, 0
	}
	if p.PreferredUntil == m.saidPreferred && p.ValidUntil == m.saidValid {
		return m, false
	}
	next = madeAddr{p.PreferredUntil, m.validUntil, p.PreferredUntil, p.ValidUntil, m.lost, m.since, m.byDefault, false}
	limit := now.Add(twoHours)
	switch {
	case p.ValidUntil > limit, p.ValidUntil > m.validUntil:
		next.validUntil = p.ValidUntil
	case m.validUntil > limit:
		next.validUntil = limit
	}
	next.preferredUntil = min(next.preferredUntil, next.validUntil)
	return next, true
}

// makeAddress puts the address on the NIC, or sets its ends anew.
func (n *managedNIC) makeAddress(ctx context.Context, now clock.Instant, addr netip.Addr, m madeAddr) {
	s := &n.slaac
	_, had := s.have[addr]
	if had && m.lost {
		if !n.isUp(ctx) {
			return
		}
		if at := s.mend.at(now); now.Before(at) {
			s.at = min(s.at, at)
			return
		}
		n.repaired(&s.mend, now, "autoconfigured address")
	}
	opts := link.AddressOptions{Optimistic: n.plan.Settings.OptimisticDAD}
	err := n.a.sys.InstallAddress(ctx, n.nic.Index, addr, left(m.preferredUntil, now), max(left(m.validUntil, now), time.Second), opts)
	n.problem(makingAddress, err)
	if err != nil {
		s.at = min(s.at, now.Add(longestPause))
		return
	}
	if !had {
		n.heardLine(slog.LevelInfo, "address autoconfigured: no server has leased one", "address", addr)
	}
	if s.have == nil {
		s.have = map[netip.Addr]madeAddr{}
	}
	m.lost = false
	s.have[addr] = m
}

// left is what is left until an end, as the kernel wants it.
func left(end, now clock.Instant) time.Duration {
	if end == clock.Never {
		return wire.Infinite
	}
	return max(0, end.Sub(now))
}

// handOver gives way to a lease: one of the same address goes on with it, another takes its place once it
// can be used.
func (n *managedNIC) handOver(ctx context.Context) {
	if !n.hasLease() {
		return
	}
	usable := n.usableLease()
	for addr := range n.slaac.have {
		switch {
		case n.leased(addr):
			delete(n.slaac.have, addr)
		case usable:
			if n.takeOff(ctx, addr, removingMade) {
				delete(n.slaac.have, addr)
				n.log.Info("autoconfigured address removed: the leased one takes its place", "address", addr)
			}
		}
	}
}

// usableLease says whether a leased address that counts can be used.
func (n *managedNIC) usableLease() bool {
	if n.leaser == nil {
		return false
	}
	for addr, lease := range n.leaser.host.leased() {
		if n.counts(lease) && n.usable(addr) {
			return true
		}
	}
	return false
}

// usableMade says whether an address that was made here can be used.
func (n *managedNIC) usableMade() bool {
	for addr := range n.slaac.have {
		if n.usable(addr) {
			return true
		}
	}
	return false
}

// usable says whether the NIC has the address, and it can be used for new connections.
func (n *managedNIC) usable(addr netip.Addr) bool {
	a, ok := n.a.world.addrs[n.nic.Index][addr]
	return ok && a.Usable() && !a.Deprecated
}

// inform asks a server for what routers say it has beside addresses (O flag), where none leases any: a
// stateless dnsmasq, as in OpenStack, answers Solicits all the same, with NoAddrsAvail.
func (n *managedNIC) inform(now clock.Instant) {
	s := &n.slaac
	if s.informed || !n.plan.Settings.SLAAC || n.leaser == nil || !n.hearing.heard.Other || n.hasLease() {
		return
	}
	if !n.serversHadTime(now) {
		return
	}
	s.informed = true
	n.leaser.runner.Notify(client.InformNow{})
}

// madeAddrGone takes in that an address that was made here is gone: somebody took it off, or another node
// has it.
func (n *managedNIC) madeAddrGone(addr link.Addr) {
	have, ours := n.slaac.have[addr.Addr]
	if !ours || addr.DADFailed {
		n.madeAddrFailed(addr)
		return
	}
	have.lost = true
	n.slaac.have[addr.Addr] = have
}

// dropMade takes off the addresses that were made of a MAC which the NIC does not have any more: to the cloud
// they are nobody's, or another's.
func (n *managedNIC) dropMade(ctx context.Context) {
	for addr := range n.slaac.have {
		if madeOf(addr, n.nic.MAC) {
			continue
		}
		if n.takeOff(ctx, addr, removingOldMAC) {
			delete(n.slaac.have, addr)
			n.log.Info("autoconfigured address removed: it was made of another MAC", "address", addr)
		}
	}
}

// yieldMade takes an address of the NIC's own making off: its prefix is another NIC's network.
func (n *managedNIC) yieldMade(addr netip.Addr, why string) {
	if n.takeOff(n.a.life, addr, "remove an address in another NIC's network") {
		delete(n.slaac.have, addr)
		n.heardLine(slog.LevelWarn, "autoconfigured address removed", "address", addr, "why", why)
	}
}

// linkIsAnother forgets what was heard on the link before.
func (s *slaac) linkIsAnother() { s.since, s.informed, s.duplicate = 0, false, nil }
