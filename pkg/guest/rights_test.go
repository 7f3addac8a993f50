package guest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/ra/listener"
	"github.com/v6guest/v6guest/pkg/wire"
)

// announces is what is heard of one router that says that the prefix is on the link.
func announces(s *stage, router string, p listener.Prefix, routerLifetime time.Duration) listener.Snapshot {
	r := s.router(router, routerLifetime, ra.Medium)
	p.OnLink, p.OnLinkUntil, p.Routers = true, p.ValidUntil, []netip.Addr{r.Addr}
	return listener.Snapshot{Heard: true, Routers: []listener.Router{r}, Prefixes: []listener.Prefix{p}}
}

// A neighbour on the default network announces the secondary NIC's network, and is no default router.
func TestAPrefixOfASecondaryNICStaysItsOwn(t *testing.T) {
	const second, stolen = "2001:db8:1::4a0:f0ff:fe00:39", "2001:db8:1::4a0:f0ff:fe00:38"
	of := func(s *stage, prefix string, lifetime time.Duration) listener.Snapshot {
		router := map[bool]string{true: "fe80::bad", false: "fe80::1"}[lifetime == 0]
		if lifetime > 0 && prefix != net0 {
			router = "fe80::101"
		}
		return announces(s, router, s.advertised(prefix, time.Hour, 4*time.Hour), lifetime)
	}
	t.Run("that it has an address in", func(t *testing.T) {
		play(t, "", silent, func(s *stage) {
			s.m.tell[3](of(s, "2001:db8:1::/64", time.Hour))
			s.wait(4 * time.Second)
			s.m.tell[2](of(s, "2001:db8:1::/64", 0))
			s.wait(4 * time.Second)
			if !s.has(3, second) || s.has(2, stolen) {
				s.Errorf("addresses %v", s.m.addrs)
			}
		})
	})
	t.Run("that it has heard of too late, once the default NIC has another address", func(t *testing.T) {
		play(t, "", silent, func(s *stage) {
			s.m.tell[2](of(s, "2001:db8:1::/64", 0))
			s.wait(4 * time.Second)
			if !s.has(2, stolen) {
				s.Fatalf("nobody could know better yet: %v", s.m.addrs)
			}
			s.m.tell[3](of(s, "2001:db8:1::/64", time.Hour))
			s.wait(4 * time.Second)
			if !s.has(2, stolen) {
				s.Errorf("the default NIC is left without any address: %v", s.m.addrs)
			}
			true0, stranger := of(s, "2001:db8::/64", time.Hour), of(s, "2001:db8:1::/64", 0)
			stranger.Prefixes[0].Routers = []netip.Addr{netip.MustParseAddr("fe80::bad")}
			true0.Prefixes = append(true0.Prefixes, stranger.Prefixes...)
			s.m.tell[2](true0)
			s.wait(4 * time.Second)
			if !s.has(2, made0) || s.has(2, stolen) || !s.has(3, second) {
				s.Errorf("addresses %v", s.m.addrs)
			}
		})
	})
}

// A server on the secondary network gives out the address that the default NIC's server reserves for that.
func TestTheDefaultNICsLeasedAddressIsItsOwn(t *testing.T) {
	has := func(s *stage, index int) bool { return s.has(index, addr0) }
	t.Run("though the secondary NIC's server was first", func(t *testing.T) {
		m := func() *fakeMachine {
			m := two()
			delete(m.servers, 2)
			m.servers[3] = reserves(addr0, wire.Infinite)
			return m
		}
		play(t, "", m, func(s *stage) {
			s.wait(5 * time.Second)
			if !has(s, 3) {
				s.Fatalf("nobody could know better yet: %v", s.m.addrs)
			}
			reserveOn(s, 2, addr0)
			s.wait(2 * time.Minute)
			if !has(s, 2) || has(s, 3) {
				s.Errorf("addresses %v", s.m.addrs)
			}
			reserveOn(s, 3, addr1)
			s.wait(10 * time.Minute)
			if !s.has(3, addr1) {
				s.Errorf("the secondary NIC takes what its true server gives: %v", s.m.addrs)
			}
			s.m.mu.Lock()
			defer s.m.mu.Unlock()
			if slices.Contains(s.m.heard, dhcpv6.MessageTypeDecline) {
				s.Error("the address was declined, which its server would heed")
			}
		})
	})
	t.Run("while it is down", func(t *testing.T) {
		play(t, "", two, func(s *stage) {
			s.wait(3 * time.Second)
			s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = false, false })
			s.wait(time.Second)
			reserveOn(s, 3, addr0)
			s.m.change(3, func(n *link.NIC) { n.Carrier = false })
			s.wait(time.Second)
			s.m.change(3, func(n *link.NIC) { n.Carrier = true })
			s.wait(time.Minute)
			if has(s, 3) {
				s.Errorf("the secondary NIC took it: %v", s.m.addrs)
			}
			s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = true, true })
			s.wait(5 * time.Second)
			reserveOn(s, 2, "2001:db8::77")
			s.m.change(2, func(n *link.NIC) { n.CarrierChanges += 2 })
			s.wait(time.Minute)
			if !s.has(2, "2001:db8::77") {
				s.Errorf("addresses %v", s.m.addrs)
			}
		})
	})
}

func TestWhoseAnAddressIs(t *testing.T) {
	const first, second, third = 2, 3, 4 // the first is the default NIC
	addr := netip.MustParseAddr("2001:db8:1::38")
	says := func(prefix string, byDefault bool) listener.Snapshot {
		r := listener.Router{Addr: netip.MustParseAddr("fe80::1"), Default: byDefault}
		return listener.Snapshot{
			Routers:  []listener.Router{r},
			Prefixes: []listener.Prefix{{Prefix: netip.MustParsePrefix(prefix), Routers: []netip.Addr{r.Addr}}},
		}
	}
	isRouter := listener.Snapshot{Routers: []listener.Router{{Addr: addr}}}
	for name, tt := range map[string]struct {
		of   int
		set  func(*world)
		want string
	}{
		"nobody's":                          {first, func(*world) {}, ""},
		"leased for another, which is down": {second, func(w *world) { w.lease(third, addr) }, "it is leased for eth2"},
		"on another by hand": {first, func(w *world) {
			w.see(link.AddrChanged{Addr: link.Addr{Index: third, Addr: addr}})
		}, "it is on eth2"},
		"leased for a secondary NIC, nobody announces": {first, func(w *world) { w.lease(second, addr) }, ""},
		"leased for a secondary NIC, whose router alone announces it": {first, func(w *world) {
			w.lease(second, addr)
			w.heard(second, says("2001:db8:1::/64", true))
		}, "it is leased for eth1"},
		"leased for a secondary NIC, a neighbour there announces it": {first, func(w *world) {
			w.lease(second, addr)
			w.heard(second, says("2001:db8:1::/64", false))
		}, ""},
		"leased for a secondary NIC, both routers announce it": {first, func(w *world) {
			w.lease(second, addr)
			w.heard(first, says("2001:db8:1::/64", true))
			w.heard(second, says("2001:db8:1::/64", true))
		}, ""},
		"its own, on another by hand": {second, func(w *world) {
			w.lease(second, addr)
			w.see(link.AddrChanged{Addr: link.Addr{Index: third, Addr: addr}})
		}, ""},
		"its own, and the default NIC's": {second, func(w *world) { w.lease(second, addr); w.lease(first, addr) }, "it is leased for eth0"},
		"its own, that a router claims": {second, func(w *world) {
			w.lease(second, addr)
			w.heard(first, isRouter)
		}, ""},
		"a router's": {second, func(w *world) { w.heard(first, isRouter) }, "it is a router's"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			for i, nic := range map[int]string{first: "eth0", second: "eth1", third: "eth2"} {
				w.see(link.NICChanged{NIC: link.NIC{Index: i, Name: nic}})
			}
			w.theDefaultIs(first)
			tt.set(w)
			if got := w.refuse(addr, tt.of); got != tt.want {
				t.Errorf("refused because %q, want %q", got, tt.want)
			}
		})
	}
}

// A guest that was started anew: the secondary NIC's server is faster than the default NIC's Confirm.
func TestASavedLeaseIsTheNICsOwn(t *testing.T) {
	play(t, "", two, func(s *stage) {
		s.wait(3 * time.Second)
		s.stop()
		s.m.mu.Lock()
		s.m.flush(2)
		s.m.flush(3)
		s.m.mu.Unlock()
		s.m.change(2, func(n *link.NIC) { n.Up, n.Carrier = false, false })
		reserveOn(s, 3, addr0)
		s.start(parse(t, ""))
		s.wait(time.Minute)
		if s.has(3, addr0) {
			s.Errorf("addresses %v", s.m.addrs)
		}
	})
}

// reserveOn lets a server give the address to whoever asks on a NIC's link.
func reserveOn(s *stage, index int, addr string) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.servers[index] = reserves(addr, wire.Infinite)
}

// The kernel makes the default NIC's address, since v6guest is told not to.
func TestTheKernelsAddressKeepsTheDefaultNICsNetworkToo(t *testing.T) {
	play(t, "[nic eth0]\nslaac = off\n", silent, func(s *stage) {
		s.wait(time.Second)
		s.m.addRoute(kernelOnLink(2, "2001:db8::/64", time.Hour))
		s.m.addAddr(link.Addr{Index: 2, Addr: netip.MustParseAddr(made0), Bits: 64, Origin: link.OriginRA, Preferred: time.Hour, Valid: time.Hour})
		said := announces(s, "fe80::1", s.advertised("2001:db8::/64", time.Hour, 4*time.Hour), time.Hour)
		s.m.tell[2](said)
		said.Routers = []listener.Router{s.router("fe80::bad", 0, ra.Medium)}
		s.m.tell[3](said)
		s.wait(10 * time.Second)
		if s.has(3, "2001:db8::4a0:f0ff:fe00:39") {
			s.Errorf("the secondary NIC has an address there: %v", s.m.addrs)
		}
	})
}

// The default network's router announces no prefix that is on-link, or none at all: everybody there is reached by
// the router. A neighbour on the secondary network calls the prefix on-link before the default NIC's lease.
func TestTheDefaultNICsNetworkIsItsOwnWithoutAnOnLinkPrefix(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		s.wait(time.Second)
		of := func(lifetime time.Duration) listener.Snapshot {
			return announces(s, "fe80::bad", s.advertised("2001:db8::/64", time.Hour, 4*time.Hour), lifetime)
		}
		s.m.tell[3](of(0))
		s.wait(5 * time.Second)
		const stolen = "2001:db8::4a0:f0ff:fe00:39"
		if !s.has(3, stolen) {
			s.Fatalf("nobody could know better yet: %v", s.m.addrs)
		}
		s.m.tell[2](listener.Snapshot{Heard: true, Managed: true, Routers: []listener.Router{s.router("fe80::1", time.Hour, ra.Medium)}})
		reserveOn(s, 2, addr0)
		s.wait(2 * time.Minute)
		if !s.has(2, addr0) || s.has(3, stolen) {
			s.Errorf("addresses %v", s.m.addrs)
		}
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		if slices.ContainsFunc(s.m.routes, func(r link.Route) bool { return r.Index == 3 && r.Dst == netip.MustParsePrefix("2001:db8::/64") }) {
			s.Errorf("routes %v", s.m.routes)
		}
	})
}

// What is not taken since it is another NIC's is told, once, for as long as it holds.
func TestAPrefixThatIsAnotherNICsIsLoggedAndInTheStatus(t *testing.T) {
	play(t, "", silent, func(s *stage) {
		other := announces(s, "fe80::1", s.advertised(net0, time.Hour, 4*time.Hour), time.Hour)
		s.m.tell[2](other)
		s.wait(5 * time.Second)
		for range 20 {
			s.m.tell[3](announces(s, "fe80::bad", s.advertised(net0, time.Hour, 4*time.Hour), 0))
			s.wait(time.Minute)
			s.m.tell[3](listener.Snapshot{Heard: true})
			s.wait(time.Minute)
		}
		s.m.tell[3](announces(s, "fe80::bad", s.advertised(net0, time.Hour, 4*time.Hour), 0))
		s.wait(time.Second)
		got := s.status("eth1").Refused
		if len(got) != 2 || got[0].What != "route" || got[1].What != "address" || got[0].Prefix.String() != net0 || !strings.Contains(got[0].Why, "eth0") {
			s.Errorf("status %+v", got)
		}
		for _, line := range []string{"advertised prefix gets no route", "advertised prefix gets no address"} {
			if n := strings.Count(s.out.String(), line); n < 1 || n > 2 {
				s.Errorf("%q is logged %d times in 40 minutes", line, n)
			}
		}
		s.m.tell[3](listener.Snapshot{Heard: true})
		s.wait(time.Second)
		if got := s.status("eth1").Refused; got != nil {
			s.Errorf("nobody announces it any more: %+v", got)
		}
	})
}
