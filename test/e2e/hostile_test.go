package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// onLink is a prefix as routers announce it: L and A, for two hours.
func onLink(p netip.Prefix) ra.Prefix {
	return ra.Prefix{Prefix: p, OnLink: true, Autonomous: true, Preferred: time.Hour, Valid: 2 * time.Hour}
}

// heardAll waits until the agent has dealt with all that strangers have sent on a network: they say last
// that a part of it is on-link that holds the guest's address, which may be believed, and the route comes.
// They say so again until then: what comes in a burst a busy machine's socket does not hold.
func heardAll(ctx context.Context, t *testing.T, c *cloud.Cloud, s *stranger, bits int) {
	t.Helper()
	part, err := s.net.Reserved.Addr.Prefix(bits)
	check(t, err)
	for {
		s.advertise(t, linkLocal(1), ra.Advertisement{Prefixes: []ra.Prefix{onLink(part)}})
		must(ctx, t, c, "v6guest", "status")
		st, err := c.Guest.State()
		check(t, err)
		if st.Route(part, s.net.NIC) {
			return
		}
	}
}

// untouched checks that the guest has its reserved addresses and no other, had them all the time, as it had
// the routes to their networks, and never had a default route by another NIC than eth0, nor a route to
// anything else but a part of their networks.
func untouched(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	asReserved(ctx, t, c)
	for _, n := range c.Nets {
		if h := history(c.Guest, n.Reserved.Addr); slices.Contains(h, "gone") {
			t.Errorf("history of %s: %v", n.Reserved.Addr, h)
		}
	}
	within := func(p netip.Prefix, nic string) bool {
		return slices.ContainsFunc(c.Nets, func(n *cloud.Net) bool {
			return n.NIC == nic && n.Prefix.Contains(p.Addr()) && p.Bits() >= n.Prefix.Bits()
		})
	}
	for _, ch := range c.Guest.Changes() {
		switch {
		case ch.Gone && ch.Route && slices.ContainsFunc(c.Nets, func(n *cloud.Net) bool { return n.NIC == ch.NIC && n.Prefix == ch.Prefix }):
			t.Errorf("%s was not on-link on %s, for however short a time", ch.Prefix, ch.NIC)
		case ch.Gone:
		case ch.Route && ch.Prefix.Bits() > 0 && ch.Prefix.Addr().IsGlobalUnicast() && !within(ch.Prefix, ch.NIC):
			t.Errorf("%s was on-link on %s, for however short a time", ch.Prefix, ch.NIC)
		case ch.Route && ch.Prefix.Bits() == 0 && ch.NIC != "eth0":
			t.Errorf("a default route by %s, for however short a time", ch.NIC)
		case !ch.Route && ch.Prefix.Addr().IsGlobalUnicast() && !slices.ContainsFunc(c.Nets, func(n *cloud.Net) bool { return n.Reserved.Addr == ch.Prefix.Addr() }):
			t.Errorf("%s had %s, for however short a time", ch.NIC, ch.Prefix)
		}
	}
	reachesAll(ctx, t, c)
}

// besieged is a cloud with two networks whose guest has its addresses, and a stranger on each network.
func besieged(ctx context.Context, t *testing.T, mode string) (*cloud.Cloud, context.Context, *lab.Process, []*stranger) {
	t.Helper()
	c := served(ctx, t, peer.V6responder, 2)
	ctx, p := agent(ctx, t, c, "default_nic = eth0\n"+raModes[mode])
	asReserved(ctx, t, c)
	var s []*stranger
	for _, n := range c.Nets {
		s = append(s, newStranger(ctx, t, c, n))
	}
	return c, ctx, p, s
}

// raModes are who may process the advertisements of both networks, as the configuration says it.
var raModes = map[string]string{
	"agent":           "ra = agent\n",
	"kernel":          "ra = kernel\n",
	"kernel, on both": "ra = kernel\nsecondary_ra = no-default-route\n",
}

// ofEachMode runs a test for each of them.
func ofEachMode(t *testing.T, f func(t *testing.T, mode string)) {
	for _, mode := range slices.Sorted(maps.Keys(raModes)) {
		t.Run(mode, func(t *testing.T) { f(t, mode) })
	}
}

func TestAdvertisementsThatLieAreNotBelieved(t *testing.T) {
	t.Parallel()
	ofEachMode(t, func(t *testing.T, mode string) {
		t.Parallel()
		advertisementsThatLie(t, mode)
	})
}

func advertisementsThatLie(t *testing.T, mode string) {
	c, ctx, _, strangers := besieged(within(t, time.Minute), t, mode)
	for i, s := range strangers {
		other := c.Nets[1-i]
		// Another NIC's prefix, and one that draws in everything.
		s.advertise(t, linkLocal(1), ra.Advertisement{Prefixes: []ra.Prefix{onLink(other.Prefix), onLink(netip.MustParsePrefix("2001:db8::/32"))}})
		// Our router is none any more, says somebody else.
		s.advertise(t, linkLocal(2), ra.Advertisement{Managed: true})
		for range 20 { // M and O toggle
			s.advertise(t, linkLocal(3), ra.Advertisement{Managed: true, Other: true})
			s.advertise(t, linkLocal(3), ra.Advertisement{})
		}
		heardAll(ctx, t, c, s, 80)
	}
	untouched(ctx, t, c)
}

func TestAThousandPrefixesAndRoutersAreBounded(t *testing.T) {
	rough(t)
	for _, mode := range []string{"agent", "kernel"} { // more would be too much for the kernel's one table of neighbours
		t.Run(mode, func(t *testing.T) { thousands(t, mode) })
	}
}

// What is kept of what routers say on a NIC, as docs/networks.md states it.
const (
	mostRouters  = 8
	mostPrefixes = 16
)

func thousands(t *testing.T, mode string) {
	c, ctx, p, strangers := besieged(within(t, time.Minute), t, mode)
	for _, s := range strangers {
		heardAll(ctx, t, c, s, 80) // that router has its place before there is none left
		var many []ra.Prefix
		for i := range 1000 {
			many = append(many, onLink(netip.MustParsePrefix(fmt.Sprintf("2001:db8:bd:%x::/64", i))))
		}
		s.advertise(t, linkLocal(2), ra.Advertisement{RouterLifetime: time.Hour, Preference: ra.Low, Prefixes: many})
		for i := range 1000 {
			s.advertise(t, linkLocal(0x1000+i), ra.Advertisement{RouterLifetime: time.Hour, Preference: ra.Low})
		}
		heardAll(ctx, t, c, s, 96)
	}
	s, err := c.Guest.State()
	check(t, err)
	if d := len(s.Default()); d > mostRouters && mode == "agent" { // the kernel believes any number of routers
		t.Errorf("%d default routes", d)
	}
	for _, n := range c.Nets {
		onLink := 0
		for _, r := range s.Routes {
			if r.NIC == n.NIC && r.Dst.Addr().IsGlobalUnicast() && r.Dst.Bits() > 0 && r.Dst.Bits() < 128 {
				onLink++
			}
		}
		if onLink > mostPrefixes {
			t.Errorf("%d networks on-link on %s", onLink, n.NIC)
		}
	}
	var status struct {
		NICs []struct{ Routers []json.RawMessage }
	}
	check(t, json.Unmarshal([]byte(must(ctx, t, c, "v6guest", "status", "--json")), &status))
	for _, n := range status.NICs {
		if len(n.Routers) > mostRouters {
			t.Errorf("%d routers are kept", len(n.Routers))
		}
	}
	if n := len(p.Lines()); n > 200 {
		t.Errorf("%d lines of log", n)
	}
	untouched(ctx, t, c)
}

func TestAServerThatLiesFirstIsNotBelieved(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	n := c.Nets[0]
	s := newStranger(ctx, t, c, n)
	const hour = time.Hour
	lies := []struct {
		why string
		ia  wire.IANA
	}{
		{"neither global unicast nor unique local", ia(hour, hour, n.RouterLL)},
		{"neither global unicast nor unique local", ia(hour, hour, netip.MustParseAddr("ff02::1"))},
		{"neither global unicast nor unique local", ia(hour, hour, netip.IPv6Loopback())},
		{"only addresses with a valid lifetime of 0", ia(0, 0, n.Host(0xbd))},
		{"valid lifetime under 20s", ia(time.Second, time.Second, n.Host(0xbd))},
		{"preferred lifetime greater than valid lifetime", ia(2*hour, hour, n.Host(0xbd))},
		{"T1 greater than T2", wire.IANA{T1: hour, T2: time.Minute, Addresses: ia(hour, hour, n.Host(0xbd)).Addresses}},
	}
	check(t, n.Server.Pause()) // so that the stranger is first
	s.serve(ctx, dhcpv6.MessageTypeSolicit, func(m *wire.Message) (out []*wire.Message) {
		for i, lie := range lies {
			a := answer(m, dhcpv6.MessageTypeAdvertise, duid(i), lie.ia)
			a.SOLMaxRT, a.INFMaxRT = time.Second, 1000*time.Hour // both out of their ranges
			out = append(out, a)
			a = answer(m, dhcpv6.MessageTypeReply, duid(i), lie.ia)
			a.RapidCommit = true
			out = append(out, a)
		}
		return out
	})
	ctx, p := agent(ctx, t, c, "")
	next := 0
	for range 2 * len(lies) {
		var err error
		_, next, err = n.Segment.Capture.Await(ctx, next, "a lie", fromPort(s.mac, 547))
		check(t, err)
	}
	check(t, n.Server.Continue())
	asReserved(ctx, t, c)
	for _, lie := range lies {
		_, err := p.AwaitLine(ctx, 0, lie.why)
		check(t, err)
	}
	untouched(ctx, t, c)
}

func ia(preferred, valid time.Duration, addr netip.Addr) wire.IANA {
	return wire.IANA{Addresses: []wire.Address{{Addr: addr, Preferred: preferred, Valid: valid}}}
}

// The router's own address, which only duplicate address detection can find out, with all that makes a
// server the one to follow.
func TestAServerThatLeasesTheRoutersAddressIsLeftForTheTrueOne(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	n := c.Nets[0]
	s := newStranger(ctx, t, c, n)
	lease := func(kind dhcpv6.MessageType) func(*wire.Message) []*wire.Message {
		return func(m *wire.Message) []*wire.Message {
			a := answer(m, kind, duid(1), ia(time.Hour, time.Hour, n.Gateway))
			a.RapidCommit = m.RapidCommit
			return []*wire.Message{a}
		}
	}
	check(t, n.Server.Pause())
	s.serve(ctx, dhcpv6.MessageTypeSolicit, func(m *wire.Message) []*wire.Message {
		if m.RapidCommit {
			return lease(dhcpv6.MessageTypeReply)(m)
		}
		return lease(dhcpv6.MessageTypeAdvertise)(m)
	})
	s.serve(ctx, dhcpv6.MessageTypeRequest, lease(dhcpv6.MessageTypeReply))
	s.serve(ctx, dhcpv6.MessageTypeDecline, lease(dhcpv6.MessageTypeReply))
	ctx, _ = agent(ctx, t, c, "")
	_, _, err := n.Segment.Capture.Await(ctx, 0, "a Decline", message(dhcpv6.MessageTypeDecline))
	check(t, err)
	check(t, n.Server.Continue())
	asReserved(ctx, t, c)
	reachesAll(ctx, t, c)
}

func TestAReconfigureWithoutAuthenticationDoesNothing(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := served(ctx, t, peer.V6responder, 1)
	n := c.Nets[0]
	s := newStranger(ctx, t, c, n)
	check(t, c.GuestUp())
	ctx, _ = agent(ctx, t, c, "")
	asReserved(ctx, t, c)
	reply, _, err := n.Segment.Capture.Await(ctx, 0, "the Reply", message(dhcpv6.MessageTypeReply))
	check(t, err)
	genuine, err := wire.Decode(reply.Payload)
	check(t, err)
	from := len(n.Segment.Capture.Packets())
	for _, server := range []wire.DUID{genuine.ServerID, duid(1)} {
		for _, want := range []dhcpv6.MessageType{dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind, dhcpv6.MessageTypeInformationRequest} {
			m := &wire.Message{Type: dhcpv6.MessageTypeReconfigure, ClientID: genuine.ClientID, ServerID: server, ReconfigureMessage: want}
			check(t, s.toGuest(reply.Src, m))
		}
	}
	// What the guest then says it says on command: it has dealt with all of them, in their order.
	if _, r := lease(ctx, t, c.Guest, "eth0"); r.Code != 0 {
		t.Fatalf("lease: exit code %d: %s", r.Code, r.Stderr)
	}
	first, _, err := n.Segment.Capture.Await(ctx, from, "a message of the guest", fromPort(n.Reserved.MAC, 546))
	check(t, err)
	if !message(dhcpv6.MessageTypeSolicit)(first) {
		t.Errorf("a Reconfigure made the guest speak: %s", summary([]lab.Packet{first}))
	}
	untouched(ctx, t, c)
}

// A stack in user space believes any prefix. What it makes of another NIC's on the default one takes nothing away
// from that.
func TestARouteThatAStackMakesOfAnothersPrefixIsOfNoEffect(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := withRoot(ctx, t, roots.Stacks, 2)
	check(t, c.Guest.WriteFile("/etc/systemd/network/10-eth0.network",
		"[Match]\nName=eth0\n[Network]\nIPv6AcceptRA=yes\n[IPv6AcceptRA]\nDHCPv6Client=no\nUseAutonomousPrefix=no\n"))
	networkd(ctx, t, c)
	ctx, _ = agent(ctx, t, c, "default_nic = eth0\nra = stack\n")
	asReserved(ctx, t, c)
	second := c.Nets[1]
	_, err := c.Guest.Await(ctx, "the way to its network", func(s lab.State) bool { return s.Route(second.Prefix, "eth1") })
	check(t, err)
	newStranger(ctx, t, c, c.Nets[0]).advertise(t, linkLocal(1), ra.Advertisement{Prefixes: []ra.Prefix{onLink(second.Prefix)}})
	_, err = c.Guest.Await(ctx, "the stack's route", func(s lab.State) bool { return s.Route(second.Prefix, "eth0") })
	check(t, err)
	if got := must(ctx, t, c, "ip", "-6", "route", "get", second.Neighbor6.String()); !strings.Contains(got, "dev eth1 ") {
		t.Errorf("the way to a neighbour on eth1: %s", got)
	}
	ping(ctx, t, second.Neighbour, second.Reserved.Addr) // the answer goes the same way
	for _, ch := range c.Guest.Changes() {
		if ch.Gone && ch.Route && ch.Prefix == second.Prefix && ch.NIC == "eth1" {
			t.Errorf("%s was not on-link on eth1, for however short a time", ch.Prefix)
		}
	}
}
