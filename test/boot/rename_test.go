package boot

import (
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv6"
)

// TestARenamedNICKeepsItsLease: renamed while the agent runs, and then by udev from the next boot on. Its lease is the MAC's.
func TestARenamedNICKeepsItsLease(t *testing.T) {
	needLong(t)
	tt := caseOf("debian13-networkd")
	g := bootCase(t, tt, enabled)
	g.asReserved(tt)
	n := g.cloud.Nets[1]
	leases := g.say("ls", "/var/lib/v6guest/lease")
	g.do("ip", "link", "set", n.NIC, "name", "eth7")
	n.NIC = "eth7"
	g.asReserved(tt)
	g.has("eth7", "v6guest", "status")
	g.hasNot("eth1", "v6guest", "status")

	g.do("sh", "-c", "printf '[Match]\\nMACAddress="+n.Reserved.MAC.String()+"\\n\\n[Link]\\nName=eth7\\n' >/etc/systemd/network/10-name.link")
	from := len(n.Segment.Capture.Packets())
	g.reboot()
	g.asReserved(tt)
	// The saved lease is confirmed: that is the first that it asks.
	first, _, err := n.Segment.Capture.Await(g.ctx, from, "a question of the guest's", dhcpMessage(0, n.Reserved.MAC, nil))
	check(t, err)
	if kind := dhcpv6.MessageType(first.Payload[0]); kind != dhcpv6.MessageTypeConfirm {
		t.Errorf("after the boot it began with a %v", kind)
	}
	if got := g.say("ls", "/var/lib/v6guest/lease"); got != leases {
		t.Errorf("lease files %q, were %q", got, leases)
	}
	g.keptAddresses(g.cloud.Nets...)
}
