package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/v6guest/v6guest/pkg/wire"
	"github.com/v6guest/v6guest/test/peer"
)

// asked is how often the guest asks while the script runs.
const asked = 10

// TestNoHostIsLostWhileAScriptRewritesTheHostsFile has guests ask all the time while their lines are
// appended, deleted by sed -i, and the file is cut off half-way and written again: as a virtual router does it.
func TestNoHostIsLostWhileAScriptRewritesTheHostsFile(t *testing.T) {
	t.Parallel()
	ctx := within(t, time.Minute)
	c := newCloud(ctx, t, 1)
	n := c.Nets[0]
	others := make([]peer.Guest, 50)
	for i := range others {
		others[i] = peer.Guest{
			Name: fmt.Sprintf("other-%d", i), MAC: net.HardwareAddr{0x06, 0xa0, 0xf0, 1, 0, byte(i)}, Addr: n.Host(uint16(0x1000 + i)),
		}
	}
	responder(ctx, t, c, func(p *peer.Network) {
		p.Guests = append(append(append([]peer.Guest{}, others[:25]...), n.Reserved), others[25:]...)
	})
	ready(ctx, t, c)

	check(t, c.Guest.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0\noptimistic_dad = yes\n"))
	script, err := n.Router.Start("sh", "-ec", hostsScript)
	check(t, err)
	_, err = script.AwaitLine(ctx, 0, "round")
	check(t, err)
	from := len(n.Segment.Capture.Packets())
	for range asked { // anew: a Confirm is answered without the hosts file
		must(ctx, t, c, "sh", "-c", "rm -rf /var/lib/v6guest; ip -6 address flush dev eth0 scope global")
		leases(ctx, t, c.Guest, 0)
	}
	check(t, n.Router.WriteFile("/tmp/enough", ""))
	if code, err := script.Wait(ctx); code != 0 || err != nil {
		t.Fatalf("the script ended with exit code %d: %v", code, err)
	}
	answers := 0
	for _, p := range n.Segment.Capture.Packets()[from:] {
		m, err := wire.Decode(p.Payload)
		if p.DstPort != 546 || err != nil || m.Type != dhcpv6.MessageTypeReply && m.Type != dhcpv6.MessageTypeAdvertise {
			continue
		}
		answers++
		if got := given(m); got != n.Reserved.Addr.String() {
			t.Errorf("a wrong answer: %s", m)
		}
	}
	if answers < asked {
		t.Errorf("%d answers while the script ran: the test proves nothing", answers)
	}
	// The last line that was added is in force too.
	last := netip.MustParseAddr("2001:db8:1::77ff")
	m, err := c.Machine(ctx, n, "last", net.HardwareAddr{0x06, 0xa0, 0xf0, 2, 0, 0xff}, netip.Addr{})
	check(t, err)
	check(t, m.WriteFile("/etc/v6guest/v6guest.conf", "[agent]\nnics = eth0\n"))
	if got, r := lease(ctx, t, m, "eth0", "--timeout", "10s"); r.Code != 0 || len(got) != 1 || got[0].Address != last {
		t.Errorf("the last line: %s%s", r.Stdout, r.Stderr)
	}
}

// hostsScript changes the file in every way that the virtual router's scripts have. It never rests, so that
// requests meet each state of the file.
var hostsScript = strings.ReplaceAll(`
until test -e /tmp/enough; do
	n=0
	while [ $n -lt 20 ]; do
		h=$(printf %02x $n)
		echo "id:00:03:00:01:06:a0:f0:02:00:$h,[2001:db8:1::77$h],new-$n,infinite" >> FILE
		sed -i "/06:a0:f0:01:00:$h/d" FILE
		n=$((n+1))
	done
	cp FILE /tmp/now
	size=$(stat -c %s FILE)
	truncate -s $((size/2)) FILE
	cat /tmp/now > FILE
	: > FILE
	head -c $((size/3)) /tmp/now > FILE
	cat /tmp/now > FILE
	sed -i '/new-/d' FILE
	echo round
done
echo 'id:00:03:00:01:06:a0:f0:02:00:ff,[2001:db8:1::77ff],last,infinite' >> FILE
`, "FILE", peer.ResponderHosts)

// given are those of a message's IAs.
func given(m *wire.Message) string {
	var out []string
	for _, ia := range m.IANAs {
		for _, a := range ia.Addresses {
			out = append(out, a.Addr.String())
		}
	}
	return strings.Join(out, " ")
}
