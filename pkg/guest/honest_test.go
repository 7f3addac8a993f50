package guest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

func (s *stage) snap(lla string, prefixes ...string) listener.Snapshot {
	r := s.router(lla, time.Hour, ra.Medium)
	var ps []listener.Prefix
	for _, x := range prefixes {
		p := s.advertised(x, time.Hour, 4*time.Hour)
		p.Routers = []netip.Addr{r.Addr}
		p.OnLinkBy = p.Routers
		ps = append(ps, p)
	}
	return listener.Snapshot{Heard: true, Routers: []listener.Router{r}, Prefixes: ps}
}

// One link, two NICs on it, router announces GUA and ULA. Restart of the agent; eth1 hears first.
func TestARestartTakesNothingOffWhereTwoNICsAreOnOneLink(t *testing.T) {
	play(t, "[agent]\ndefault_nic = eth0\n", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](s.snap("fe80::1", net0, "fd00:1::/64"))
		s.m.tell[3](s.snap("fe80::1", net0, "fd00:1::/64"))
		s.wait(10 * time.Second)
		s.stop()
		s.start(parse(t, "[agent]\ndefault_nic = eth0\n"))
		s.wait(time.Second)
		s.m.done()
		s.m.tell[3](s.snap("fe80::1", net0, "fd00:1::/64"))
		s.wait(time.Millisecond)
		s.m.tell[2](s.snap("fe80::1", net0, "fd00:1::/64"))
		s.wait(time.Second)
		s.wantNot(s.m.done(), "remove ")
		s.wait(10 * time.Second)
	})
}

// DHCPv6, infinite lease; router is down (or does not answer solicitations) while the agent is upgraded.
func TestTheOnLinkRouteStaysOverARestartWhileNoRouterSpeaks(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.announce(2, net0)
		s.wait(time.Second)
		s.stop()
		s.start(parse(t, ""))
		s.wait(time.Second)
		s.m.done()
		s.m.tell[2](listener.Snapshot{Silent: true})
		s.wait(10 * time.Second)
		s.wantNot(s.m.done(), "no route")
	})
}

// lease = distro: the distribution's client has leased the EUI-64 address (networkd, NetworkManager: /128
// noprefixroute), the kernel has a temporary address.
func TestAddressesOfTheDistributionsClientAreLeftAlone(t *testing.T) {
	m := func() *fakeMachine {
		m := silent()
		m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr(made0), Bits: 128, NoPrefix: true, Preferred: 2 * time.Hour, Valid: 3 * time.Hour})
		m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr("2001:db8::1234:5678:9abc:def0"), Bits: 64, Temporary: true, Preferred: 2 * time.Hour, Valid: 3 * time.Hour})
		return m
	}
	play(t, "[agent]\nlease = distro\n", m, func(s *stage) {
		s.wait(5 * time.Second)
		s.m.tell[2](s.snap("fe80::1", net0))
		s.wait(time.Minute)
		s.wantNot(s.m.done(), "remove ")
	})
}

// Foreign dhclient-like client with an EUI-64 /128 noprefixroute; M=1, A=0.
func TestAStaticAddressLikeAMadeOneIsLeftAlone(t *testing.T) {
	m := func() *fakeMachine {
		m := silent()
		m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr(made0), Bits: 128, NoPrefix: true, Permanent: true, Preferred: wire.Infinite, Valid: wire.Infinite})
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(5 * time.Second)
		sn := s.snap("fe80::1", net0)
		sn.Prefixes[0].Autonomous = false
		sn.Managed = true
		s.m.tell[2](sn)
		s.wait(time.Minute)
		s.m.mu.Lock()
		s.m.servers[2] = reserves(addr0, wire.Infinite)
		s.m.mu.Unlock()
		s.wait(5 * time.Minute)
		s.wantNot(s.m.done(), "remove ")
		for _, a := range s.status("eth0").Addresses {
			if !a.Valid.Infinite() {
				s.Errorf("%+v", a)
			}
		}
	})
}

// The router is restarted: radvd says lifetime 0 at its end, and 1800 at its start, on the one link of two NICs.
func TestARouterThatRestartsTakesNothingOffWhereTwoNICsAreOnItsLink(t *testing.T) {
	play(t, "[agent]\ndefault_nic = eth0\n", silent, func(s *stage) {
		s.wait(time.Second)
		ps := []string{net0, "fd00:1::/64"}
		s.m.tell[2](s.snap("fe80::1", ps...))
		s.m.tell[3](s.snap("fe80::1", ps...))
		s.wait(20 * time.Minute)
		s.m.done()
		off := func() listener.Snapshot {
			x := s.snap("fe80::1", ps...)
			x.Routers = []listener.Router{s.router("fe80::1", 0, ra.Medium)}
			return x
		}
		s.m.tell[2](off())
		s.m.tell[3](off())
		s.wait(30 * time.Second)
		s.wantNot(s.m.done(), "remove ")
		s.m.tell[3](s.snap("fe80::1", ps...))
		s.wait(time.Millisecond)
		s.m.tell[2](s.snap("fe80::1", ps...))
		s.wait(10 * time.Second)
		s.wantNot(s.m.done(), "remove ")
	})
}

// release_on_stop on a NIC that the distribution leases on: its address stays, and needs its routes.
func TestRoutesOfTheDistributionsAddressStayAtAStop(t *testing.T) {
	m := func() *fakeMachine {
		m := silent()
		m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr(addr0), Bits: 128, NoPrefix: true, Preferred: 2 * time.Hour, Valid: 3 * time.Hour})
		return m
	}
	play(t, "[agent]\nra = agent\nlease = distro\nrelease_on_stop = yes\ndefault_nic = eth0\n", m, func(s *stage) {
		s.wait(5 * time.Second)
		s.m.tell[2](s.snap("fe80::1", net0))
		s.wait(time.Minute)
		s.stop()
		s.wantNot(s.m.done(), "no route")
	})
}

// eth0 is the distribution's to lease now; its old lease's address is eth1's by a new reservation.
func TestAnOldLeaseOfANICThatTheDistributionLeasesOnIsNobodys(t *testing.T) {
	play(t, "[agent]\ndefault_nic = eth0\n", two, func(s *stage) {
		s.wait(5 * time.Second)
		s.stop()
		s.m.mu.Lock()
		delete(s.m.addrs[2], netip.MustParseAddr(addr0))
		s.m.servers[3] = reserves(addr0, wire.Infinite)
		s.m.mu.Unlock()
		s.start(parse(t, "[agent]\ndefault_nic = eth0\n[nic eth0]\nlease = distro\n"))
		s.wait(5 * time.Minute)
		if !s.has(3, addr0) {
			t.Error("refused for ever")
		}
	})
}

// The router of the one link of two NICs begins to announce a second prefix: renumbering.
func TestTheDefaultNICOfTwoOnOneLinkFollowsANewPrefix(t *testing.T) {
	play(t, "[agent]\ndefault_nic = eth0\n", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[2](s.snap("fe80::1", net0))
		s.m.tell[3](s.snap("fe80::1", net0))
		s.wait(time.Minute)
		both := []string{net0, "2001:db8:77::/64"}
		s.m.tell[3](s.snap("fe80::1", both...))
		s.wait(time.Millisecond)
		s.m.tell[2](s.snap("fe80::1", both...))
		s.wait(time.Minute)
		if !s.has(2, "2001:db8:77:0:4a0:f0ff:fe00:38") {
			t.Error("the default NIC does not get the new prefix")
		}
	})
}

// A default NIC with a static address on another network, SLAAC on the link of two NICs.
func TestTheDefaultNICOfTwoOnOneLinkHasAnAddressBesideAStaticOne(t *testing.T) {
	m := func() *fakeMachine {
		m := silent()
		m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr("fd00:1::5"), Bits: 64, Permanent: true, Preferred: wire.Infinite, Valid: wire.Infinite})
		return m
	}
	play(t, "[agent]\ndefault_nic = eth0\n", m, func(s *stage) {
		s.wait(time.Second)
		s.m.tell[3](s.snap("fe80::1", net0))
		s.wait(time.Millisecond)
		s.m.tell[2](s.snap("fe80::1", net0))
		s.wait(time.Minute)
		if !s.has(2, made0) {
			t.Error("the default NIC does not get its address")
		}
	})
}
