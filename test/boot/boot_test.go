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
	// client is who has UDP port 546, once for each NIC.
	client string
}

var guestCases = []guestCase{
	{"debian13-ifupdown-dhcpcd", debian13, []file{text("/etc/network/interfaces", twoNICs)}, "ifupdown with dhcpcd", "v6guest"},
	{"debian12-ifupdown-dhclient", debian12, []file{text("/etc/network/interfaces", twoNICs)}, "ifupdown with dhclient", "v6guest"},
	{"debian12-ifupdown-dhclient-leases", debian12, []file{
		text("/etc/network/interfaces", twoNICs), text("/etc/v6guest/v6guest.conf", "[agent]\nlease = distro\n"),
	}, "ifupdown with dhclient", "dhclient"},
	{"debian13-networkd", networkd, []file{
		text("/etc/systemd/network/80-all.network", "[Match]\nName=eth*\n\n[Network]\nDHCP=yes\n"),
		link("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "/usr/lib/systemd/system/systemd-networkd.service"),
	}, "networkd", "v6guest"},
	{"debian13-networkmanager", nm, nil, "NetworkManager", "v6guest"}, // without a profile it makes one by itself for each NIC
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
			g.asReserved(tt)
			g.clockIsSet()
			g.asBefore(tt.files)
		})
	}
}

// asReserved checks all that a guest has to have once it has booted.
func (g *machine) asReserved(tt guestCase) {
	g.t.Helper()
	for _, n := range g.cloud.Nets {
		g.await("reserved address on "+n.NIC, "ip -6 addr show dev "+n.NIC+" scope global -tentative | grep -qF "+n.Reserved.Addr.String()+"/128")
	}
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
	g.has(tt.stack, "journalctl", "-b", "--no-pager", "-u", "v6guest-configure.service")
	g.hasNot("ordering cycle", "journalctl", "-b", "--no-pager")
	if clients := g.say("ss", "-Hlunp", "sport", "=", ":546"); strings.Count(clients, `"`+tt.client+`"`) != 2 || strings.Count(clients, "\n") != 1 {
		g.t.Errorf("on UDP port 546: %s", clients)
	}
}

// asBefore brings the files back and checks that they are the originals.
func (g *machine) asBefore(files []file) {
	g.t.Helper()
	if out, err := g.run(g.ctx, "v6guest", "restore"); err != nil || out.Code != 0 {
		g.t.Errorf("restore: %s%s, %v", out.Stdout, out.Stderr, err)
	}
	for _, f := range files {
		if got := g.say("cat", f.name); !strings.HasPrefix(f.text, "-> ") && got != strings.TrimSpace(f.text) {
			g.t.Errorf("%s after restore:\n%s\nwant:\n%s", f.name, got, f.text)
		}
	}
	if got := g.say("sh", "-c", "grep -rl v6guest /etc --include=* | grep -v ^/etc/systemd/system/ | grep -v ^/etc/v6guest/"); got != "" {
		g.t.Errorf("files that still speak of v6guest after restore: %s", got)
	}
}

// clockIsSet sets the wall clock a day forward, as a time daemon does after a snapshot: the agent checks
// its leases at once, and gives nothing up.
func (g *machine) clockIsSet() {
	g.t.Helper()
	g.say("date", "-s", "tomorrow")
	g.say("v6guest", "lease") // an exchange with the server: what was to be noticed has been by its end
	g.say("journalctl", "--sync")
	g.has("the wall clock was set forward by", "journalctl", "-b", "--no-pager", "-u", "v6guest.service")
	for _, n := range g.cloud.Nets {
		g.has("inet6 "+n.Reserved.Addr.String()+"/128", "ip", "-6", "addr", "show", "dev", n.NIC)
	}
}
