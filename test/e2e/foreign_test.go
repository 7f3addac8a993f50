package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// withRoot is a cloud of networks whose guest has another root; its NICs are down.
func withRoot(ctx context.Context, t *testing.T, guest roots.Spec, networks int) *cloud.Cloud {
	t.Helper()
	c, err := cloud.New(ctx, cloud.Options{
		Root: root(t, roots.Peers), GuestRoot: root(t, guest), Bin: programs(t), Networks: networks, Output: t.Output(),
	})
	check(t, err)
	closeAfter(t, c)
	check(t, c.Serve(ctx, peer.Dnsmasq))
	check(t, c.StartGuest())
	return c
}

// networkd starts systemd-networkd without a message bus, which it does not need.
func networkd(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
	t.Helper()
	must(ctx, t, c, "mount", "-o", "remount,ro", "/sys") // else it waits for udev
	must(ctx, t, c, "mkdir", "-p", "/run/systemd/netif/links", "/run/systemd/netif/leases", "/run/systemd/netif/lldp")
	p, err := c.Guest.Start("env", "SYSTEMD_LOG_LEVEL=debug", "SYSTEMD_LOG_TARGET=console", "/lib/systemd/systemd-networkd")
	check(t, err)
	return p
}

// solicitsOf are the Solicits that a NIC sent with its DUID-LL, which is v6guest's.
func solicitsOf(n *cloud.Net) (count int) {
	duid := wire.LinkLayerDUID(n.Reserved.MAC)
	for _, p := range n.Segment.Capture.Packets() {
		if m, err := wire.Decode(p.Payload); p.DstPort == 547 && err == nil && m.Type == dhcpv6.MessageTypeSolicit && m.ClientID == duid {
			count++
		}
	}
	return count
}

// A foreigner is another DHCPv6 client, which has the port before v6guest starts.
type foreigner struct {
	name  string
	guest roots.Spec
	start func(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process
	says  []string // what status says of it
}

var foreigners = []foreigner{
	{"dhclient", roots.Peers, func(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
		check(t, c.GuestUp())
		_, err := c.Guest.Await(ctx, "a link-local address", func(s lab.State) bool { return s.LinkLocal("eth0").IsValid() })
		check(t, err)
		p, err := c.Guest.Start("dhclient", "-6", "-d", "-D", "LLT", "eth0") // not with v6guest's DUID
		check(t, err)
		return p
	}, []string{"dhclient (pid", "until it ends"}},
	// It binds the NIC's link-local address alone, and processes Router Advertisements.
	{"networkd", roots.Stacks, func(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
		check(t, c.Guest.WriteFile("/etc/systemd/network/10-all.network", "[Match]\nName=eth*\n[Network]\nDHCP=ipv6\nIPv6AcceptRA=yes\n"))
		return networkd(ctx, t, c)
	}, []string{"systemd-networkd (pid", "apply=live"}},
	{"NetworkManager", roots.NetworkManager, func(ctx context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
		profile(t, c, "auto")
		return networkManager(ctx, t, c)
	}, []string{"NetworkManager (pid", "apply=live"}},
	// It binds the port for all NICs.
	{"dhcpcd as manager", roots.Trixie, func(_ context.Context, t *testing.T, c *cloud.Cloud) *lab.Process {
		return dhcpcdManager(t, c, "")
	}, []string{"dhcpcd (pid", "apply=live"}},
}

// dhcpcdManager starts dhcpcd for all NICs.
func dhcpcdManager(t *testing.T, c *cloud.Cloud, conf string) *lab.Process {
	t.Helper()
	check(t, c.Guest.WriteFile("/etc/dhcpcd.conf", "nodev\nduid\nnoipv4\nscript /dev/null\n"+conf))
	check(t, c.GuestUp())
	p, err := c.Guest.Start("dhcpcd", "--nobackground", "--debug")
	check(t, err)
	return p
}

func TestAForeignClientIsNamedWaitedForAndTakenOverFrom(t *testing.T) {
	for _, f := range foreigners {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, 2*time.Minute)
			c := withRoot(ctx, t, f.guest, 1)
			n := c.Nets[0]
			p := f.start(ctx, t, c)
			_, _, err := n.Segment.Capture.Await(ctx, 0, "a Solicit of the other client's", message(dhcpv6.MessageTypeSolicit))
			check(t, err)
			ctx, a := agent(ctx, t, c, "")
			_, err = a.AwaitLine(ctx, 0, "another DHCPv6 client has the NIC")
			check(t, err)
			s := must(ctx, t, c, "v6guest", "status")
			for _, word := range f.says {
				if !strings.Contains(s, word) {
					t.Errorf("status does not say %q:\n%s", word, s)
				}
			}
			if k := solicitsOf(n); k != 0 {
				t.Errorf("%d Solicits while the other client is there", k)
			}
			check(t, p.Kill())
			must(ctx, t, c, "sh", "-c", "ip -6 address flush dev eth0 scope global; ip -6 route flush default")
			_, err = a.AwaitLine(ctx, 0, "v6guest takes over")
			check(t, err)
			asReserved(ctx, t, c)
		})
	}
}

// dhcpcd as manager has the port for all NICs whatever its file says, and newer ones let nobody else have it.
func TestADhcpcdThatLeasesOnOtherNICsOnlyIsNoForeignClient(t *testing.T) {
	const told = "interface eth0\nnodhcp6\nipv6ra_noautoconf\n"
	t.Run("dhcpcd first", func(t *testing.T) {
		t.Parallel()
		ctx := within(t, time.Minute)
		c := withRoot(ctx, t, roots.Trixie, 1)
		d := dhcpcdManager(t, c, told)
		_, err := d.AwaitLine(ctx, 0, "Router Advertisement from")
		check(t, err)
		ctx, a := agent(ctx, t, c, "")
		asReserved(ctx, t, c)
		// When it has ended, the port is v6guest's own.
		from := len(c.Nets[0].Segment.Capture.Packets())
		check(t, d.Kill())
		_, err = a.AwaitLine(ctx, 0, "the program that had port 546 for all NICs has ended")
		check(t, err)
		_, _, err = c.Nets[0].Segment.Capture.Await(ctx, from, "a message of the client's", fromPort(c.Nets[0].Reserved.MAC, 546))
		check(t, err)
		if got := must(ctx, t, c, "ss", "-Hlunp", "sport", "=", ":546"); !strings.Contains(got, `"v6guest"`) {
			t.Errorf("on UDP port 546: %s", got)
		}
		if got := history(c.Guest, c.Nets[0].Reserved.Addr); slices.Contains(got, "gone") {
			t.Errorf("history of the address: %v", got)
		}
	})
	t.Run("v6guest first", func(t *testing.T) {
		t.Parallel()
		ctx := within(t, time.Minute)
		c := withRoot(ctx, t, roots.Trixie, 1)
		check(t, c.Guest.WriteFile("/etc/systemd/system/multi-user.target.wants/dhcpcd.service", "[Service]\nExecStart=/usr/sbin/dhcpcd\n"))
		check(t, c.Guest.WriteFile("/etc/dhcpcd.conf", told))
		ctx, _ = agent(ctx, t, c, "")
		usable(ctx, t, c, "eth0", c.Nets[0].Reserved.Addr)
		d := dhcpcdManager(t, c, told)
		_, err := d.AwaitLine(ctx, 0, "adding default route")
		check(t, err)
		for _, line := range d.Lines() {
			if strings.Contains(line.Text, "already in use") {
				t.Error(line.Text)
			}
		}
		asReserved(ctx, t, c)
	})
}
