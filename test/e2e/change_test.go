package e2e

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// Addresses stay through whatever happens to the agent.
func TestAddressNeverLeavesTheNICThroughKillAndRestartOfTheAgent(t *testing.T) {
	for _, kind := range peer.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			c := served(ctx, t, kind, 1)
			n := c.Nets[0]
			bound, p := agent(ctx, t, c, "")
			asReserved(bound, t, c)
			check(t, p.Kill())

			p = nextAgent(ctx, t, c)
			_, err := p.Stop(ctx)
			check(t, err)
			nextAgent(ctx, t, c)
			if got := history(c.Guest, n.Reserved.Addr); !cmp.Equal(got, []string{"came", "usable"}) {
				t.Errorf("history of %s through kill -9 and a clean stop: %v", n.Reserved.Addr, got)
			}
		})
	}
}

// nextAgent starts an agent where one ended, and waits until it has asked the server and is online.
func nextAgent(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
	t.Helper()
	n := c.Nets[0]
	from := len(n.Segment.Capture.Packets())
	bound, p := agent(ctx, t, c, "")
	_, from, err := n.Segment.Capture.Await(bound, from, "a message of the new agent", fromPort(n.Reserved.MAC, 546))
	check(t, err)
	_, _, err = n.Segment.Capture.Await(bound, from, "the server's answer", fromPort(n.RouterMAC, 547))
	check(t, err)
	r, err := c.Guest.Run(bound, "v6guest", "wait-online")
	check(t, err)
	if r.Code != 0 {
		t.Errorf("wait-online: exit code %d: %s", r.Code, r.Stderr)
	}
	return p
}

// fromPort accepts UDP packets that a MAC sent from a port.
func fromPort(mac net.HardwareAddr, port uint16) func(lab.Packet) bool {
	return func(p lab.Packet) bool { return p.SrcPort == port && slices.Equal(p.From, mac) }
}

func TestNICRemovedAndAddedWhileRunning(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 2)
	ctx, _ = agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	n := c.Nets[1]
	check(t, c.Ports[1].Remove())
	_, err := c.Guest.Await(ctx, "eth1 to be gone", func(s lab.State) bool { return !s.HasNIC("eth1") })
	check(t, err)
	_, err = c.Guest.Plug(n.Segment, n.NIC, n.Reserved.MAC)
	check(t, err)
	asReserved(ctx, t, c)
	if slices.Contains(history(c.Guest, c.Nets[0].Reserved.Addr), "gone") {
		t.Errorf("eth0 lost its address while eth1 came and went: %v", history(c.Guest, c.Nets[0].Reserved.Addr))
	}
}

func TestNICThatIsAddedLaterIsServed(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 2)
	check(t, c.Serve(ctx, peer.V6responder))
	check(t, c.StartGuest())
	check(t, c.Ports[1].Remove())
	ctx, _ = agent(ctx, t, c, "")
	usable(ctx, t, c, "eth0", c.Nets[0].Reserved.Addr)
	_, err := c.Guest.Plug(c.Nets[1].Segment, "eth1", c.Nets[1].Reserved.MAC)
	check(t, err)
	asReserved(ctx, t, c)
}

func TestNewMACIsANewIdentity(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	other := peer.Guest{Name: "other", MAC: net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x39}, Addr: n.Host(0x39)}
	network := n.Network()
	network.Guests = append(network.Guests, other)
	check(t, n.Serve(ctx, peer.Dnsmasq, network))
	check(t, c.StartGuest())
	ctx, _ = agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	check(t, c.Guest.SetMAC("eth0", other.MAC))
	_, err := c.Guest.Await(ctx, "the address of the new MAC alone", func(s lab.State) bool {
		return s.Usable("eth0", other.Addr) && !s.Has("eth0", n.Reserved.Addr)
	})
	check(t, err)
}

func TestDefaultRouteStaysWhenForwardingIsSwitchedOn(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Kea, 1)
	ctx, _ = agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	check(t, c.Guest.Sysctl("net/ipv6/conf/all/forwarding", "1"))
	// An advertisement that comes after the switch is taken too.
	n := c.Nets[0]
	from := len(n.Segment.Capture.Packets())
	_, _, err := n.Segment.Capture.Await(ctx, from, "a router advertisement", func(p lab.Packet) bool { return p.ICMP == lab.RouterAdvertisement })
	check(t, err)
	asReserved(ctx, t, c)
	for _, ch := range c.Guest.Changes() {
		if ch.Route && ch.Gone && ch.Prefix.Bits() == 0 {
			t.Errorf("a default route went: %+v", ch)
		}
	}
	ping(ctx, t, c.Guest, n.Gateway)
}

func TestAddressAndRouteThatSomebodyDeletesComeBack(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 2)
	ctx, _ = agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	reachesAll(ctx, t, c)
	check(t, c.Guest.DeleteAddress("eth1", c.Nets[1].Reserved.Addr.String()+"/128"))
	usable(ctx, t, c, "eth1", c.Nets[1].Reserved.Addr)
	r, err := c.Guest.Run(ctx, "ip", "-6", "route", "del", c.Nets[1].Prefix.String(), "dev", "eth1")
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("ip route del: %s", r.Stderr)
	}
	reachesAll(ctx, t, c)
}

func TestANICThatSomebodySetsDownStaysDown(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.Dnsmasq, 2)
	bound, p := agent(ctx, t, c, "default_nic = eth0\n")
	asReserved(bound, t, c)
	check(t, c.Guest.Down("eth1"))
	// What the agent does at an event, it has done by the end of a command; also one that is started anew.
	stays := func(ctx context.Context) {
		t.Helper()
		must(ctx, t, c, "v6guest", "lease", "eth0")
		if s := must(ctx, t, c, "v6guest", "status"); !strings.Contains(s, "eth1 (secondary): waiting: the NIC is down") {
			t.Errorf("status:\n%s", s)
		}
	}
	stays(bound)
	_, err := p.Stop(ctx)
	check(t, err)
	ctx, again := agent(ctx, t, c, "default_nic = eth0\n")
	_, err = again.AwaitLine(ctx, 0, "address usable")
	check(t, err)
	stays(ctx)
	check(t, c.Guest.Up("eth1"))
	asReserved(ctx, t, c)
}

// A MAC that is changed while no agent runs: what the old one leased, or what was made of it, is nobody's any more.
func TestNewMACWhileTheAgentIsDownIsANewIdentity(t *testing.T) {
	mac := net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x39}
	changed := func(ctx context.Context, t *testing.T, c *cloud.Cloud, addr func() netip.Addr) {
		t.Helper()
		n := c.Nets[0]
		check(t, c.StartGuest())
		bound, p := agent(ctx, t, c, "")
		old := addr()
		usable(bound, t, c, "eth0", old)
		must(bound, t, c, "v6guest", "wait-online")
		_, err := p.Stop(ctx)
		check(t, err)
		n.Reserved.MAC = mac
		check(t, c.Guest.SetMAC("eth0", mac))
		if s, err := c.Guest.State(); err != nil || !s.Usable("eth0", old) {
			t.Fatalf("the old address went with the old agent: the test would show nothing: %v\n%s", err, s)
		}
		from := len(c.Guest.Changes())
		bound, p = agent(ctx, t, c, "")
		_, err = p.AwaitLine(bound, 0, "address of the old MAC removed\" nic=eth0 address="+old.String()+" mac=06:a0:f0:00:00:38")
		check(t, err)
		_, err = c.Guest.Await(bound, "the address of the new MAC alone", func(s lab.State) bool {
			return s.Usable("eth0", addr()) && len(s.Global("eth0")) == 1 && len(s.Default()) == 1
		})
		check(t, err)
		for _, ch := range c.Guest.Changes()[from:] { // at once: not when there is another
			if ch.Prefix.Addr() == old && ch.Gone {
				break
			}
			if ch.Prefix.Addr() == addr() {
				t.Error("the new MAC's address came before the old one's went")
				break
			}
		}
		ping(bound, t, c.Guest, n.Neighbor6)
		// Another agent brings nothing of the old MAC back.
		_, err = p.Stop(ctx)
		check(t, err)
		bound, p = agent(ctx, t, c, "")
		_, err = p.AwaitLine(bound, 0, "msg=\"router heard\"")
		check(t, err)
		must(bound, t, c, "v6guest", "wait-online")
		if h := history(c.Guest, old); !cmp.Equal(h[len(h)-1:], []string{"gone"}) {
			t.Errorf("history of %s: %v", old, h)
		}
	}
	t.Run("leased", func(t *testing.T) {
		t.Parallel()
		ctx := within(t, 2*time.Minute)
		c := newCloud(ctx, t, 1)
		n := c.Nets[0]
		other := peer.Guest{Name: "other", MAC: mac, Addr: n.Host(0x39)}
		network := n.Network()
		network.Guests = append(network.Guests, other)
		check(t, n.Serve(ctx, peer.Dnsmasq, network))
		changed(ctx, t, c, func() netip.Addr {
			if slices.Equal(n.Reserved.MAC, mac) {
				return other.Addr
			}
			return n.Reserved.Addr
		})
	})
	t.Run("made", func(t *testing.T) {
		t.Parallel()
		ctx := within(t, 2*time.Minute)
		c := newCloud(ctx, t, 1)
		n := c.Nets[0]
		startRadvd(ctx, t, n, "AdvDefaultLifetime 1800; MinRtrAdvInterval 3; MaxRtrAdvInterval 10; prefix "+n.Prefix.String()+" { AdvOnLink on; AdvAutonomous on; };")
		changed(ctx, t, c, func() netip.Addr { return made(n) })
	})
}
