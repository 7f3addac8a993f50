package boot

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// TestASuspendedMachineChecksItsLeasesWhenItIsResumed: suspended to memory until its own real-time clock
// wakes it. Meanwhile the cloud has reserved another address for one NIC, which the guest has at once, though
// its lease has no end.
func TestASuspendedMachineChecksItsLeasesWhenItIsResumed(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	g := bootCase(t, tt, enabled)
	g.asReserved(tt)
	qemu, err := g.dial(g.ctx)
	check(t, err)
	g.do("systemd-run", "--no-block", "sh", "-c", "echo +10 >/sys/class/rtc/rtc0/wakealarm && echo mem >/sys/power/state")
	check(t, qemu.await(g.ctx, "SUSPEND"))
	n := g.cloud.Nets[0]
	from := len(n.Segment.Capture.Packets())
	old := n.Reserved.Addr
	n.Reserved.Addr = n.Host(0x99)
	check(t, n.Server.Stop(g.ctx))
	check(t, n.Serve(g.ctx, peer.V6responder, n.Network()))
	check(t, qemu.await(g.ctx, "WAKEUP"))

	for _, kind := range []dhcpv6.MessageType{dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeSolicit} {
		_, from, err = n.Segment.Capture.Await(g.ctx, from, "a "+kind.String()+" of the guest", func(p lab.Packet) bool {
			m, err := wire.Decode(p.Payload)
			return p.DstPort == 547 && err == nil && m.Type == kind
		})
		check(t, err)
	}
	g.logs("v6guest.service", "the machine may have moved: each lease is checked.*the machine was suspended for")
	t.Log(g.say("journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-u", "v6guest.service"))
	g.await("end of the old address", "! ip -6 addr show dev eth0 | grep -qF "+old.String()+"/128")
	g.asReserved(tt)
	g.keptAddresses(g.cloud.Nets[1])
	g.ipv4Stayed(tt)
}

// TestAVirtualFunctionAndItsMaster: a virtio NIC as the standby of a pair, which the kernel puts below a
// master of the same MAC (net_failover), and another device as its primary. One address, on the master; it
// stays when the primary goes, as in a live migration, and comes back.
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
	// The pair is three NICs of one MAC; which of them has which name is the kernel's choice.
	g.await("pair below its master", "test $(ip -o link | grep -c '"+n.Reserved.MAC.String()+"') = 3")
	t.Log(g.say("ip", "-d", "link"))
	t.Log(g.say("v6guest", "status"))
	master := strings.TrimSpace(g.do("sh", "-c", "ip -o link show | sed -n 's/.* master \\([a-z0-9]*\\) .*/\\1/p' | sort -u"))
	has := func(addr netip.Addr) {
		t.Helper()
		g.await(addr.String()+" on the master", "ip -6 addr show dev "+master+" scope global -tentative | grep -qF "+addr.String()+"/128")
		g.await("default route by the master", "ip -6 route show default | grep -q 'dev "+master+" '")
		if got := strings.Count(g.say("ip", "-6", "-o", "addr", "show", "scope", "global"), "inet6"); got != 1 {
			t.Errorf("%d global addresses: %s", got, g.say("ip", "-6", "addr"))
		}
		if got := strings.Count(g.say("ip", "-6", "route", "show", "default"), "default"); got != 1 {
			t.Errorf("%d default routes: %s", got, g.say("ip", "-6", "route"))
		}
		g.has("1 received", "ping", "-c", "1", "-w", "10", n.Neighbor6.String())
	}
	has(n.Reserved.Addr)
	g.has("left alone: it belongs to "+master, "v6guest", "status")
}
