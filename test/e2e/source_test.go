package e2e

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// As on AWS and Azure: the routers of the second network advertise themselves, M=1 and no prefix that is
// on-link. A host outside of both networks speaks to both addresses.
func TestAnswersLeaveByTheNICThatTheyCameInOn(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := newCloud(ctx, t, 2)
	first, second := c.Nets[0], c.Nets[1]
	check(t, first.Serve(ctx, peer.Dnsmasq, first.Network()))
	network := second.Network()
	network.NoRA = true
	check(t, second.Serve(ctx, peer.Dnsmasq, network))
	advertise(ctx, t, second, "")
	outside := outsideHost(ctx, t, c)
	check(t, c.StartGuest())

	bound, p := agent(ctx, t, c, "default_nic = eth0\nsource_routing = no\n")
	usable(bound, t, c, "eth0", first.Reserved.Addr)
	usable(bound, t, c, "eth1", second.Reserved.Addr)
	_, err := c.Guest.Await(bound, "the default route", func(s lab.State) bool { return s.DefaultNICs() != nil })
	check(t, err)
	answersBy(bound, t, outside, second.Reserved, first) // else what follows would show nothing
	_, err = p.Stop(ctx)
	check(t, err)

	bound, p = agent(ctx, t, c, "default_nic = eth0\n")
	_, err = p.AwaitLine(bound, 0, "answers from these addresses leave by this NIC")
	check(t, err)
	answers := func(when string) {
		t.Helper()
		t.Log(when)
		answersBy(ctx, t, outside, first.Reserved, first)
		answersBy(ctx, t, outside, second.Reserved, second)
	}
	answers("at first")
	s, err := c.Guest.State()
	check(t, err)
	if got := s.DefaultNICs(); len(got) != 1 || got[0] != "eth0" {
		t.Errorf("default routes of the main table by %v", got)
	}
	if text := must(ctx, t, c, "v6guest", "status"); !strings.Contains(text, "answers from "+second.Reserved.Addr.String()+" leave by this NIC") {
		t.Errorf("status does not say so:\n%s", text)
	}

	from := len(p.Lines())
	command(ctx, t, c.Guest, "ip", "-6", "rule", "del", "from", second.Reserved.Addr.String())
	_, err = p.AwaitLine(bound, from, "put back")
	check(t, err)
	answers("after the rule was deleted")

	newStranger(ctx, t, c, second).advertise(t, linkLocal(1), forEver(second.Prefix))
	_, err = c.Guest.Await(bound, "the route to what a stranger calls on-link", func(s lab.State) bool { return s.Route(second.Prefix, "eth1") })
	check(t, err)
	answers("after a stranger who is no router called the prefix on-link")

	_, err = p.Stop(ctx)
	check(t, err)
	answers("after the agent was stopped")

	must(ctx, t, c, "v6guest", "restore", "--apply=live")
	if rules := command(ctx, t, c.Guest, "ip", "-6", "rule"); strings.Contains(rules, "546") {
		t.Errorf("after restore:\n%s", rules)
	}

	_, p = agent(ctx, t, c, "default_nic = eth0\n")
	_, err = p.AwaitLine(ctx, 0, "answers from these addresses leave by this NIC")
	check(t, err)
	check(t, c.Ports[1].Remove())
	_, err = p.AwaitLine(ctx, 0, "NIC is gone")
	check(t, err)
	must(ctx, t, c, "v6guest", "status") // what the agent does before it answers is done
	if rules := command(ctx, t, c.Guest, "ip", "-6", "rule"); strings.Contains(rules, "546") {
		t.Errorf("the NIC is gone, and its rules are there:\n%s", rules)
	}
}

// An ordinary network's prefix is on-link: there `auto` makes nothing, and `yes` does.
func TestAnOrdinarySecondNetworkHasNoTableOfItsOwn(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 2)
	second := c.Nets[1]
	bound, p := agent(ctx, t, c, "default_nic = eth0\n")
	_, err := c.Guest.Await(bound, "both addresses, and the second network", func(s lab.State) bool {
		return s.Usable("eth0", c.Nets[0].Reserved.Addr) && s.Usable("eth1", second.Reserved.Addr) && s.Route(second.Prefix, "eth1")
	})
	check(t, err)
	if text := must(ctx, t, c, "v6guest", "status"); !strings.Contains(text, "answers leave as the main table says (source_routing = auto: all default routers call the address's prefix on-link)") {
		t.Errorf("status says something else:\n%s", text)
	}
	if rules := command(ctx, t, c.Guest, "ip", "-6", "rule"); strings.Contains(rules, "546") {
		t.Errorf("rules:\n%s", rules)
	}
	_, err = p.Stop(ctx)
	check(t, err)
	bound, p = agent(ctx, t, c, "default_nic = eth0\nsource_routing = yes\n")
	_, err = p.AwaitLine(bound, 0, "answers from these addresses leave by this NIC")
	check(t, err)
	ping(bound, t, c.Guest, second.Neighbor6)
	ping(bound, t, second.Neighbour, second.Reserved.Addr)
	outside := outsideHost(ctx, t, c)
	answersBy(bound, t, outside, second.Reserved, second)
}

// advertise has radvd advertise the network's router, M=1, with these lines more.
func advertise(ctx context.Context, t *testing.T, n *cloud.Net, more string) *lab.Process {
	t.Helper()
	return startRadvd(ctx, t, n, "AdvManagedFlag on; AdvDefaultLifetime 1800; MinRtrAdvInterval 3; MaxRtrAdvInterval 10;\n"+more)
}

// startRadvd starts radvd on the network's router, with these lines about its interface.
func startRadvd(ctx context.Context, t *testing.T, n *cloud.Net, lines string) *lab.Process {
	t.Helper()
	check(t, n.Router.WriteFile("/etc/radvd.conf", "interface eth0 {\nAdvSendAdvert on;\n"+lines+"\n};\n"))
	p, err := n.Router.Start("radvd", "--nodaemon", "--logmethod=stderr", "--debug=1", "--username=root", "--pidfile=/run/radvd.pid")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "started")
	check(t, err)
	return p
}

// outsideHost is a machine that is joined to every network's router by a cable.
func outsideHost(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Machine {
	t.Helper()
	m, err := c.Boot("outside")
	check(t, err)
	self := netip.MustParseAddr("2001:db8:e::9")
	check(t, m.AddAddress("lo", self.String()+"/128"))
	for i, n := range c.Nets {
		nic := fmt.Sprintf("eth%d", i)
		end := func(last byte) string { return fmt.Sprintf("2001:db8:e:%d::%d", i+1, last) }
		check(t, lab.Cable(m, nic, net.HardwareAddr{6, 0xa0, 0xf0, 1, byte(i), 9}, n.Router, "outside", net.HardwareAddr{6, 0xa0, 0xf0, 1, byte(i), 1}))
		check(t, m.Up(nic))
		check(t, n.Router.Up("outside"))
		check(t, m.AddAddress(nic, end(9)+"/64"))
		check(t, n.Router.AddAddress("outside", end(1)+"/64"))
		command(ctx, t, m, "ip", "-6", "route", "add", n.Prefix.String(), "via", end(1), "src", self.String())
		command(ctx, t, n.Router, "ip", "-6", "route", "add", self.String(), "via", end(9))
	}
	return m
}

// command runs a program on a machine, which must not fail, and returns what it prints.
func command(ctx context.Context, t *testing.T, m *lab.Machine, args ...string) string {
	t.Helper()
	r, err := m.Run(ctx, args...)
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("%s: %s: exit code %d: %s", m.Name, strings.Join(args, " "), r.Code, r.Stderr)
	}
	return r.Stdout
}

// answersBy has a machine ping an address of the guest, and waits for the answer on the network that it
// is to leave by.
func answersBy(ctx context.Context, t *testing.T, from *lab.Machine, guest peer.Guest, by *cloud.Net) {
	t.Helper()
	next := len(by.Segment.Capture.Packets())
	ping(ctx, t, from, guest.Addr)
	_, _, err := by.Segment.Capture.Await(ctx, next, "the answer from "+guest.Addr.String(), func(p lab.Packet) bool {
		return p.ICMP == echoReply && p.Src == guest.Addr
	})
	check(t, err)
}

const echoReply = 129 // ICMPv6, RFC 4443
