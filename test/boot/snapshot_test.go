package boot

import (
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/peer"
)

// TestAMachineIsRevertedToASnapshot: the hypervisor puts memory and disk back to what they were; of the change of the reservation that the guest
// had followed since then it knows nothing any more. When a time daemon has set its clock forward it asks, though its lease has no end.
func TestAMachineIsRevertedToASnapshot(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-ifupdown-dhcpcd")
	root := need(t, tt.spec)
	ctx := within(t, 20*time.Minute)
	c := networks(ctx, t, tt.way)
	g := &machine{
		t: t, ctx: ctx, cloud: c, root: root, disk: diskOf(ctx, t, root, withPackage(ctx, enabled), tt.files),
		nics: guestNICs(c), snapshots: true,
	}
	g.boots()
	g.asReserved(tt)
	g.monitor("savevm before")

	n := c.Nets[1]
	old := n.Reserved
	n.Reserved.Addr = n.Host(0x99)
	check(t, n.Server.Reserve(ctx, []peer.Guest{n.Reserved}))
	t.Log(g.do("v6guest", "lease", n.NIC))
	g.asReserved(tt)
	g.do("touch", "/root/later")

	g.monitor("loadvm before")
	g.hasNot("later", "ls", "/root")
	g.ipv4Stayed(tt)
	from := len(n.Segment.Capture.Packets())
	g.do("date", "-s", "3 hours")
	_, _, err := n.Segment.Capture.Await(ctx, from, "a question about the lease", dhcpMessage(dhcpv6.MessageTypeConfirm, n.Reserved.MAC, nil))
	check(t, err)
	g.await("end of the old address", "! ip -6 addr show dev "+n.NIC+" | grep -qF "+old.Addr.String()+"/128")
	g.asReserved(tt)
	g.logs("v6guest.service", "the wall clock was set forward by")
	g.keptAddresses(c.Nets[0])
}

// monitor gives qemu a command as a person at its monitor does. What it says is for persons too: whether it
// worked is to be seen by its effect.
func (g *machine) monitor(command string) {
	g.t.Helper()
	check(g.t, g.control(g.ctx, "", "human-monitor-command", map[string]any{"command-line": command}))
}
