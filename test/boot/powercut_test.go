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

// stages are how far `configure` is when the power goes, as a shell asks: the originals are kept and noted, or the first file is changed.
var stages = []string{"-e /var/lib/v6guest/backup/manifest.json", "/etc/dhcpcd.conf -nt /run/mark"}

// cutInConfigure cuts the power in the middle of a `configure` that changes every file: it is stopped at a stage, so that it is known not to have
// ended. One that is over before it can be stopped is tried again.
func (g *machine) cutInConfigure(stage string) {
	g.t.Helper()
	g.do("sh", "-c", `for try in 1 2 3 4 5 6 7 8 9; do
		v6guest restore; touch /run/mark
		v6guest configure >/dev/null 2>&1 & pid=$!
		until [ `+stage+` ] || ! [ -e /proc/$pid/exe ]; do :; done
		kill -STOP $pid
		until grep -q '^State:.[TZ]' /proc/$pid/status; do :; done
		if grep -q '^State:.T' /proc/$pid/status; then exit 0; fi
		wait $pid
	done; exit 1`)
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

// TestPowerCuts: the power goes in the middle of `configure`, and of a renewal. The next boot has everything from network-online.target on, and
// `restore` brings the originals.
func TestPowerCuts(t *testing.T) {
	tt := caseOf("debian13-ifupdown-dhcpcd")
	tt.files = append(slices.Clone(tt.files), needsNetwork...)
	g := bootOn(t, tt, enabled, renewing, 20*time.Minute)
	g.asReserved(tt)
	g.do("v6guest", "restore")
	originals := g.sums()
	for what, cut := range map[string]func(){
		"configure": func() { g.cutInConfigure(stages[1]) },
		"a renewal": func() { g.cutInRenewal(dhcpv6.MessageTypeReply) },
	} {
		t.Logf("power cut in %s", what)
		cut()
		g.boot()
		g.wasOnline(tt)
		g.afterACut(tt)
	}
	g.asBefore(tt.files)
	if got := g.sums(); got != originals {
		t.Errorf("after restore:\n%s\nbefore:\n%s", got, originals)
	}
}

// afterACut checks what each boot has to have, whatever the one before it ended in.
func (g *machine) afterACut(tt guestCase) {
	g.t.Helper()
	g.wasConfigured(tt)
	g.asReserved(tt)
	g.hasNot("damaged", "journalctl", "-b", "--no-pager", "-u", "v6guest.service")
	g.hasNot(`msg="default NIC" nic=eth1`, "journalctl", "-b", "--no-pager", "-u", "v6guest.service")
}
