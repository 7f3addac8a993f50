package boot

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAVLANAndABondWhenTheyAreNamed: made by hand while the agent runs. The VLAN has the MAC of the NIC below it
// and a lease of its own; the bond has that of its port, which is left alone; and when another port takes over,
// which the kernel announces, the lease is checked.
func TestAVLANAndABondWhenTheyAreNamed(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks4(ctx, t, tt.way)
	inVLAN := netip.MustParseAddr("2001:db8:5::38")

	r := bootRouter(ctx, t, c, root, func(g *machine) []file {
		files := routerFiles(g)
		for i, f := range files {
			switch f.name {
			case "/etc/v6responder/v6responder.conf":
				files[i].text += "[network vlan5]\ninterface = eth0.5\nprefix = 2001:db8:5::/64\n"
			case "/etc/v6responder/hosts":
				for _, n := range c.Nets[1:] {
					files[i].text += fmt.Sprintf("id:%s,[%s],%s,infinite\n", n.Reserved.DUID(), n.Reserved.Addr, n.Reserved.Name)
				}
				files[i].text += fmt.Sprintf("id:%s,[%s],vlan,infinite\n", c.Nets[0].Reserved.DUID(), inVLAN)
			}
		}
		return files
	})
	r.do("sh", "-c", "modprobe 8021q; ip link add link eth0 name eth0.5 type vlan id 5 && ip link set eth0.5 up && ip -6 addr add 2001:db8:5::2/64 dev eth0.5 nodad")

	g := start(ctx, t, c, root, diskOf(ctx, t, root, withPackage(ctx, enabled), []file{ // its distribution configures eth0 only
		text("/etc/network/interfaces", "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n"),
		text("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0 eth0.5 bond0\ndefault_nic = eth0\n"),
	}))
	first, second := c.Nets[0].Reserved, c.Nets[1].Reserved
	has := func(nic string, addr netip.Addr) {
		t.Helper()
		g.await(addr.String()+" on "+nic, "ip -6 addr show dev "+nic+" scope global -tentative | grep -qF "+addr.String()+"/128")
	}
	has("eth0", first.Addr)
	g.do("sh", "-c", "modprobe 8021q; ip link add link eth0 name eth0.5 type vlan id 5") // v6guest sets it up
	has("eth0.5", inVLAN)
	// With the port's MAC from the beginning: else udev may give it one of its own before it has a port.
	g.do("sh", "-c", "modprobe bonding; ip link add bond0 address "+second.MAC.String()+" type bond mode active-backup && ip link set eth1 down && ip link set eth1 master bond0 && ip link set bond0 up")
	has("bond0", second.Addr)
	has("eth0", first.Addr)
	g.has("left alone: it belongs to bond0", "v6guest", "status")
	leases := g.say("ls", "/var/lib/v6guest/lease")
	name := strings.ReplaceAll(first.MAC.String(), ":", "-")
	for _, file := range []string{name + ".json", name + ".5.json", strings.ReplaceAll(second.MAC.String(), ":", "-") + ".json"} {
		if !slices.Contains(strings.Fields(leases), file) {
			t.Errorf("no lease file %s: %s", file, leases)
		}
	}
	if got := g.say("ip", "-6", "route", "show", "default"); strings.Count(got, "default") != 1 || !strings.Contains(got, "dev eth0 ") {
		t.Errorf("default routes: %s", got)
	}

	gone, confirmed := len(g.deletions(c.Nets[1])), g.confirmed(c.Nets[1])
	g.do("sh", "-c", "ip link add v0 type veth peer name v1 && ip link set v1 up && ip link set v0 master bond0 && ip link set v0 up"+
		" && echo v0 >/sys/class/net/bond0/bonding/active_slave && echo eth1 >/sys/class/net/bond0/bonding/active_slave")
	g.logs("v6guest.service", "announced the NIC anew")
	confirmed()
	has("bond0", second.Addr)
	if after := g.deletions(c.Nets[1]); len(after) > gone {
		t.Errorf("the bond's address went away: %v", after[gone:])
	}
}
