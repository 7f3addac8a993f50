package guest

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/sysctl"
	"github.com/v6guest/v6guest/pkg/wire"
)

// The networks of eth0 and eth1, to which addr0 and addr1 belong.
const net0, net1 = "2001:db8::/64", "2001:db8:1::/64"

// announce has a router on the NIC's link say that the prefixes are on-link.
func (s *stage) announce(nic int, prefixes ...string) {
	snap := listener.Snapshot{Heard: true, Routers: []listener.Router{{Addr: netip.MustParseAddr("fe80::1")}}}
	for _, p := range prefixes {
		snap.Prefixes = append(snap.Prefixes, listener.Prefix{Prefix: netip.MustParsePrefix(p), OnLink: true, OnLinkUntil: clock.Never})
	}
	s.m.tell[nic](snap)
	s.wait(time.Millisecond)
}

// kernelOnLink is the route that the kernel makes of an advertised prefix.
func kernelOnLink(nic int, prefix string, expires time.Duration) link.Route {
	return link.Route{
		Index: nic, Dst: netip.MustParsePrefix(prefix), Protocol: link.ProtoKernel, Metric: 256, Expires: expires, Table: link.TableMain,
	}
}

// wantDone demands that this was done, and nothing else.
func (s *stage) wantDone(want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, s.m.done()); diff != "" {
		s.Errorf("done (-want +got):\n%s", diff)
	}
}

func TestOnLinkRoutesOfASecondaryNIC(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		// Of its own network only, and never what is another NIC's.
		s.announce(3, net1, net0, "2001:db8:9::/64")
		s.wantDone("route " + net1 + " on eth1")
		if got := s.status("eth1").OnLink; len(got) != 1 || got[0].String() != net1 {
			s.Errorf("status: %v", got)
		}
		// One that somebody removes is put back.
		_ = s.m.RemoveRoute(s.Context(), link.Route{Index: 3, Dst: netip.MustParsePrefix(net1)})
		s.wait(time.Second)
		s.wantDid(s.m.done(), "route "+net1+" on eth1")
		// One that no router announces any more goes.
		s.announce(3)
		s.wantDid(s.m.done(), "no route "+net1+" on eth1")
		// One that is there stays when a stack is to take prefixes, until it has done so.
		s.announce(3, net1)
		s.m.mu.Lock()
		s.m.stack = StackRA{Mode: RAStack}
		s.m.mu.Unlock()
		s.m.done()
		s.m.addRoute(ipv4Default(3))
		s.wait(time.Second)
		s.wantNot(s.m.done(), "no route")
		s.m.addRoute(kernelOnLink(3, net1, 0))
		s.wait(time.Second)
		s.wantDone("no route " + net1 + " on eth1")
	})
}

// Where the kernel processes advertisements it is kept from prefixes: it would believe any.
func TestTheKernelTakesNoPrefixFromAdvertisements(t *testing.T) {
	for _, config := range []string{"ra = kernel\n", "ra = kernel\n[nic eth1]\nsecondary_ra = no-default-route\n"} {
		play(t, "[agent]\n"+config, two, func(s *stage) {
			s.wantDid(s.m.done(), "eth0.accept_ra_pinfo=0", "eth0.accept_ra=2")
			s.wait(3 * time.Second)
			s.m.done()
			s.announce(2, net1, "2001:db8::/32", net0)
			s.announce(3, net0, "2001:db8::/32", net1)
			s.wantDone("route "+net0+" on eth0", "route "+net1+" on eth1")
		})
	}
}

func TestWhereTheDistributionLeasesTheKernelTakesPrefixes(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.setSwitch("eth0", sysctl.AcceptRAPinfo, "0") // as an agent that leased has left it
		return m
	}
	play(t, "[agent]\nlease = distro\n", m, func(s *stage) {
		s.wantDid(s.m.done(), "eth0.accept_ra_pinfo=1", "eth0.accept_ra=2")
		s.m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr(addr0), Bits: 128, Permanent: true, Valid: wire.Infinite})
		s.announce(2, net0)
		s.wantDone()
	})
}

// What the kernel made of advertisements before the agent came: a foreign prefix goes, the NIC's own stays
// until there is a route in its place.
func TestOnLinkRoutesThatTheKernelMadeEarlierAreReplaced(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.addRoute(kernelOnLink(2, net0, 0))
		m.addRoute(kernelOnLink(2, net1, time.Hour))
		m.addRoute(kernelOnLink(2, "2001:db8::/32", 0))
		m.addRoute(kernelOnLink(2, "2001:db8:77::/64", 0)) // of an address that somebody has given it
		m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr("2001:db8:77::1"), Bits: 64, Permanent: true, Valid: wire.Infinite})
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantNot(s.m.done(), "no route") // nobody knows which are right
		s.announce(2, "2001:db8:5::/64")  // a stranger is faster than the router
		s.wantDone("no route 2001:db8::/32 on eth0", "no route "+net1+" on eth0")
		s.announce(3, net1)
		s.wantDone("route " + net1 + " on eth1")
		s.announce(2, net0)
		s.wantDone("route "+net0+" on eth0", "no route "+net0+" on eth0")
		s.announce(2)
		s.wantDone("no route " + net0 + " on eth0")
	})
}

// An agent of an earlier version gave its routes another metric.
func TestTheOnLinkRouteOfAnEarlierVersionIsReplaced(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		old := kernelOnLink(3, net1, 0)
		old.Protocol, old.Metric = link.ProtoDHCP, link.DefaultMetric
		m.addRoute(old)
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(3 * time.Second)
		s.wantNot(s.m.done(), "route "+net1)
		s.announce(3, net1)
		s.wantDone("route "+net1+" on eth1", "no route "+net1+" on eth1")
	})
}

// A stack that makes its routes again and again is left the last word for longer and longer.
func TestAFightOverOnLinkRoutesHasPauses(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.announce(3, net1)
		s.m.done()
		r := kernelOnLink(3, net0, time.Hour)
		r.Protocol = link.ProtoRA
		removed := 0
		for range 600 { // a minute
			s.m.mu.Lock()
			there := slices.Contains(s.m.routes, r)
			s.m.mu.Unlock()
			if !there {
				s.m.addRoute(r)
				removed++
			}
			s.wait(100 * time.Millisecond)
		}
		if removed > 12 {
			s.Errorf("removed %d times in a minute", removed)
		}
	})
}

// systemd-networkd has the NIC: told to make no default route, it still makes routes to prefixes.
func TestAStackIsNotFoughtWhereItMayProcessAdvertisements(t *testing.T) {
	play(t, "[agent]\nsecondary_ra = no-default-route\n", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.announce(3, net1)
		s.m.done()
		for _, prefix := range []string{net1, "2001:db8:77::/64"} {
			r := kernelOnLink(3, prefix, time.Hour)
			r.Protocol, r.Metric = link.ProtoRA, link.DefaultMetric
			s.m.addRoute(r)
		}
		s.wait(time.Minute)
		s.wantDone()
	})
}

func TestTheOnLinkRouteStaysWhileNobodyKnowsWhatRoutersSay(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.announce(2, net0)
		s.announce(3, net1)
		s.m.done()
		s.m.tell[2](listener.Snapshot{}) // the carrier was away
		s.wait(time.Second)
		s.wantDone()
		s.stop()
		s.start(DefaultConfig())
		s.wait(5 * time.Second)
		s.wantNot(s.m.done(), "route")
		s.announce(2, net0)
		s.announce(3, net1)
		s.wantDone()
		s.m.tell[2](listener.Snapshot{Silent: true}) // another link, without a router
		s.wait(time.Second)
		s.wantDone("no route " + net0 + " on eth0")
	})
}

// Nobody on another's network takes a route away by what is said there.
func TestWhatAnotherNICClaimsTakesNoRouteAway(t *testing.T) {
	m := func() *fakeMachine {
		m := two()
		m.servers[2] = reserves(addr0, wire.Infinite)
		m.servers[3] = reserves("2001:db8::39", wire.Infinite) // in the network of eth0, too
		return m
	}
	play(t, "", m, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.done()
		s.announce(3, net0)
		s.wantDone() // eth0 has an address there
		s.announce(2, net0)
		s.wantDone("route " + net0 + " on eth0")
		s.announce(3, net0)
		s.wantDone()
		s.m.addAddr(link.Addr{Index: 3, Addr: netip.MustParseAddr("2001:db8::40"), Bits: 64, Permanent: true, Valid: wire.Infinite})
		s.wait(time.Second)
		s.wantDone()
	})
}

// The agent may have set a switch that configure did not know of yet, as after an upgrade.
func TestSwitchesThatTheAgentHasSetAreRestoredToWhatTheyWere(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.m.setSwitch("eth0", sysctl.AcceptRA, "1") // somebody's flip is no original
		s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = false, false })
		s.wait(time.Second)
		if v, _ := s.m.Get("eth0", sysctl.AcceptRA); v != "2" {
			s.Fatalf("accept_ra = %s", v)
		}
		s.stop()
		if _, err := loadSwitches(s.state).restore(s.m, []link.NIC{{Index: 2, Name: "eth0"}, {Index: 3, Name: "eth1"}}); err != nil {
			s.Fatal(err)
		}
		want := map[sysctl.Switch]string{sysctl.AcceptRA: "1", sysctl.AcceptRADefrtr: "1", sysctl.AcceptRAPinfo: "1", sysctl.Autoconf: "1"}
		for _, nic := range []string{"eth0", "eth1"} {
			for name, v := range want {
				if got, _ := s.m.Get(nic, name); got != v {
					s.Errorf("%s of %s is %s, and was %s", name, nic, got, v)
				}
			}
		}
	})
}

// A neighbour on the secondary network is the first to announce the default NIC's network; the default NIC's
// router speaks later.
func TestTheDefaultNICsNetworkIsItsOwnWhoeverClaimsItFirst(t *testing.T) {
	said := func(s *stage, router string) listener.Snapshot {
		p := s.advertised("2001:db8::/64", time.Hour, 4*time.Hour)
		return announces(s, router, p, time.Hour)
	}
	route := func(s *stage, index int) bool {
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		return slices.ContainsFunc(s.m.routes, func(r link.Route) bool {
			return r.Index == index && r.Dst == netip.MustParsePrefix("2001:db8::/64")
		})
	}
	const stolen = "2001:db8::4a0:f0ff:fe00:39" // of mac1 in the first network
	t.Run("made of prefixes", func(t *testing.T) {
		play(t, "", silent, func(s *stage) {
			s.wait(time.Second)
			s.m.tell[3](said(s, "fe80::bad"))
			s.wait(5 * time.Second)
			if !s.has(3, stolen) || !route(s, 3) {
				s.Fatalf("nobody could know better yet: %v", s.m.addrs)
			}
			s.m.tell[2](said(s, "fe80::1"))
			s.wait(5 * time.Second)
			if !s.has(2, made0) || !route(s, 2) {
				s.Errorf("the default NIC lacks address or route: %v %v", s.m.addrs, s.m.routes)
			}
			if s.has(3, stolen) || route(s, 3) {
				s.Errorf("the secondary NIC keeps address or route: %v %v", s.m.addrs, s.m.routes)
			}
			// While the default NIC is away for a moment, and while its address is put back.
			s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = false, false })
			s.m.tell[3](said(s, "fe80::bad"))
			s.wait(time.Second)
			s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = true, true })
			s.wait(5 * time.Second)
			if s.has(3, stolen) || route(s, 3) || !s.has(2, made0) || !route(s, 2) {
				s.Errorf("after the NIC was down: %v %v", s.m.addrs, s.m.routes)
			}
		})
	})
	t.Run("leased", func(t *testing.T) {
		m := func() *fakeMachine {
			m := two()
			m.servers[3] = reserves("2001:db8::39", time.Hour)
			return m
		}
		play(t, "", m, func(s *stage) {
			s.wait(3 * time.Second)
			s.m.tell[3](said(s, "fe80::bad"))
			s.wait(time.Second)
			s.m.tell[2](said(s, "fe80::1"))
			s.wait(time.Second)
			if !route(s, 2) || route(s, 3) {
				s.Errorf("routes %v", s.m.routes)
			}
		})
	})
}
