package boot

import (
	"slices"

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
	// configured is how many NICs the distribution configures: those behind them have no IPv4. 0: all.
	configured int
	// quick is whether it is booted for every change; the others take too long for that.
	quick bool
	// way is the index of the network that has the IPv4 default route, whose NIC must be the default one.
	way int
}

// dualStack is the networks on whose NICs the distribution does IPv4.
func (tt guestCase) dualStack(nets []*cloud.Net) []*cloud.Net {
	if tt.configured == 0 {
		return nets
	}
	return nets[:tt.configured]
}

// distroLeases is the configuration by which the distribution's own client leases.
var distroLeases = text("/etc/v6guest/v6guest.conf", "[agent]\nlease = distro\n")

// guestCases are those that must have their addresses from boot on. ss(8) knows 15 characters of a program's name.
var guestCases = []guestCase{
	{name: "debian13-ifupdown-dhcpcd", spec: debian13, files: []file{text("/etc/network/interfaces", twoNICs)}, stack: "ifupdown with dhcpcd", client: "v6guest", quick: true},
	{name: "debian12-ifupdown-dhclient", spec: debian12, files: []file{text("/etc/network/interfaces", twoNICs)}, stack: "ifupdown with dhclient", client: "v6guest", quick: true},
	{
		name: "debian12-ifupdown-dhclient-leases", spec: debian12, files: []file{text("/etc/network/interfaces", twoNICs), distroLeases},
		stack: "ifupdown with dhclient", client: "dhclient",
	},
	{name: "debian13-networkd", spec: networkd, files: networkdForAll, stack: "networkd", client: "v6guest", quick: true},
	{name: "debian13-networkd-leases", spec: networkd, files: append(networkdForAll, distroLeases), stack: "networkd", client: "systemd-network"},
	{name: "debian12-networkd", spec: debian12, files: append(networkdForAll, text("/etc/network/interfaces", "auto lo\niface lo inet loopback\n")), stack: "networkd", client: "v6guest"},
	{name: "debian13-networkmanager", spec: nm, stack: "NetworkManager", client: "v6guest"}, // without a profile it makes one by itself for each NIC
	{
		// An address that is on a NIC before NetworkManager has looked would cost the NIC its IPv4.
		name: "debian13-networkmanager-slow", spec: nm, stack: "NetworkManager", client: "v6guest",
		files: []file{text("/etc/systemd/system/NetworkManager.service.d/slow.conf", "[Service]\nExecStartPre=sleep 10\n")},
	},
	{name: "debian13-networkmanager-leases", spec: nm, files: []file{distroLeases}, stack: "NetworkManager", client: "NetworkManager"},
	{name: "debian13-netplan", spec: clouds, files: []file{secret("/etc/netplan/90-default.yaml", netplanForAll)}, stack: "networkd, from netplan", client: "v6guest"},
	{
		name: "debian13-netplan-leases", spec: clouds, files: []file{secret("/etc/netplan/50-lan.yaml", netplanEach), distroLeases},
		stack: "networkd, from netplan", client: "systemd-network",
	},
}

// swappedCases are guests on whose second network the IPv4 default route is. Both NICs have IPv4 by DHCP, so
// that the files are made for the first one before any route can settle the choice.
var swappedCases = []guestCase{
	{name: "debian13-networkd", spec: networkd, files: networkdForAll, stack: "networkd", client: "v6guest", way: 1},
	{name: "debian13-networkd-leases", spec: networkd, files: append(networkdForAll, distroLeases), stack: "networkd", client: "systemd-network", way: 1},
	{name: "debian13-ifupdown-dhcpcd", spec: debian13, files: []file{text("/etc/network/interfaces", twoNICs)}, stack: "ifupdown with dhcpcd", client: "v6guest", way: 1},
}

// caseOf is the case of that name.
func caseOf(name string) guestCase {
	return guestCases[slices.IndexFunc(guestCases, func(c guestCase) bool { return c.name == name })]
}

// networkdForAll is one .network file that speaks for every NIC.
var networkdForAll = []file{
	text("/etc/systemd/network/80-all.network", "[Match]\nName=eth*\n\n[Network]\nDHCP=yes\n"),
	link("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "/usr/lib/systemd/system/systemd-networkd.service"),
}

// netplanForAll is what Debian's cloud images have: an id for every NIC of a kind.
const netplanForAll = `network:
    version: 2
    ethernets:
        all-en:
            match:
                name: en*
            dhcp4: true
            dhcp4-overrides:
                use-domains: true
            dhcp6: true
            dhcp6-overrides:
                use-domains: true
        all-eth:
            match:
                name: eth*
            dhcp4: true
            dhcp4-overrides:
                use-domains: true
            dhcp6: true
            dhcp6-overrides:
                use-domains: true
`

// netplanEach is what an installer writes: an id for each NIC.
const netplanEach = `# This is the network config written by 'subiquity'
network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
    eth1:
      dhcp4: true
      dhcp6: false
`
