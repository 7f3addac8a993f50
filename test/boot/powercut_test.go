package boot

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/test/cloud"
	"github.com/v6guest/v6guest/test/lab"
	"github.com/v6guest/v6guest/test/peer"
)

// cutDuring cuts the power while a command is run again and again.
func (g *machine) cutDuring(command string) {
	g.t.Helper()
	// The answer comes when it has ended once: the cut is somewhere in the next rounds.
	g.do("sh", "-c", "mkfifo /run/round; (while :; do "+command+"; echo round; done) 1<>/run/round 2>&1 & grep -m1 -x round /run/round")
	check(g.t, g.cut())
}

// renewing are networks whose server gives leases that are renewed each half minute (T1), and end in a day.
func renewing(ctx context.Context, t *testing.T, way int) *cloud.Cloud {
	t.Helper()
	c := networks4(ctx, t, way)
	for _, n := range c.Nets {
		network := n.Network()
		network.NetworkOptions = []string{"preferred_lifetime = 1m", "valid_lifetime = 1d"}
		check(t, n.Serve(ctx, peer.V6responder, network))
		// A line without a lifetime has the network's.
		check(t, n.Router.WriteFile(peer.ResponderHosts, strings.ReplaceAll(peer.Hosts(network.Guests), ",infinite", "")))
		r, err := n.Router.Run(ctx, "v6responder", "reload")
		check(t, err)
		if r.Code != 0 {
			t.Fatalf("v6responder reload: %s", r.Stderr)
		}
	}
	return c
}

// cutInRenewal cuts the power when a message of the first NIC's next renewal is on the wire: its Renew, or the
// Reply, which the guest is about to save.
func (g *machine) cutInRenewal(kind dhcpv6.MessageType) {
	g.t.Helper()
	n := g.cloud.Nets[0]
	// A Reply is one to a Renew: nothing else is asked while the guest is left alone.
	_, next, err := n.Segment.Capture.Await(g.ctx, len(n.Segment.Capture.Packets()), "a Renew", dhcpMessage(dhcpv6.MessageTypeRenew, n.Reserved.MAC, nil))
	check(g.t, err)
	if kind == dhcpv6.MessageTypeReply {
		_, _, err := n.Segment.Capture.Await(g.ctx, next, "its Reply", dhcpMessage(kind, nil, n.Reserved.MAC))
		check(g.t, err)
	}
	check(g.t, g.cut())
}

// dhcpMessage accepts the DHCPv6 messages of a kind, 0 for any, from one MAC, or to one.
func dhcpMessage(kind dhcpv6.MessageType, from, to net.HardwareAddr) func(lab.Packet) bool {
	return func(p lab.Packet) bool {
		return (p.DstPort == 546 || p.DstPort == 547) && len(p.Payload) > 0 && (kind == 0 || p.Payload[0] == byte(kind)) &&
			(from == nil || slices.Equal(p.From, from)) && (to == nil || slices.Equal(p.To, to))
	}
}

// TestPowerCuts: the power goes while `configure` and `restore` follow each other, and in the middle of a renewal. The next boot has everything,
// and `restore` brings the originals.
func TestPowerCuts(t *testing.T) {
	tt := caseOf("debian13-ifupdown-dhcpcd")
	g := bootOn(t, tt, enabled, renewing, 20*time.Minute)
	g.asReserved(tt)
	for what, cut := range map[string]func(){
		"configure": func() { g.cutDuring("v6guest restore; v6guest configure") },
		"a renewal": func() { g.cutInRenewal(dhcpv6.MessageTypeReply) },
	} {
		t.Logf("power cut in %s", what)
		cut()
		g.boot()
		g.wasConfigured(tt)
		g.asReserved(tt)
		g.hasNot("damaged", "journalctl", "-b", "--no-pager", "-u", "v6guest.service")
	}
	g.asBefore(tt.files)
}
