package boot

import (
	"strings"
	"testing"
	"time"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/roots"
)

// twoNICs is what Debian's installer writes, for two NICs: not a word of IPv6.
const twoNICs = `# This file describes the network interfaces available on your system
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

allow-hotplug eth0
iface eth0 inet dhcp

allow-hotplug eth1
iface eth1 inet dhcp
`

// A guestCase is a distribution with one of its network stacks.
type guestCase struct {
	name  string
	spec  roots.Spec
	files []file
	stack string // as configure names it
}

var guestCases = []guestCase{
	{"debian13-ifupdown-dhcpcd", debian13, []file{text("/etc/network/interfaces", twoNICs)}, "ifupdown with dhcpcd"},
	{"debian12-ifupdown-dhclient", debian12, []file{text("/etc/network/interfaces", twoNICs)}, "ifupdown with dhclient"},
	{"debian13-networkd", networkd, []file{
		text("/etc/systemd/network/80-all.network", "[Match]\nName=eth*\n\n[Network]\nDHCP=yes\n"),
		link("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "/usr/lib/systemd/system/systemd-networkd.service"),
	}, "networkd"},
}

func TestAGuestHasItsAddressesFromBootOn(t *testing.T) {
	for _, tt := range guestCases {
		t.Run(tt.name, func(t *testing.T) {
			root := need(t, tt.spec)
			ctx := within(t, 10*time.Minute)
			c := networks(ctx, t)
			files := append(append(labFiles(t), v6guestFiles(t)...), tt.files...)
			disk, err := makeDisk(ctx, root, t.TempDir(), files)
			check(t, err)
			g := start(ctx, t, c, root, disk)
			g.asReserved(tt.stack)
		})
	}
}

// asReserved checks all that a guest has to have once it has booted.
func (g *machine) asReserved(stack string) {
	g.t.Helper()
	if out, err := g.run(g.ctx, "v6guest", "wait-online"); err != nil || out.Code != 0 {
		g.t.Errorf("wait-online: %+v, %v", out, err)
	}
	for _, n := range g.cloud.Nets {
		g.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -q inet")
	}
	g.await("IPv6 default route", "ip -6 route show default | grep -q default")
	status := g.say("v6guest", "status")
	g.t.Logf("status:\n%s", status)
	for i, n := range g.cloud.Nets {
		nic := n.NIC
		g.has("inet6 "+n.Reserved.Addr.String()+"/128", "ip", "-6", "addr", "show", "dev", nic)
		g.has("inet 10.0.", "ip", "-4", "addr", "show", "dev", nic)
		if got := strings.Count(g.say("ip", "-6", "addr", "show", "dev", nic, "scope", "global"), "inet6"); got != 1 {
			g.t.Errorf("%s has %d global IPv6 addresses", nic, got)
		}
		if i > 0 {
			g.hasNot("default", "ip", "-6", "route", "show", "dev", nic)
		}
		g.has("1 received", "ping", "-c", "1", "-w", "10", n.Neighbor6.String())
	}
	if got := strings.Count(g.say("ip", "-6", "route", "show", "default"), "default"); got != 1 {
		g.t.Errorf("%d IPv6 default routes", got)
	}
	g.has("1 received", "ping", "-c", "1", "-w", "10", cloud.Outside.String())
	g.has("default via 10.0.0.1", "ip", "-4", "route", "show", "default")
	g.has("0 loaded units listed", "systemctl", "--failed", "--no-pager")
	g.has(stack, "journalctl", "-b", "--no-pager", "-u", "v6guest-configure.service")
	g.hasNot("ordering cycle", "journalctl", "-b", "--no-pager")
	if clients := g.say("ss", "-Hlunp", "sport", "=", ":546"); strings.Count(clients, "v6guest") != 2 || strings.Count(clients, "\n") != 1 {
		g.t.Errorf("on UDP port 546: %s", clients)
	}
}
