package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
	"github.com/v6guest/v6guest/test/roots"
)

// interfaces is what Debian's installer writes for a guest with two NICs, with fixed IPv4 addresses.
const interfaces = `# The loopback network interface
auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
    address 10.0.0.5/24
    gateway 10.0.0.1
iface eth0 inet6 auto

auto eth1
iface eth1 inet static
    address 10.0.1.5/24
iface eth1 inet6 auto
`

// debian is a cloud whose guest has Debian's ifupdown and dhclient; its NICs are down.
func debian(ctx context.Context, t *testing.T, conf string) *cloud.Cloud {
	t.Helper()
	c, err := cloud.New(ctx, cloud.Options{
		Root: root(t, roots.Peers), GuestRoot: root(t, roots.Stacks), Bin: programs(t), Networks: 2, Output: t.Output(),
	})
	check(t, err)
	closeAfter(t, c)
	check(t, c.Serve(ctx, peer.Dnsmasq))
	check(t, c.StartGuest())
	check(t, c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0 eth1\n"+conf))
	check(t, c.Guest.WriteFile("/etc/network/interfaces", interfaces))
	return c
}

// must runs a program in the guest that must succeed, and gives what it printed.
func must(ctx context.Context, t *testing.T, c *cloud.Cloud, args ...string) string {
	t.Helper()
	r, err := c.Guest.Run(ctx, args...)
	check(t, err)
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// reboot throws the guest away and starts it as its boot does: switches, then NICs.
func reboot(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	check(t, c.StopGuest())
	check(t, c.StartGuest())
	must(ctx, t, c, "/lib/systemd/systemd-sysctl")
	must(ctx, t, c, "ifup", "-a")
}

// defaults waits until the IPv6 default routes lead through these NICs.
func defaults(ctx context.Context, t *testing.T, c *cloud.Cloud, nics ...string) {
	t.Helper()
	_, err := c.Guest.Await(ctx, "default routes by "+strings.Join(nics, " "), func(s lab.State) bool { return slices.Equal(s.DefaultNICs(), nics) })
	check(t, err)
}

// announced makes the second router say again what it is, and waits until the guest has heard it.
func announced(ctx context.Context, t *testing.T, c *cloud.Cloud) {
	t.Helper()
	capture := c.Nets[1].Segment.Capture
	from := len(capture.Packets())
	// A NIC that comes up asks.
	check(t, c.Guest.Down("eth1"))
	check(t, c.Guest.Up("eth1"))
	_, _, err := capture.Await(ctx, from, "a Router Advertisement", func(p lab.Packet) bool { return p.ICMP == 134 })
	check(t, err)
}

func TestConfigureKeepsTheDefaultRouteOffTheOtherNICLiveAndAfterReboot(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := debian(ctx, t, "")
	must(ctx, t, c, "ifup", "-a")
	defaults(ctx, t, c, "eth0", "eth1")
	before := must(ctx, t, c, "ip", "-4", "addr")

	out := must(ctx, t, c, "v6guest", "configure", "--apply=live")
	if !strings.Contains(out, "the only one whose files give it IPv4's way out") {
		t.Errorf("the default NIC was chosen otherwise:\n%s", out)
	}
	defaults(ctx, t, c, "eth0")
	if after := must(ctx, t, c, "ip", "-4", "addr"); after != before {
		t.Errorf("IPv4 was:\n%s\nand is:\n%s", before, after)
	}

	// Restored, the kernel takes routes from both again.
	must(ctx, t, c, "v6guest", "restore", "--apply=live")
	if got := must(ctx, t, c, "cat", "/etc/network/interfaces"); got != interfaces {
		t.Errorf("restored as:\n%s", got)
	}
	announced(ctx, t, c)
	defaults(ctx, t, c, "eth0", "eth1")

	// The files alone do it from the next boot on. The second NIC's router was heard, and gave no route.
	must(ctx, t, c, "v6guest", "configure")
	reboot(ctx, t, c)
	defaults(ctx, t, c, "eth0")
	announced(ctx, t, c)
	_, err := c.Guest.Await(ctx, "a link-local address of eth1, and one default route", func(s lab.State) bool {
		return s.LinkLocal("eth1").IsValid() && slices.Equal(s.DefaultNICs(), []string{"eth0"})
	})
	check(t, err)
	for _, change := range c.Guest.Changes() {
		if change.Route && change.Prefix.Bits() == 0 && change.NIC == "eth1" && !change.Gone && change.Prefix.Addr().Is6() {
			t.Error("a default route by eth1, for however short a time")
		}
	}
	for nic, want := range map[string]string{"eth0": "2", "eth1": "0"} {
		if got, err := c.Guest.ReadSysctl("net/ipv6/conf/" + nic + "/accept_ra"); err != nil || got != want {
			t.Errorf("accept_ra of %s is %s, want %s: %v", nic, got, want, err)
		}
	}
	if again := must(ctx, t, c, "v6guest", "configure"); !strings.Contains(again, "every file is as it should be\n") {
		t.Errorf("a second run:\n%s", again)
	}
}

func TestConfigureMakesTheDistributionsOwnClientLease(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	c := debian(ctx, t, "lease = distro\n")
	must(ctx, t, c, "v6guest", "configure", "--boot")
	// At once, and not only after systemd has been through the files at the next boot.
	if got, err := c.Guest.ReadSysctl("net/ipv6/conf/eth1/accept_ra"); err != nil || got != "0" {
		t.Errorf("accept_ra of eth1 is %s: %v", got, err)
	}
	reboot(ctx, t, c)
	asReserved(ctx, t, c)
	duid := "00:03:00:01:" + c.Nets[0].Reserved.MAC.String()
	if got := must(ctx, t, c, "cat", "/etc/dhcp/dhclient.conf"); !strings.Contains(got, "send dhcp6.client-id = concat(00:03:00, hardware);\n") {
		t.Errorf("no DUID-LL %s in dhclient.conf:\n%s", duid, got)
	}

	// The other policy follows, on the running system: dhclient ends, and v6guest leases the same address.
	check(t, c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0 eth1\n"))
	out := must(ctx, t, c, "v6guest", "configure", "--apply=live")
	if strings.Count(out, "done: kill $(cat /run/dhclient6.eth") != 2 {
		t.Errorf("dhclient was not ended:\n%s", out)
	}
	if got := must(ctx, t, c, "sh", "-c", "ps -eo args | grep '[d]hclient -6' || echo none"); got != "none\n" {
		t.Errorf("it runs still: %s", got)
	}
	reboot(ctx, t, c)
	must(ctx, t, c, "v6guest", "lease", "eth0", "eth1")
	asReserved(ctx, t, c)
}
