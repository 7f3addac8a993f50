package e2e

import (
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/lab"
)

// OpenStack's dhcpv6-stateless: routers say M=0, O=1 and A=1, and dnsmasq has no addresses to lease.
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
dhcp-option=option6:dns-server,[`+n.Host(0x53).String()+`]
dhcp-leasefile=/var/lib/misc/dnsmasq.leases
log-dhcp
`))
	p, err := n.Router.Start("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/etc/dnsmasq.conf")
	check(t, err)
	_, err = p.AwaitLine(ctx, 0, "router advertisement on")
	check(t, err)
	check(t, c.StartGuest())
	ctx, _ = agent(ctx, t, c, "")
	usable(ctx, t, c, "eth0", made(n))
	_, err = c.Guest.Await(ctx, "a default route", func(s lab.State) bool { return len(s.Default()) == 1 })
	check(t, err)
	ping(ctx, t, c.Guest, n.Neighbor6)
	_, next, err := n.Segment.Capture.Await(ctx, 0, "an Information-request", message(dhcpv6.MessageTypeInformationRequest))
	check(t, err)
	_, _, err = n.Segment.Capture.Await(ctx, next, "its Reply", message(dhcpv6.MessageTypeReply))
	check(t, err)
}
