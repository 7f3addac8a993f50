package boot

import (
	"flag"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/peer"
)

var long = flag.Bool("long", false, "boot also what takes too long for every change: make test-boot-long")

func needLong(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("takes long: make test-boot-long")
	}
}

// needTime skips a case that is none of the quick ones, where only these are booted.
func (tt guestCase) needTime(t *testing.T) {
	t.Helper()
	if !tt.quick {
		needLong(t)
	}
}

// TestTwentyStopsAndStarts: every other one is a power cut, in the middle of a renewal or of `configure`.
func TestTwentyStopsAndStarts(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	g := bootOn(t, tt, enabled, renewing, 90*time.Minute)
	cuts := []struct {
		in  string
		cut func()
	}{
		{"a renewal, its Renew on the wire", func() { g.cutInRenewal(dhcpv6.MessageTypeRenew) }},
		{"configure, the originals kept", func() { g.cutInConfigure(stages[0]) }},
		{"a renewal, its Reply on the wire", func() { g.cutInRenewal(dhcpv6.MessageTypeReply) }},
		{"configure, one file changed", func() { g.cutInConfigure(stages[1]) }},
	}
	g.asReserved(tt)
	for i := range 20 {
		if i%2 == 0 {
			t.Logf("%d: a stop and a start", i+1)
			g.reboot()
		} else {
			c := cuts[i/2%len(cuts)]
			t.Logf("%d: a power cut in %s", i+1, c.in)
			c.cut()
			g.boot()
		}
		g.afterACut(tt)
	}
	g.asBefore(tt.files)
}

// TestTheRouterComesLate: at boot nobody serves IPv6, for which what needs the network waits 15 s and no longer; two minutes later somebody does.
func TestTheRouterComesLate(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks4(ctx, t, tt.way)
	g := start(ctx, t, c, root, diskOf(ctx, t, root, withPackage(ctx, enabled), tt.files, needsNetwork))
	g.has("neither a router nor a DHCPv6 server was heard for 15s", "journalctl", "-b", "--no-pager", "-o", "cat", "-u", "v6guest-wait-online.service")
	g.has("unreachable", "cat", onlineFile) // it has run
	g.has("0 loaded units listed", "systemctl", "--failed", "--no-pager")
	g.do("sleep", "120") // what is to be shown is that nothing is given up in this time
	check(t, c.Serve(ctx, peer.V6responder))
	began := time.Now()
	for _, n := range c.Nets {
		_, err := g.until(ctx, "sh", "-c", "ip -6 addr show dev "+n.NIC+" scope global -tentative | grep -qF "+n.Reserved.Addr.String()+"/128")
		check(t, err)
		t.Logf("%s: its address came %.0f s after the router", n.NIC, time.Since(began).Seconds())
	}
	g.asReserved(tt)
}

// TestTheRouterIsReplaced by another one with another prefix, and the NIC's carrier goes for a moment.
func TestTheRouterIsReplaced(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-networkd")
	g := bootCase(t, tt, enabled)
	g.asReserved(tt)
	n := g.cloud.Nets[0]
	check(t, n.Server.Stop(g.ctx))
	// Its machine stays, for IPv4; the neighbours' way to the outside is the new one's.
	n.Prefix = netip.MustParsePrefix("2001:db8:77::/64")
	n.Reserved.Addr, n.Gateway = n.Host(0x38), n.Host(0x1)
	router, err := g.cloud.Machine(g.ctx, n, "router1b", net.HardwareAddr{0x06, 0xa0, 0xf0, 0, 0, 0x03}, n.Gateway)
	check(t, err)
	check(t, router.Sysctl("net/ipv6/conf/all/forwarding", "1"))
	check(t, router.AddAddress("lo", "2001:db8:ffff::1/128"))
	n.Router = router
	n.Neighbor6 = n.Host(0x77)
	check(t, n.Neighbour.AddAddress("eth0", n.Neighbor6.String()+"/64"))
	check(t, n.Serve(g.ctx, peer.V6responder, n.Network()))
	// The guest has to see the carrier gone: two changes at once would be none to it.
	check(t, g.control(g.ctx, "", "set_link", map[string]any{"name": "nic0", "up": false}))
	g.await("end of the carrier", "! ip link show dev eth0 | grep -q LOWER_UP")
	check(t, g.control(g.ctx, "", "set_link", map[string]any{"name": "nic0", "up": true}))
	g.await("carrier", "ip link show dev eth0 | grep -q LOWER_UP")
	g.asReserved(tt)
}

// TestStacksAreStartedAnew: whatever they do on the way, address, route and switches are right again once they say that they have done.
func TestStacksAreStartedAnew(t *testing.T) {
	needLong(t)
	t.Parallel()
	const networkdIsDone = " && /usr/lib/systemd/systemd-networkd-wait-online --interface=eth0 --interface=eth1 --timeout=300"
	for name, commands := range map[string][]string{
		"debian13-ifupdown-dhcpcd":   {"systemctl restart networking", "ifdown eth1 && ifup eth1"},
		"debian12-ifupdown-dhclient": {"systemctl restart networking", "ifdown eth1 && ifup eth1"},
		"debian13-networkd":          {"systemctl restart systemd-networkd" + networkdIsDone, "networkctl reload && networkctl reconfigure eth1" + networkdIsDone},
		"debian13-networkmanager":    {"systemctl restart NetworkManager && nm-online -q -s -t 300"},
		"debian13-netplan":           {"netplan apply" + networkdIsDone},
	} {
		t.Run(name, func(t *testing.T) {
			tt := caseOf(name)
			g := bootCase(t, tt, enabled)
			g.asReserved(tt)
			switches := func() string {
				return g.say("sh", "-c", "cd /proc/sys/net/ipv6/conf && grep . */accept_ra */accept_ra_defrtr */autoconf */disable_ipv6")
			}
			before := switches()
			if !strings.Contains(before, "eth1/accept_ra:0") {
				t.Errorf("accept_ra of eth1 is not 0:\n%s", before)
			}
			for _, command := range commands {
				g.do("sh", "-c", command)
				g.asReserved(tt)
				if got := switches(); got != before {
					t.Errorf("after %s:\n%s\nbefore:\n%s", command, got, before)
				}
			}
		})
	}
}

// TestTheMachineStandsStill: the hypervisor stops it and lets it go on, the clock is set, and nothing is lost.
func TestTheMachineStandsStill(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	g := bootCase(t, tt, enabled)
	g.asReserved(tt)
	check(t, g.control(g.ctx, "STOP", "stop", nil))
	check(t, g.control(g.ctx, "RESUME", "cont", nil))
	g.clockIsSet(tt)
	g.asReserved(tt)
	g.keptAddresses(g.cloud.Nets...)
}
