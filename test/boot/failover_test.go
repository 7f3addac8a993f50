package boot

import (
	"strings"
	"testing"
	"time"
)

// TestAVirtualFunctionAndItsMaster: a virtio NIC as the standby of a pair, which the kernel puts below a
// master of the same MAC (net_failover), and another device as its primary. One address, on the master; it
// stays when the primary goes, as it does before a live migration. (qemu itself brings it back after one only.)
func TestAVirtualFunctionAndItsMaster(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	root := need(t, tt.spec)
	ctx := within(t, 10*time.Minute)
	c := networks(ctx, t, tt.way)
	n := c.Nets[0]
	g := &machine{
		t: t, ctx: ctx, cloud: c, root: root, nics: []nic{{net: n, mac: n.Reserved.MAC, failover: true}},
		disk: diskOf(ctx, t, root, withPackage(ctx, enabled), []file{text("/etc/network/interfaces", "auto lo\niface lo inet loopback\n")}),
	}
	g.boots()
	// They are three NICs of one MAC; which of them has which name is the kernel's choice.
	pair := func(count string) string {
		return "test $(ip -o link | grep -c '" + n.Reserved.MAC.String() + "') = " + count
	}
	g.await("pair below its master", pair("3"))
	master := strings.TrimSpace(g.do("sh", "-c", "ip -o link show | sed -n 's/.* master \\([a-z0-9]*\\) .*/\\1/p' | sort -u"))
	addr := n.Reserved.Addr
	has := func() {
		t.Helper()
		g.await(addr.String()+" on the master", "ip -6 addr show dev "+master+" scope global -tentative | grep -qF "+addr.String()+"/128")
		g.await("default route by the master", "ip -6 route show default | grep -q 'dev "+master+" '")
		if got := strings.Count(g.say("ip", "-6", "-o", "addr", "show", "scope", "global"), "inet6"); got != 1 {
			t.Errorf("%d global addresses: %s", got, g.say("ip", "-6", "addr"))
		}
		if got := strings.Count(g.say("ip", "-6", "route", "show", "default"), "default"); got != 1 {
			t.Errorf("%d default routes: %s", got, g.say("ip", "-6", "route"))
		}
		g.reaches(n.Neighbor6.String())
	}
	has()
	if got := strings.Count(g.say("v6guest", "status"), "left alone: it belongs to "+master); got != 2 {
		t.Errorf("%d NICs of the pair are left alone", got)
	}
	check(t, g.control(ctx, "DEVICE_DELETED", "device_del", map[string]any{"id": primaryOf(0)}))
	g.await("end of the primary", pair("2"))
	has()
	g.keptAddresses(n)
}
