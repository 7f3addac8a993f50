package boot

import (
	"testing"

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
	other := g.confirmed(g.cloud.Nets[1])
	check(t, qemu.await(g.ctx, "WAKEUP"))

	other()
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
