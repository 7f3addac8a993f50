package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// solicited waits until the guest asks routers on a network: from then on it hears them.
func solicited(ctx context.Context, t *testing.T, n *cloud.Net) {
	t.Helper()
	_, _, err := n.Segment.Capture.Await(ctx, 0, "a solicitation of the guest", func(p lab.Packet) bool {
		return p.ICMP == lab.RouterSolicitation && p.From.String() == n.Reserved.MAC.String()
	})
	check(t, err)
}

// forEver is a prefix as a stranger announces it: L and A, without an end.
func forEver(prefixes ...netip.Prefix) (a ra.Advertisement) {
	for _, p := range prefixes {
		a.Prefixes = append(a.Prefixes, ra.Prefix{Prefix: p, OnLink: true, Autonomous: true, Preferred: infinite, Valid: infinite})
	}
	return a
}

const infinite = 0xffffffff * time.Second

// slaacRouter has a network's router announce prefixes for addresses of the guests' making.
func slaacRouter(ctx context.Context, t *testing.T, n *cloud.Net, prefix netip.Prefix, lifetimes string) {
	t.Helper()
	startRadvd(ctx, t, n, "AdvDefaultLifetime 1800; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; prefix "+prefix.String()+
		" { AdvOnLink on; AdvAutonomous on; "+lifetimes+" };")
}

// onlyOn says whether of all NICs the one given alone has addresses in, and a route to, the prefix.
func onlyOn(s lab.State, p netip.Prefix, nic string) bool {
	return s.Route(p, nic) && len(inPrefix(s, p)) == 1 && inPrefix(s, p)[0].NIC == nic && inPrefix(s, p)[0].Usable() &&
		!slices.ContainsFunc(s.Routes, func(r lab.Route) bool { return r.Dst == p && r.NIC != nic })
}

// inPrefix are the addresses in a prefix.
func inPrefix(s lab.State, p netip.Prefix) (out []lab.Addr) {
	for _, a := range s.Global("") {
		if p.Contains(a.Prefix.Addr()) {
			out = append(out, a)
		}
	}
	return out
}

// nothingOf checks that since then no NIC but the one given had an address in the prefix or a route to it.
func nothingOf(t *testing.T, c *cloud.Cloud, from int, p netip.Prefix, nic string) {
	t.Helper()
	for _, ch := range c.Guest.Changes()[from:] {
		if ch.NIC != nic && !ch.Gone && p.Contains(ch.Prefix.Addr()) && ch.Prefix.Bits() >= p.Bits() {
			t.Errorf("%s had %s, for however short a time", ch.NIC, ch.Prefix)
		}
	}
}

// A stranger on one network announces the other one's prefix before any router speaks, and without being a
// router. What it gets so it loses when the routers speak.
func TestANetworkThatAStrangerClaimsFirstIsItsOwnNICs(t *testing.T) {
	for i, where := range []string{"the default network", "the secondary network"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := newCloud(ctx, t, 2)
			check(t, c.StartGuest())
			here, other := c.Nets[i], c.Nets[1-i]
			s := newStranger(ctx, t, c, here)
			ctx, _ = agent(ctx, t, c, "default_nic = eth0\nra = kernel\n")
			solicited(ctx, t, here)
			s.advertise(t, linkLocal(1), forEver(other.Prefix))
			_, err := c.Guest.Await(ctx, "what nobody can know better yet", func(st lab.State) bool { return len(inPrefix(st, other.Prefix)) == 1 })
			check(t, err)
			for _, n := range c.Nets {
				slaacRouter(ctx, t, n, n.Prefix, "")
			}
			_, err = c.Guest.Await(ctx, "each network on its own NIC", func(st lab.State) bool {
				return onlyOn(st, here.Prefix, here.NIC) && onlyOn(st, other.Prefix, other.NIC)
			})
			check(t, err)
			ping(ctx, t, c.Guest, here.Neighbor6)
			ping(ctx, t, c.Guest, other.Neighbor6)
		})
	}
}

// The same on a guest that has its addresses: all the time, and while the other NIC is down.
func TestANetworkThatAStrangerClaimsLaterStaysItsOwnNICs(t *testing.T) {
	for i, where := range []string{"the default network", "the secondary network"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := newCloud(ctx, t, 2)
			for _, n := range c.Nets {
				slaacRouter(ctx, t, n, n.Prefix, "")
			}
			check(t, c.StartGuest())
			here, other := c.Nets[i], c.Nets[1-i]
			s := newStranger(ctx, t, c, here)
			ctx, _ = agent(ctx, t, c, "default_nic = eth0\nra = kernel\n")
			settled := func() {
				t.Helper()
				_, err := c.Guest.Await(ctx, "each network on its own NIC", func(st lab.State) bool {
					return onlyOn(st, here.Prefix, here.NIC) && onlyOn(st, other.Prefix, other.NIC)
				})
				check(t, err)
			}
			settled()
			from := len(c.Guest.Changes())
			for round, down := range []bool{false, true} {
				if down {
					check(t, c.Guest.Down(other.NIC))
				}
				mark := netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/64", 0x100+round)) // nobody's: it is taken, and shows that all was heard
				s.advertise(t, linkLocal(1), forEver(other.Prefix, mark))
				_, err := c.Guest.Await(ctx, "an address in "+mark.String(), func(st lab.State) bool { return len(inPrefix(st, mark)) == 1 })
				check(t, err)
				if down {
					check(t, c.Guest.Up(other.NIC))
				}
				settled()
			}
			nothingOf(t, c, from, other.Prefix, other.NIC)
		})
	}
}

// A server on the secondary network leases in the default NIC's prefix, before that has its lease.
func TestTheDefaultNetworkIsTheDefaultNICsThoughAServerElsewhereWasFirst(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 2)
	check(t, c.StartGuest())
	first, second := c.Nets[0], c.Nets[1]
	lies := second.Network()
	lies.Prefix = first.Prefix
	lies.Guests = []peer.Guest{{Name: "vm", MAC: second.Reserved.MAC, Addr: first.Host(0x39), Secondary: true}}
	check(t, second.Serve(ctx, peer.V6responder, lies))
	ctx, _ = agent(ctx, t, c, "default_nic = eth0\nra = kernel\n")
	_, err := c.Guest.Await(ctx, "what nobody can know better yet", func(s lab.State) bool { return onlyOn(s, first.Prefix, "eth1") })
	check(t, err)
	check(t, first.Serve(ctx, peer.Dnsmasq, first.Network()))
	_, err = c.Guest.Await(ctx, "the default NIC's address, and the route to its network by it alone", func(s lab.State) bool {
		return s.Usable("eth0", first.Reserved.Addr) && s.Route(first.Prefix, "eth0") && !s.Route(first.Prefix, "eth1")
	})
	check(t, err)
	ping(ctx, t, c.Guest, first.Neighbor6)
}

// The kernel has made addresses of one /64 on both NICs before there is an agent: neither is in the way of the
// default NIC's, which its router keeps alive.
func TestAddressesThatTheKernelMadeOnTwoNICsOfOnePrefix(t *testing.T) {
	const short = "AdvPreferredLifetime 15; AdvValidLifetime 20;"
	for name, other := range map[string]func(context.Context, *testing.T, *cloud.Cloud){
		"a stranger announces it": func(ctx context.Context, t *testing.T, c *cloud.Cloud) {
			newStranger(ctx, t, c, c.Nets[1]).advertise(t, linkLocal(1), forEver(c.Nets[0].Prefix))
		},
		"both routers announce it": func(ctx context.Context, t *testing.T, c *cloud.Cloud) {
			slaacRouter(ctx, t, c.Nets[1], c.Nets[0].Prefix, short)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 2*time.Minute)
			c := newCloud(ctx, t, 2)
			first := c.Nets[0]
			slaacRouter(ctx, t, first, first.Prefix, short)
			check(t, c.StartGuest())
			check(t, c.GuestUp())
			_, err := c.Guest.Await(ctx, "both NICs", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() && s.LinkLocal("eth1").IsValid() })
			check(t, err)
			other(ctx, t, c)
			_, err = c.Guest.Await(ctx, "the kernel's addresses", func(s lab.State) bool { return len(inPrefix(s, first.Prefix)) == 2 })
			check(t, err)
			from, heard := len(c.Guest.Changes()), len(first.Segment.Capture.Packets())
			ctx, _ = agent(ctx, t, c, "default_nic = eth0\nra = kernel\n")
			for range 9 { // at least 24 s: what nobody renews is over
				_, heard, err = first.Segment.Capture.Await(ctx, heard, "an advertisement", func(p lab.Packet) bool { return p.ICMP == lab.RouterAdvertisement })
				check(t, err)
			}
			s, err := c.Guest.State()
			check(t, err)
			if !s.Usable("eth0", made(first)) || !s.Route(first.Prefix, "eth0") {
				t.Errorf("the default NIC's address or route is over, though its router speaks:\n%s", s)
			}
			for _, ch := range c.Guest.Changes()[from:] {
				if ch.Gone && !ch.Route && ch.NIC == "eth0" && ch.Prefix.Addr() == made(first) {
					t.Errorf("the default NIC was without its address for a moment")
				}
			}
			ping(ctx, t, c.Guest, first.Neighbor6)
		})
	}
}

// A stranger speaks first, once, and announces as many prefixes as a NIC has addresses of.
func TestStrangersWhoSpeakFirstLeaveRoomForTheTrueAddress(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	check(t, c.StartGuest())
	n := c.Nets[0]
	s := newStranger(ctx, t, c, n)
	ctx, _ = agent(ctx, t, c, "ra = kernel\n")
	solicited(ctx, t, n)
	var prefixes []netip.Prefix
	for i := range 16 {
		prefixes = append(prefixes, netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/64", 0x1001+i)))
	}
	s.advertise(t, linkLocal(1), forEver(prefixes...))
	_, err := c.Guest.Await(ctx, "addresses in the stranger's prefixes", func(st lab.State) bool { return len(st.Global("eth0")) == 16 })
	check(t, err)
	slaacRouter(ctx, t, n, n.Prefix, "")
	_, err = c.Guest.Await(ctx, "the address in the true router's prefix, and the route to it", func(st lab.State) bool {
		return st.Usable("eth0", made(n)) && st.Route(n.Prefix, "eth0") && len(st.Global("eth0")) <= 16
	})
	check(t, err)
	ping(ctx, t, c.Guest, n.Neighbor6)
}

// v6guest is updated on a SLAAC network, and a DHCPv6 server comes meanwhile.
func TestAnAddressThatAnEarlierRunHasMadeGivesWayToALease(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	slaacRouter(ctx, t, n, n.Prefix, "AdvPreferredLifetime infinity; AdvValidLifetime infinity;")
	check(t, c.StartGuest())
	running, p := agent(ctx, t, c, "ra = kernel\n")
	usable(running, t, c, "eth0", made(n))
	_, err := p.Stop(ctx)
	check(t, err)
	network := n.Network()
	network.NoRA = true
	check(t, n.Serve(ctx, peer.Dnsmasq, network))
	ctx, _ = agent(ctx, t, c, "ra = kernel\n")
	asReserved(ctx, t, c)
}
