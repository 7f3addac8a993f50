package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/pkg/link"
	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

func TestTheAgentItselfFollowsThePinnedRouter(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Kea, 2)
	router := c.Nets[0].RouterLL
	ctx, _ = agent(ctx, t, c, "default_nic = eth0\n[nic eth0]\nrouters = "+router.String()+"\n")
	_, err := c.Guest.Await(ctx, "one default route, made by v6guest, and the on-link routes", func(s lab.State) bool {
		d := s.DefaultNICs()
		return len(d) == 1 && d[0] == "eth0" && s.Route(c.Nets[0].Prefix, "eth0") && s.Route(c.Nets[1].Prefix, "eth1") &&
			s.Usable("eth0", c.Nets[0].Reserved.Addr) && s.Usable("eth1", c.Nets[1].Reserved.Addr)
	})
	check(t, err)
	got, err := c.Guest.ReadSysctl("net/ipv6/conf/eth0/accept_ra")
	check(t, err)
	if got != "0" {
		t.Errorf("accept_ra of eth0 = %s: the kernel would take any router", got)
	}
	ping(ctx, t, c.Guest, cloud.Outside)
	ping(ctx, t, c.Guest, c.Nets[0].Neighbor6)
}

// The network's router and a stranger offer themselves, and the agent hears both; then the pinned router does, and
// has the route. What was heard before that the agent has dealt with by then.
func TestARouterThatIsNotPinnedNeverHasARoute(t *testing.T) {
	for _, up := range []bool{false, true} {
		t.Run(fmt.Sprintf("NIC up before %v", up), func(t *testing.T) {
			t.Parallel()
			notPinned(within(t, 2*time.Minute), t, up)
		})
	}
}

func notPinned(ctx context.Context, t *testing.T, up bool) {
	c := served(ctx, t, peer.Dnsmasq, 1)
	n, pinned, from := c.Nets[0], linkLocal(0x99), 0
	if up { // then the kernel has believed the router before there was an agent
		check(t, c.GuestUp())
		_, err := c.Guest.Await(ctx, "the kernel's default route", func(s lab.State) bool { return len(s.Default()) == 1 })
		check(t, err)
		from = len(c.Guest.Changes())
	}
	s := newStranger(ctx, t, c, n)
	ctx, p := agent(ctx, t, c, "routers = "+pinned.String()+"\n", "--verbose")
	usable(ctx, t, c, "eth0", n.Reserved.Addr)
	for _, when := range []string{"at first", "after the carrier was away"} {
		t.Log(when)
		next := len(p.Lines())
		offered := func(router netip.Addr) {
			t.Helper()
			line := ""
			for !strings.Contains(line, " from "+router.String()+" ") || strings.Contains(line, " lifetime 0s ") {
				var err error
				next, err = p.AwaitLine(ctx, next, "eth0 < Router Advertisement")
				check(t, err)
				line = p.Lines()[next-1].Text
			}
		}
		command(ctx, t, s.machine, "rdisc6", "-1", "eth0") // the router answers all nodes
		offered(n.RouterLL)
		s.advertise(t, linkLocal(7), ra.Advertisement{RouterLifetime: time.Hour, Preference: ra.High, Managed: true})
		offered(linkLocal(7))
		s.advertise(t, pinned, ra.Advertisement{RouterLifetime: time.Hour, Managed: true})
		offered(pinned)
		_, err := c.Guest.Await(ctx, "the route by the pinned router alone", func(st lab.State) bool {
			d := st.Default()
			return len(d) == 1 && d[0].Gateway == pinned
		})
		check(t, err)
		flap(ctx, t, c)
		_, err = c.Guest.Await(ctx, "the carrier", func(s lab.State) bool { return s.Carrier("eth0") })
		check(t, err)
	}
	for _, change := range c.Guest.Changes()[from:] {
		if change.Route && change.Prefix.Bits() == 0 && !change.Gone && change.Gateway != pinned {
			t.Errorf("a default route by %s on %s, for however short a time", change.Gateway, change.NIC)
		}
	}
}

func TestTheAgentItselfFollowsSeveralRoutersAsTheyComeAndGo(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 1)
	n := c.Nets[0]
	ctx, _ = agent(ctx, t, c, "ra = agent\n")
	asReserved(ctx, t, c)
	second := newStranger(ctx, t, c, n)
	from := linkLocal(7)
	says := func(lifetime time.Duration, p ra.Preference, what string, routers ...netip.Addr) {
		t.Helper()
		second.advertise(t, from, ra.Advertisement{RouterLifetime: lifetime, Preference: p, Managed: true})
		_, err := c.Guest.Await(ctx, what, func(s lab.State) bool {
			var got []netip.Addr
			for _, r := range s.Default() {
				got = append(got, r.Gateway)
			}
			slices.SortFunc(got, netip.Addr.Compare)
			return slices.Equal(got, routers)
		})
		check(t, err)
	}
	way := func(router netip.Addr) {
		t.Helper()
		if got := must(ctx, t, c, "ip", "-6", "route", "get", cloud.Outside.String()); !strings.Contains(got, "via "+router.String()+" ") {
			t.Errorf("the way out is not by %s: %s", router, got)
		}
	}
	both := []netip.Addr{from, n.RouterLL}
	slices.SortFunc(both, netip.Addr.Compare)
	says(time.Hour, ra.High, "a route by each router", both...)
	way(from)
	says(0, ra.Medium, "the second router's route gone", n.RouterLL)
	way(n.RouterLL)
	says(time.Hour, ra.Low, "a route by each router again", both...)
	way(n.RouterLL)
	says(2*time.Second, ra.High, "the second router's better route", both...)
	says(2*time.Second, ra.High, "its end", n.RouterLL) // nobody says it any more
}

func TestDefaultRoutesOfAnEarlierRunFollowTheNewConfiguration(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 2)
	stranger := newStranger(ctx, t, c, c.Nets[0])
	run := func(conf, what string, nic string, routers ...netip.Addr) {
		t.Helper()
		running, p := agent(ctx, t, c, "ra = agent\n"+conf)
		if len(routers) > 1 {
			asReserved(running, t, c)
			stranger.advertise(t, linkLocal(7), ra.Advertisement{RouterLifetime: time.Hour, Managed: true})
		}
		_, err := c.Guest.Await(running, what, func(s lab.State) bool {
			var got []netip.Addr
			for _, r := range s.Default() {
				if r.NIC != nic {
					return false
				}
				got = append(got, r.Gateway)
			}
			slices.SortFunc(got, netip.Addr.Compare)
			return slices.Equal(got, routers)
		})
		check(t, err)
		_, err = p.Stop(ctx)
		check(t, err)
	}
	both := []netip.Addr{linkLocal(7), c.Nets[0].RouterLL}
	slices.SortFunc(both, netip.Addr.Compare)
	run("default_nic = eth0\n", "routes by the router and by a stranger", "eth0", both...)
	run("default_nic = eth0\n[nic eth0]\nrouters = "+c.Nets[0].RouterLL.String()+"\n", "the route by the pinned router alone", "eth0", c.Nets[0].RouterLL)
	run("default_nic = eth1\n", "the route through the new default NIC alone", "eth1", c.Nets[1].RouterLL)
	ctx, _ = agentOn(ctx, t, c, "eth0", "ra = agent\n")
	_, err := c.Guest.Await(ctx, "no route of v6guest's on the NIC that is not named any more, and its address", func(s lab.State) bool {
		return slices.Equal(s.DefaultNICs(), []string{"eth0"}) && !s.Route(c.Nets[1].Prefix, "eth1") && s.Usable("eth1", c.Nets[1].Reserved.Addr)
	})
	check(t, err)
}

// What routers call on-link changes while no agent runs.
func TestOnLinkRoutesOfAnEarlierRunGo(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 2)
	second := c.Nets[1]
	running, p := agent(ctx, t, c, "default_nic = eth0\n")
	asReserved(running, t, c)
	_, err := c.Guest.Await(running, "the route to the second network", func(s lab.State) bool { return s.Route(second.Prefix, "eth1") })
	check(t, err)
	_, err = p.Stop(ctx)
	check(t, err)
	check(t, second.Server.Stop(ctx))
	network := second.Network()
	network.NetworkOptions = []string{"prefix_on_link = no"}
	check(t, second.Serve(ctx, peer.V6responder, network))
	ctx, _ = agent(ctx, t, c, "default_nic = eth0\n")
	_, err = c.Guest.Await(ctx, "no route to it", func(s lab.State) bool {
		return !s.Route(second.Prefix, "eth1") && s.Usable("eth1", second.Reserved.Addr) && s.Route(c.Nets[0].Prefix, "eth0")
	})
	check(t, err)
}

// After v6guest has processed advertisements itself, the kernel is to: its router leaves.
func TestTheKernelTakesOverTheDefaultRouteOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	running, p := agent(ctx, t, c, "ra = agent\n")
	asReserved(running, t, c)
	_, err := p.Stop(ctx)
	check(t, err)
	ctx, _ = agent(ctx, t, c, "ra = kernel\n")
	_, err = c.Guest.Await(ctx, "a default route of the kernel's alone", func(s lab.State) bool {
		d := s.Default()
		return len(d) == 1 && d[0].Proto == int(link.ProtoRA)
	})
	check(t, err)
	check(t, c.Nets[0].Server.Stop(ctx)) // its last word is a lifetime of 0
	_, err = c.Guest.Await(ctx, "no default route", func(s lab.State) bool { return len(s.Default()) == 0 })
	check(t, err)
}

func TestTheMTUOfADefaultRouterIsTaken(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	n := c.Nets[0]
	s := newStranger(ctx, t, c, n)
	ctx, _ = agent(ctx, t, c, "ra = agent\n")
	asReserved(ctx, t, c)
	s.advertise(t, linkLocal(1), ra.Advertisement{MTU: 1280})
	s.advertise(t, linkLocal(2), ra.Advertisement{MTU: 1400, RouterLifetime: time.Hour})
	_, err := c.Guest.Await(ctx, "a default route by both", func(s lab.State) bool { return len(s.Default()) == 2 })
	check(t, err)
	got, err := c.Guest.ReadSysctl("net/ipv6/conf/eth0/mtu")
	check(t, err)
	if got != "1400" {
		t.Errorf("MTU %s", got)
	}
}

func TestOnlyAPinnedServerIsLeasedFrom(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 1)
	n := c.Nets[0]
	other, err := c.Machine(ctx, n, "other", net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x02}, n.Host(2))
	check(t, err)
	network := n.Network()
	network.NoRA = true
	network.Guests = []peer.Guest{{Name: "vm-1", MAC: n.Reserved.MAC, Addr: n.Host(0x138)}}
	pinned, err := peer.Serve(ctx, peer.V6responder, other, network)
	check(t, err)
	s, err := other.State()
	check(t, err)
	check(t, pinned.Pause()) // so that the one that is not pinned is heard first, and alone
	ctx, p := agent(ctx, t, c, "servers = "+s.LinkLocal("eth0").String()+"\n", "--verbose")
	for next, line := 0, ""; !strings.Contains(line, n.RouterLL.String()) || !strings.Contains(line, n.Reserved.Addr.String()); line = p.Lines()[next-1].Text {
		next, err = p.AwaitLine(ctx, next, "eth0 < ")
		check(t, err)
	}
	check(t, pinned.Continue())
	usable(ctx, t, c, "eth0", n.Host(0x138))
	if got := history(c.Guest, n.Reserved.Addr); len(got) != 0 {
		t.Errorf("the address of the server that is not pinned: %v", got)
	}
}
