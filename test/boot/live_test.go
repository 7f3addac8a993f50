package boot

import (
	"strings"
	"testing"
)

// keyfile is a profile as an installer or a person leaves it: the default for IPv6 is automatic.
func keyfile(nic, uuid string) file {
	return secret("/etc/NetworkManager/system-connections/"+nic+".nmconnection",
		"[connection]\nid="+nic+"\nuuid="+uuid+"\ntype=ethernet\ninterface-name="+nic+"\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n")
}

// liveCases are guests on which the stack runs already, as it was installed, when v6guest comes.
var liveCases = []guestCase{
	{
		name: "debian13-networkd", spec: networkd, stack: "networkd", client: "v6guest", quick: true,
		files: []file{
			text("/etc/systemd/network/10-eth0.network", "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n"),
			text("/etc/systemd/network/10-eth1.network", "[Match]\nName=eth1\n\n[Network]\nDHCP=yes\n"),
			networkdForAll[1],
		},
	},
	{
		name: "debian13-networkd-for-all-leases", spec: networkd, stack: "networkd", client: "systemd-network",
		files: append(networkdForAll, distroLeases),
	},
	{
		name: "debian13-networkmanager", spec: nm, stack: "NetworkManager", client: "v6guest",
		files: []file{keyfile("eth0", "6e9d6a0e-4f0c-4b65-9c19-000000000000"), keyfile("eth1", "6e9d6a0e-4f0c-4b65-9c19-000000000001")},
	},
	{
		name: "debian13-networkmanager-leases", spec: nm, stack: "NetworkManager", client: "NetworkManager",
		files: []file{keyfile("eth0", "6e9d6a0e-4f0c-4b65-9c19-000000000000"), keyfile("eth1", "6e9d6a0e-4f0c-4b65-9c19-000000000001"), distroLeases},
	},
	{
		name: "debian13-netplan", spec: clouds, stack: "networkd, from netplan", client: "v6guest",
		files: []file{secret("/etc/netplan/50-lan.yaml", netplanEach)},
	},
}

func TestConfigureCountsOnTheRunningSystem(t *testing.T) {
	t.Parallel()
	for _, tt := range liveCases {
		t.Run(tt.name, func(t *testing.T) {
			tt.needTime(t)
			g := bootCase(t, tt, disabled)
			// What is to be cured: each NIC has IPv4, and a default route of IPv6.
			for _, n := range g.cloud.Nets {
				g.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -q inet")
				g.await("IPv6 default route through "+n.NIC, "ip -6 route show default | grep -q 'dev "+n.NIC+"' || ip nexthop | grep -q 'dev "+n.NIC+"'")
			}
			out := g.do("v6guest", "configure", "--apply=live")
			t.Log(out)
			if !strings.Contains(out, tt.stack) || !strings.Contains(out, ": done: ") || strings.Contains(out, "left for the next boot") {
				t.Errorf("configure --apply=live says\n%s", out)
			}
			g.do("systemctl", "start", "v6guest.service")
			g.asReserved(tt)
			if out := g.do("v6guest", "configure", "--apply=live"); !strings.Contains(out, "every file is as it should be") {
				t.Errorf("a second run says\n%s", out)
			}
			g.asReserved(tt)
			g.do("systemctl", "stop", "v6guest.service")
			t.Log(g.do("v6guest", "restore", "--apply=live"))
			g.asBefore(tt.files)
			g.ipv4Stayed(tt)
		})
	}
}

// laterCases are guests whose stack can read its files again only by taking IPv4 away for a moment.
var laterCases = []guestCase{
	{name: "debian12-networkd", spec: debian12, files: append(networkdForAll, text("/etc/network/interfaces", "auto lo\niface lo inet loopback\n")), stack: "networkd", client: "v6guest"},
	{name: "debian13-ifupdown-dhcpcd", spec: debian13, files: []file{text("/etc/network/interfaces", twoNICs)}, stack: "ifupdown with dhcpcd", client: "v6guest"},
}

func TestWhatWouldCutIPv4OffIsLeftForTheNextBoot(t *testing.T) {
	needLong(t)
	t.Parallel()
	for _, tt := range laterCases {
		t.Run(tt.name, func(t *testing.T) {
			g := bootCase(t, tt, disabled)
			for _, n := range g.cloud.Nets {
				g.await("IPv4 address on "+n.NIC, "ip -4 addr show dev "+n.NIC+" | grep -q inet")
			}
			a, err := g.run(g.ctx, "v6guest", "configure", "--apply=live")
			check(t, err)
			// Whether the stack's default route on eth1 is back already decides how it ends.
			if out := string(a.Stdout); !strings.Contains(out, tt.stack) || !strings.Contains(out, "left for the next boot, since it would cut IPv4 off for a moment") {
				t.Errorf("configure --apply=live says\n%s%s", a.Stdout, a.Stderr)
			}
			g.ipv4Stayed(tt)
			g.reboot()
			g.do("systemctl", "start", "v6guest.service")
			g.asReserved(tt)
			g.ipv4Stayed(tt)
			g.asBefore(tt.files)
		})
	}
}
