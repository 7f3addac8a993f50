package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/ra"
	"github.com/v6guest/v6guest/test/lab"
)

// OpenStack's dhcpv6-stateless: routers say M=0, O=1 and A=1, and dnsmasq has no addresses to lease. Only its
// Replies name the resolver, another dnsmasq, by which the guest then finds a name in the domain that they say.
func TestAStatelessServerGivesInformationAndRoutersThePrefix(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	check(t, n.Router.WriteFile("/etc/dnsmasq.conf", `port=0
interface=eth0
bind-interfaces
enable-ra
dhcp-range=`+n.Prefix.Addr().String()+`,ra-stateless
dhcp-option=tag:dhcpv6,option6:dns-server,[`+n.Neighbor6.String()+`]
dhcp-option=tag:dhcpv6,option6:domain-search,lab.example
dhcp-leasefile=/var/lib/misc/dnsmasq.leases
log-dhcp
`))
	p, err := n.Router.Start("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/etc/dnsmasq.conf")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "router advertisement on")
	check(t, err)
	printer := netip.MustParseAddr("2001:db8:e::9100")
	resolver, err := n.Neighbour.Start("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
		"--host-record=printer.lab.example,"+printer.String())
	check(t, err)
	_, err = resolver.AwaitLine(ctx, 0, "started")
	check(t, err)
	check(t, c.StartGuest())
	check(t, c.Guest.WriteFile("/etc/resolv.conf", ""))
	ctx, a := agent(ctx, t, c, "")
	usable(ctx, t, c, "eth0", made(n))
	_, err = c.Guest.Await(ctx, "a default route", func(s lab.State) bool { return len(s.Default()) == 1 })
	check(t, err)
	ping(ctx, t, c.Guest, n.Neighbor6)
	_, next, err := n.Segment.Capture.Await(ctx, 0, "an Information-request", message(dhcpv6.MessageTypeInformationRequest))
	check(t, err)
	_, _, err = n.Segment.Capture.Await(ctx, next, "its Reply", message(dhcpv6.MessageTypeReply))
	check(t, err)
	_, _, err = n.Segment.Capture.Await(ctx, next, "a Solicit after it", message(dhcpv6.MessageTypeSolicit)) // a server may come yet
	check(t, err)
	handed(ctx, t, a, 0, n.Neighbor6.String())
	if got := must(ctx, t, c, "getent", "ahostsv6", "printer"); !strings.HasPrefix(got, printer.String()+" ") {
		t.Errorf("the name that only the resolver knows: %q", got)
	}
	query := func(p lab.Packet) bool { return p.DstPort == 53 && p.Src == made(n) && p.Dst == n.Neighbor6 }
	_, _, err = n.Segment.Capture.Await(ctx, next, "the guest's question", query)
	check(t, err)
	for _, p := range n.Segment.Capture.Packets() {
		if p.ICMP != lab.RouterAdvertisement {
			continue
		}
		said, err := ra.Packet{Data: p.Payload, From: p.Src, HopLimit: ra.HopLimit}.Advertisement()
		check(t, err)
		if said.Managed || !said.Other || len(said.RDNSS)+len(said.DNSSL) > 0 {
			t.Errorf("the router does not advertise as it should here: %+v", said)
		}
	}
}
